"""Launch the points of a multirun on workers: of this machine, or of a Ray cluster."""

import os
import re
import sys
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, filter_overrides, run_job, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from vae_granularity.errors import ArgumentError, integer, number
from vae_granularity.terminal import say

OUTPUT = ".output"  # beside the runs: a file for what each job prints
# Imported once for all workers of this machine. The first one ignores Ctrl-C.
PRELOAD = (
    "vae_granularity.sweeps.preload",
    "vae_granularity.population.jobs",
    # Not the command itself, `vae_granularity.train`: a worker runs it as its main module, and
    # Python warns where that was imported before.
    "vae_granularity.training.config",
    "pydantic",
)


class WorkersLauncher(Launcher):
    """Hand the jobs to workers and collect their results.

    Args:
        attempts: workers that a point may lose before it is given up.
    """

    def __init__(self, attempts: int) -> None:
        self.attempts = integer("hydra.launcher.attempts", attempts, 1)

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Keep Hydra's objects for `launch`."""
        self.context = hydra_context
        self.task = task_function
        self.config = config

    @abstractmethod
    def pool(self, task: Callable[[Any], Any]) -> Any:
        """Return the workers, a context that ends them."""

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Run the jobs; return one result for each, a failed one with its exception."""
        from vae_granularity.sweeps.workers import run_all

        setup_globals()
        folder = Path(self.config.hydra.sweep.dir).absolute() / OUTPUT
        folder.mkdir(parents=True, exist_ok=True)
        task = _task(self.context, self.task, self.config, os.getcwd(), Singleton.get_state())
        items = [
            _Item(initial_job_idx + i, list(overrides), folder / f"{name}.txt")
            for i, (overrides, name) in enumerate(
                zip(job_overrides, names(job_overrides), strict=True)
            )
        ]
        say(f"the output of each point is in {folder}")
        with self.pool(task) as pool:
            results = run_all(pool, items, self.attempts, name=lambda item: item.output.stem)
        return [
            _job_return(result, item.overrides) for result, item in zip(results, items, strict=True)
        ]


class CoresLauncher(WorkersLauncher):
    """Run points in processes of this machine, which end with the command.

    Args:
        n_jobs: points at a time; -1 is one a core.
        attempts: workers that a point may lose before it is given up.
        gpus: values of CUDA_VISIBLE_DEVICES that are dealt to the workers in turn; None are those
            that this process sees, one each, where a point takes one device.
    """

    def __init__(
        self, n_jobs: int = -1, attempts: int = 5, gpus: Sequence[str | int] | None = None
    ) -> None:
        super().__init__(attempts)
        if n_jobs != -1:
            integer("hydra.launcher.n_jobs", n_jobs, 1)
        self.n_jobs = n_jobs
        if isinstance(gpus, (str, int)):
            raise ArgumentError(
                f"hydra.launcher.gpus must be null or a list of devices, as [0,1], got {gpus!r}"
            )
        self.gpus = None if gpus is None else [str(name) for name in gpus]

    def pool(self, task: Callable[[Any], Any]) -> Any:
        from vae_granularity.sweeps.workers import LocalPool, cores

        gpus = self.gpus
        if gpus is None:
            # A run on several devices chooses them itself.
            one_device = OmegaConf.select(self.config, "trainer.devices") == 1
            gpus = visible_gpus() if one_device else []
        size = cores() if self.n_jobs == -1 else self.n_jobs
        return LocalPool(task, size, gpus, preload=PRELOAD)


def visible_gpus() -> list[str]:
    """Return the names of the GPUs that this process may use, as CUDA_VISIBLE_DEVICES has them."""
    import torch

    count = torch.cuda.device_count()
    names = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    return names[:count] if len(names) >= count > 0 and names[0] else [str(i) for i in range(count)]


class RayLauncher(WorkersLauncher):
    """Run points on a Ray cluster, which is started here or runs already.

    Args:
        address: of a cluster that runs (auto | HOST:PORT); None starts one on this machine.
        cpus: that a point takes.
        gpus: that a point takes: a part of one, or whole ones.
        num_cpus, num_gpus: of a cluster that is started here; None are those of the machine.
        attempts: workers that a point may lose before it is given up.
    """

    def __init__(
        self,
        address: str | None = None,
        cpus: float = 1.0,
        gpus: float = 0.0,
        num_cpus: int | None = None,
        num_gpus: int | None = None,
        attempts: int = 5,
    ) -> None:
        super().__init__(attempts)
        self.options: dict[str, Any] = {
            "address": address,
            "cpus": number("hydra.launcher.cpus", cpus, 0.0),
            "gpus": number("hydra.launcher.gpus", gpus, 0.0),
        }
        if gpus > 1 and not float(gpus).is_integer():
            raise ArgumentError(
                f"hydra.launcher.gpus must be in [0, 1] or a whole number, got {gpus}"
            )
        for name, value in {"num_cpus": num_cpus, "num_gpus": num_gpus}.items():
            if value is not None:
                integer(f"hydra.launcher.{name}", value, 0)
                if address is not None:
                    raise ArgumentError(
                        f"hydra.launcher.{name} must be null with hydra.launcher.address={address}:"
                        f" a cluster that runs has what it has; got {value}"
                    )
            self.options[name] = value

    def pool(self, task: Callable[[Any], Any]) -> Any:
        from vae_granularity.sweeps.ray_pool import RayPool

        return RayPool(task, **self.options)


def names(job_overrides: Sequence[Sequence[str]]) -> list[str]:
    """Return a readable file name for each job: the overrides that not all jobs have.

    >>> names([["a.b=1", "c=2"], ["a.b=1", "c=3"]])
    ['c=2', 'c=3']
    """
    common: set[str] = set()
    if len(job_overrides) > 1:
        common = set.intersection(*map(set, job_overrides))
    return [_file_name(overrides, common) for overrides in job_overrides]


def _file_name(overrides: Sequence[str], common: set[str]) -> str:
    name = " ".join(override for override in overrides if override not in common)
    # A pack is called by its file, not by the path of it.
    name = re.sub(r"\+pack=\S*/(\S+)\.json", r"pack \1", name)
    return re.sub(r"[^\w=.,+\- \[\]]", "_", name)[-200:] or "job"


@dataclass(frozen=True)
class _Item:
    """One job of a multirun."""

    number: int
    overrides: list[str]
    output: Path  # the file that takes what it prints


def _task(
    context: HydraContext, task: TaskFunction, config: DictConfig, cwd: str, singletons: Any
) -> Callable[[_Item], JobReturn]:
    """Return the function that runs one job in a worker."""

    def run(item: _Item) -> JobReturn:
        os.chdir(cwd)
        with _output_to(item.output):
            setup_globals()
            Singleton.set_state(singletons)
            job = context.config_loader.load_sweep_config(config, item.overrides)
            with open_dict(job):
                job.hydra.job.id = f"job_{item.number}"
                job.hydra.job.num = item.number
            result = run_job(
                hydra_context=context,
                task_function=task,
                config=job,
                job_dir_key="hydra.sweep.dir",
                job_subdir_key="hydra.sweep.subdir",
            )
        # Configs are long, and the launcher has them.
        result.cfg = None
        result.hydra_cfg = None
        return result

    return run


@contextmanager
def _output_to(path: Path) -> Iterator[None]:
    """Add everything that this process and its children print to the end of a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    stdout = sys.stdout
    stderr = sys.stderr
    descriptors = {number: os.dup(number) for number in (1, 2)}
    with path.open("a", buffering=1, encoding="utf-8") as file:
        for number in descriptors:
            os.dup2(file.fileno(), number)
        sys.stdout = sys.stderr = file
        try:
            yield
        finally:
            sys.stdout = stdout
            sys.stderr = stderr
            for number, descriptor in descriptors.items():
                os.dup2(descriptor, number)
                os.close(descriptor)


def _job_return(result: Any, overrides: Sequence[str]) -> JobReturn:
    """Return the result of a job in Hydra's form, also of one whose worker raised or was lost."""
    if isinstance(result, JobReturn):
        return result
    failed = JobReturn(overrides=list(filter_overrides(overrides)), status=JobStatus.FAILED)
    failed.return_value = result
    return failed

"""Hydra's side of the launchers that hand points to workers: of this machine, or of Ray."""

import os
import re
import sys
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, filter_overrides, run_job, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from vae_granularity.errors import ArgumentError, BusyError, integer, number

OUTPUT = ".output"  # what each job prints, in a file beside the runs


class WorkersLauncher(Launcher):
    """Hands the jobs to workers and collects what became of them."""

    def __init__(self, attempts: int) -> None:
        self.attempts = integer("hydra.launcher.attempts", attempts, 1)

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        self.context, self.task, self.config = hydra_context, task_function, config

    @abstractmethod
    def pool(self, task: Callable[[Any], Any]) -> Any:
        """The workers, as a context that ends them."""

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Run the jobs; one return for each, a failed one with its exception."""
        from vae_granularity.sweeps.queue import run_all

        setup_globals()
        folder = Path(self.config.hydra.sweep.dir).absolute() / OUTPUT
        folder.mkdir(parents=True, exist_ok=True)
        task = _task(self.context, self.task, self.config, os.getcwd(), Singleton.get_state())
        items = [
            (initial_job_idx + i, list(overrides), folder / f"{name}.txt")
            for i, (overrides, name) in enumerate(
                zip(job_overrides, names(job_overrides), strict=True)
            )
        ]
        print(f"the output of each point is in {folder}", flush=True)
        with self.pool(task) as pool:
            results = run_all(
                pool, items, self.attempts, _is_locked, name=lambda item: item[2].stem
            )
        return [_returned(result, item[1]) for result, item in zip(results, items, strict=True)]


class CoresLauncher(WorkersLauncher):
    """Points on the cores of this machine, by processes that end with the command.

    Args:
        n_jobs: points at a time; -1 is one a core.
        attempts: workers that a point may lose before it is given up.
    """

    def __init__(self, n_jobs: int = -1, attempts: int = 5) -> None:
        super().__init__(attempts)
        if n_jobs != -1:
            integer("hydra.launcher.n_jobs", n_jobs, 1)
        self.n_jobs = n_jobs

    def pool(self, task: Callable[[Any], Any]) -> Any:
        from vae_granularity.sweeps.processes import LocalPool, cores

        return LocalPool(task, cores() if self.n_jobs == -1 else self.n_jobs)


class RayLauncher(WorkersLauncher):
    """Points on a Ray cluster, which is started here or runs already.

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
        for name, value in (("num_cpus", num_cpus), ("num_gpus", num_gpus)):
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
    """A readable file name for each job: the overrides that not all jobs have.

    >>> names([["a.b=1", "c=2"], ["a.b=1", "c=3"]])
    ['c=2', 'c=3']
    """
    common = set.intersection(*map(set, job_overrides)) if len(job_overrides) > 1 else set[str]()
    own = [" ".join(o for o in overrides if o not in common) for overrides in job_overrides]
    own = [re.sub(r"\+pack=\S*/(\S+)\.json", r"pack \1", name) for name in own]
    return [re.sub(r"[^\w=.,+\- \[\]]", "_", name)[-200:] or "job" for name in own]


def _task(
    context: HydraContext, task: TaskFunction, config: DictConfig, cwd: str, singletons: Any
) -> Callable[[Any], Any]:
    """What a worker does with (number, overrides, file of its output) of a job."""

    def run(item: tuple[int, list[str], Path]) -> JobReturn:
        index, overrides, output = item
        os.chdir(cwd)
        with _output_to(output):
            setup_globals()
            Singleton.set_state(singletons)
            job = context.config_loader.load_sweep_config(config, overrides)
            with open_dict(job):
                job.hydra.job.id, job.hydra.job.num = f"job_{index}", index
            done = run_job(
                hydra_context=context,
                task_function=task,
                config=job,
                job_dir_key="hydra.sweep.dir",
                job_subdir_key="hydra.sweep.subdir",
            )
        done.cfg = done.hydra_cfg = None  # long, and known to whoever launched
        return done

    return run


@contextmanager
def _output_to(path: Path) -> Iterator[None]:
    """Everything that this process and its children print goes to the end of a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kept, streams = (os.dup(1), os.dup(2)), (sys.stdout, sys.stderr)
    with path.open("a", buffering=1, encoding="utf-8") as file:
        for number_ in (1, 2):
            os.dup2(file.fileno(), number_)
        sys.stdout = sys.stderr = file
        try:
            yield
        finally:
            sys.stdout, sys.stderr = streams
            for number_, old in zip((1, 2), kept, strict=True):
                os.dup2(old, number_)
                os.close(old)


def _is_locked(result: Any) -> bool:
    return (
        isinstance(result, JobReturn)
        and result.status is JobStatus.FAILED
        and isinstance(result._return_value, BusyError)
    )


def _returned(result: Any, overrides: Sequence[str]) -> JobReturn:
    """The return of a job, also of one whose worker raised or was lost."""
    if isinstance(result, JobReturn):
        return result
    failed = JobReturn(overrides=list(filter_overrides(overrides)), status=JobStatus.FAILED)
    failed.return_value = result
    return failed

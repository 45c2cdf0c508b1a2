"""Pack compatible points of a multirun, and launch packs and other points as jobs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from vae_granularity.errors import choice, integer
from vae_granularity.population.jobs import remove_packs, write_pack
from vae_granularity.terminal import say
from vae_granularity.training.config import job_config

BASIC = "hydra._internal.core_plugins.basic_launcher.BasicLauncher"
CORES = {"_target_": "hydra_plugins.vae_granularity_workers.CoresLauncher"}
AUTO = "auto"
ALONE = "alone"
WAYS = (AUTO, ALONE, "eager", "compiled")


class PopulationLauncher(Launcher):
    """Train compatible points as populations.

    Args:
        jobs: config of the launcher that runs packs and other points as jobs. With Hydra's basic
            one, on this machine, the number of processes is chosen too.
        how: auto | alone | eager | compiled.
        max_members: of a pack.
        together: members of a pack that are computed at once; more take turns. None is chosen:
            what fits the cache, or all on a GPU.
        processes: at a time on this machine, at most; None is one a core, one where there is a GPU.
    """

    def __init__(
        self,
        jobs: DictConfig,
        how: str = AUTO,
        max_members: int = 512,
        together: int | None = None,
        processes: int | None = None,
    ) -> None:
        self.jobs = jobs
        self.how = choice("hydra.launcher.how", how, WAYS)
        self.max_members = integer("hydra.launcher.max_members", max_members, 1)
        self.together = None
        if together is not None:
            self.together = integer("hydra.launcher.together", together, 1)
        self.processes = None
        if processes is not None:
            self.processes = integer("hydra.launcher.processes", processes, 1)

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Keep Hydra's objects for `launch`."""
        self.context = hydra_context
        self.task = task_function
        self.config = config

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Run the jobs; return one result for each, a failed one with its exception."""
        from vae_granularity.population.packing import evenly, pack

        configs = [job_config(self.context, self.config, overrides) for overrides in job_overrides]
        points = _with_models(configs)
        packing = pack(points)
        # Numbers of the points that a job trains, and its overrides.
        jobs: list[tuple[Sequence[int], Sequence[str]]] = []
        for number, reason in packing.alone.items():
            say(f"trains alone: {' '.join(job_overrides[number])}: {reason}")
            jobs.append(([number], job_overrides[number]))
        folder = Path(configs[0].paths.output_dir)
        files: list[Path] = []
        processes = 1
        for group in packing.groups:
            model = points[group[0]][1]
            mode, together, group_processes = self._plan([configs[i] for i in group], model)
            processes = max(processes, group_processes)
            members = min(self.max_members, -(-len(group) // group_processes))
            for numbers in evenly(group, 1 if mode == ALONE else members):
                overrides = job_overrides[numbers[0]]
                if len(numbers) > 1:
                    file = write_pack(folder, [configs[i] for i in numbers], mode, together)
                    files.append(file)
                    overrides = [*overrides, f"+pack={file}"]
                jobs.append((numbers, overrides))
        try:
            results = self._launcher(processes).launch(
                [overrides for _, overrides in jobs], initial_job_idx
            )
        finally:
            remove_packs(files)
        return _results_of_points(results, [numbers for numbers, _ in jobs], len(configs))

    def _plan(self, configs: Sequence[DictConfig], model: Any) -> tuple[str, int, int]:
        """Return how to train, members together and processes at a time.

        Where another launcher runs the jobs, on other machines perhaps, `auto` is decided there.
        """
        max_together = self.together or self.max_members
        if self.jobs._target_ != BASIC:
            return self.how, max_together, 1
        if self.how != AUTO:
            return self.how, max_together, self.processes or 1
        from vae_granularity.population.plan import available_processes, choose_plan, trains_on_gpu

        plan = choose_plan(
            model,
            len(configs),
            configs[0].trainer.max_steps,
            max_together=max_together,
            max_processes=self.processes or available_processes(configs[0]),
            on_gpu=trains_on_gpu(configs[0]),
        )
        say(f"plan for {len(configs)} compatible runs: {plan}")
        return plan.how, plan.together, plan.processes

    def _launcher(self, processes: int) -> Launcher:
        """Return the launcher of the jobs: as configured, or several processes of this machine."""
        config = self.config.copy()
        with read_write(config), open_dict(config):
            config.hydra.launcher = self.jobs if processes == 1 else CORES | {"n_jobs": processes}
        return Plugins.instance().instantiate_launcher(
            hydra_context=self.context, task_function=self.task, config=config
        )


def _with_models(configs: Sequence[DictConfig]) -> list[tuple[Any, Any]]:
    """Return each resolved config with a model of its class and dials.

    One model is built for all configs that differ in no more than values.
    """
    from vae_granularity.runs.build import build

    models: dict[tuple[str, ...], Any] = {}
    points: list[tuple[Any, Any]] = []
    for config in configs:
        resolved: Any = OmegaConf.to_container(config, resolve=True)
        names = [name for name, value in resolved["model"].items() if value is not None]
        key = (resolved["model"]["_target_"], *names)
        if key not in models:
            models[key] = build(config)[0]
        points.append((resolved, models[key]))
    return points


def _results_of_points(
    results: Sequence[JobReturn], jobs: Sequence[Sequence[int]], count: int
) -> list[JobReturn]:
    """Return a result for each of `count` points from those of jobs, which train several points."""
    points = [JobReturn() for _ in range(count)]
    for result, numbers in zip(results, jobs, strict=True):
        # A job that failed is the failure of all its points; a pack returns the error of each.
        errors: Sequence[Any] = [None] * len(numbers)
        if result.status is JobStatus.FAILED:
            errors = [result._return_value] * len(numbers)
        elif len(numbers) > 1:
            errors = result.return_value
        for number, error in zip(numbers, errors, strict=True):
            points[number] = JobReturn(
                cfg=result.cfg,
                hydra_cfg=result.hydra_cfg,
                overrides=result.overrides,
                working_dir=result.working_dir,
                status=JobStatus.COMPLETED if error is None else JobStatus.FAILED,
            )
            points[number].return_value = error
    return points

"""Hydra's side of population training: packs compatible jobs, another launcher runs the packs."""

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
AUTO, ALONE = "auto", "alone"
WAYS = (AUTO, ALONE, "eager", "compiled")


class PopulationLauncher(Launcher):
    """Trains compatible points as populations.

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
        self.jobs, self.how = jobs, choice("hydra.launcher.how", how, WAYS)
        self.max_members = integer("hydra.launcher.max_members", max_members, 1)
        self.together, self.processes = (
            None if value is None else integer(f"hydra.launcher.{name}", value, 1)
            for name, value in (("together", together), ("processes", processes))
        )

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        self.context, self.task, self.config = hydra_context, task_function, config

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Run the jobs; one return for each, a failed one with its exception."""
        from vae_granularity.population.packing import evenly, pack

        configs = [job_config(self.context, self.config, overrides) for overrides in job_overrides]
        points = _with_models(configs)
        packing = pack(points)
        for i, reason in packing.alone.items():
            say(f"trains alone: {' '.join(job_overrides[i])}: {reason}")
        jobs: list[tuple[list[int], Sequence[str]]] = [
            ([i], job_overrides[i]) for i in packing.alone
        ]
        folder, files, processes = Path(configs[0].paths.output_dir), list[Path](), 1
        for group in packing.groups:
            model = points[group[0]][1]
            how, together, at_a_time = self._plan([configs[i] for i in group], model)
            processes = max(processes, at_a_time)
            members = 1 if how == ALONE else min(self.max_members, -(-len(group) // at_a_time))
            for part in evenly(group, members):
                own = job_overrides[part[0]]
                if len(part) > 1:
                    files.append(write_pack(folder, [configs[i] for i in part], how, together))
                    own = [*own, f"+pack={files[-1]}"]
                jobs.append((part, own))
        try:
            returned = self._launcher(processes).launch(
                [overrides for _, overrides in jobs], initial_job_idx
            )
        finally:
            remove_packs(files)
        return _each(returned, [part for part, _ in jobs], len(configs))

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
        print(f"plan for {len(configs)} compatible runs: {plan}", flush=True)
        return plan.how, plan.together, plan.processes

    def _launcher(self, processes: int) -> Launcher:
        """What runs the jobs: the launcher asked for, or several processes of this machine."""
        config = self.config.copy()
        with read_write(config), open_dict(config):
            config.hydra.launcher = self.jobs if processes == 1 else CORES | {"n_jobs": processes}
        return Plugins.instance().instantiate_launcher(
            hydra_context=self.context, task_function=self.task, config=config
        )


def _with_models(configs: Sequence[DictConfig]) -> list[tuple[Any, Any]]:
    """Resolved configs, each with a model of its class and dials; one is built for all like it."""
    from vae_granularity.runs.build import build

    models, found = {}, []
    for cfg in configs:
        resolved: Any = OmegaConf.to_container(cfg, resolve=True)
        names = [name for name, value in resolved["model"].items() if value is not None]
        key = (resolved["model"]["_target_"], *names)
        if key not in models:
            models[key] = build(cfg)[0]
        found.append((resolved, models[key]))
    return found


def _each(
    returned: Sequence[JobReturn], parts: Sequence[Sequence[int]], count: int
) -> list[JobReturn]:
    """One return for each point from those of the jobs, which hold the points of `parts`."""
    each = [JobReturn() for _ in range(count)]
    for job, part in zip(returned, parts, strict=True):
        outcomes = (
            [None] * len(part)
            if len(part) == 1 or job.status is JobStatus.FAILED
            else job.return_value
        )
        for i, outcome in zip(part, outcomes, strict=True):
            each[i] = JobReturn(
                cfg=job.cfg,
                hydra_cfg=job.hydra_cfg,
                overrides=job.overrides,
                working_dir=job.working_dir,
            )
            failed = job.status is JobStatus.FAILED or outcome is not None
            each[i].status = JobStatus.FAILED if failed else JobStatus.COMPLETED
            each[i].return_value = job._return_value if job.status is JobStatus.FAILED else outcome
    return each

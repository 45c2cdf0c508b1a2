"""Turn the overrides of a multirun into points, and complete them through the launcher."""

from collections.abc import Sequence
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.core.utils import JobStatus
from hydra.errors import HydraException
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from vae_granularity.errors import ArgumentError
from vae_granularity.sweeps import complete as sweep
from vae_granularity.sweeps.complete import Point
from vae_granularity.training.config import explain, job_config


class ResumableSweeper(Sweeper):
    """Complete the runs of all combinations of the swept values.

    Args:
        params: swept keys and values beside those of the command line, which wins.
        retry_failed: try points again that failed in an earlier sweep.
    """

    def __init__(self, params: dict[str, str] | None = None, retry_failed: bool = False) -> None:
        self.params = dict(params or {})
        self.retry_failed = retry_failed

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Keep Hydra's objects for `sweep`, and build the launcher."""
        self.context = hydra_context
        self.config = config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Complete the sweep of the override strings.

        Raises:
            SystemExit: 1 if a point is not done at the end, 2 if one is invalid, in which case none
                was trained.
        """
        words = [f"{key}={value}" for key, value in self.params.items()] + arguments
        parser = OverridesParser.create(config_loader=self.context.config_loader)
        overrides = parser.parse_overrides(words)
        swept_keys = {
            override.get_key_element() for override in overrides if override.is_sweep_override()
        }
        combinations: list[tuple[list[str], list[str]]] = []
        for batch in BasicSweeper.split_arguments(overrides, None):
            for combination in batch:
                swept = [word for word in combination if word.split("=")[0] in swept_keys]
                combinations.append((combination, swept))
        if not combinations:  # glob(*) of a key, say
            raise ArgumentError(f"{' '.join(words)} names no value: nothing would be trained")
        points = sweep.checked_points(combinations, self._compose)
        sweep.complete(points, self._launch, retry_failed=self.retry_failed)

    def _compose(self, overrides: Sequence[str]) -> DictConfig:
        """Return the config of a job, as `hydra.core.utils.run_job` hands it over."""
        assert self.config is not None, "Hydra calls setup first"
        try:
            config = job_config(self.context, self.config, overrides)
            OmegaConf.resolve(config)
        except (HydraException, OmegaConfBaseException) as error:
            raise ArgumentError(explain(error, self.config.hydra.job.config_name)) from error
        return config

    def _launch(self, points: Sequence[Point]) -> list[Any]:
        """Run the points; return the exception that each of them raised, or None."""
        assert self.launcher is not None, "Hydra calls setup first"
        returned = self.launcher.launch([point.overrides for point in points], initial_job_idx=0)
        return [job._return_value if job.status is JobStatus.FAILED else None for job in returned]

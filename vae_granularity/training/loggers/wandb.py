"""W&B: one W&B run for one run directory, online when logged in, else offline."""

import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger, WandbLogger
from lightning.pytorch.utilities import rank_zero_only

from vae_granularity.errors import ResourceError
from vae_granularity.runs.identity import RunInfo, shortened
from vae_granularity.runs.protocol import PROTOCOL_VERSION, VERSION
from vae_granularity.training.loggers.csv import csv_loggers
from vae_granularity.training.loggers.login import resolved_mode

MAX_GROUP = 128  # letters of a W&B group


def wandb_loggers(
    info: RunInfo,
    project: str = "vae-granularity",
    entity: str | None = None,
    group: str | None = None,
    mode: str = "auto",
) -> list[Logger]:
    """metrics.csv and a W&B run whose id is the run's: a continued run continues its W&B run.

    Args:
        info: the run.
        project, entity: as W&B names them.
        group: runs that belong together; by default the name of the folder of run directories.
        mode: `auto` is online when logged in, else offline with one line that says how to sync.

    Raises:
        ArgumentError: an unknown mode, or online without a login.
        ResourceError: W&B does not answer.
    """
    import wandb

    from vae_granularity.training.loggers.wandb_records import STEP, logged_before

    how: Any = resolved_mode(mode)  # one of W&B's own words
    before = logged_before(info.directory / "wandb")
    _wait_for_a_free_folder(info)
    try:
        run = wandb.init(
            project=project,
            entity=entity,
            group=shortened(group or info.output_dir.resolve().name, MAX_GROUP),
            name=info.name,
            id=info.id,
            resume="allow",
            dir=info.directory,
            mode=how,
            tags=list(info.tags),
            config=info.config | {VERSION: PROTOCOL_VERSION},
            # A population has several open at once.
            settings=wandb.Settings(console="off", silent=True, reinit="create_new"),
        )
    except wandb.Error as error:
        told = " ".join(str(error).split())
        raise ResourceError(f"W&B: {told} (logger.mode=offline needs no network)") from error
    run.define_metric(STEP)
    run.define_metric("*", step_metric=STEP)
    return [*csv_loggers(info), ContinuedRun(run, before.keys, max(before.rows, run.step))]


class ContinuedRun(WandbLogger):
    """A W&B run, whose earlier part may lie in offline folders of its own; it repeats none of it.

    What a killed run has logged after its last checkpoint comes once more, and is left out here:
    `wandb sync` of all folders is one run with each step once.

    Args:
        run: as `wandb.init` returns it.
        logged: keys by step that earlier folders hold.
        rows: of the history in them.
    """

    def __init__(self, run: Any, logged: Mapping[Any, Collection[str]], rows: int) -> None:
        super().__init__(experiment=run)
        self._logged, self._rows = logged, rows

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        known = self._logged.get(step, ())
        row = {key: value for key, value in metrics.items() if key not in known}
        if row:
            place = {} if step is None else {"trainer/global_step": step}
            self.experiment.log(row | place, step=self._rows, commit=True)
            self._rows += 1


def _wait_for_a_free_folder(info: RunInfo) -> None:
    # W&B names it by the second: a run continued within a second would overwrite its own records.
    while list((info.directory / "wandb").glob(f"*run-{time.strftime('%Y%m%d_%H%M%S')}-{info.id}")):
        time.sleep(0.1)


def sync_hint(directory: Path) -> str | None:
    """The line that says how to upload a run directory's offline W&B runs; None without any."""
    found = " ".join(map(str, sorted((directory / "wandb").glob("offline-run-*"))))
    return f"W&B is offline (not logged in); upload with: wandb sync {found}" if found else None

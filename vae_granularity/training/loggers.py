"""Loggers of a run: metrics.csv, progress.json for the status command, and W&B."""

import csv
import io
import logging
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger, WandbLogger
from lightning.pytorch.utilities import rank_zero_only

from vae_granularity.errors import ResourceError
from vae_granularity.files import open_regular_file, open_to_append, replace_file, set_aside
from vae_granularity.runs.identity import RunInfo, shortened
from vae_granularity.runs.protocol import PROTOCOL_VERSION, VERSION
from vae_granularity.runs.status import write_progress
from vae_granularity.training.wandb_login import resolved_mode

log = logging.getLogger(__name__)


class FileLogger(Logger):
    """Base of loggers into the run directory; config.yaml there holds the hyperparameters."""

    @property
    def name(self) -> str:
        return type(self).__name__

    @property
    def version(self) -> str:
        return ""

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Do nothing."""


class MetricsCSV(FileLogger):
    """Append to `path`; a column that appears later rewrites the file once, atomically.

    Lightning's own CSV logger deletes what an earlier process wrote; this one continues it
    (`truncate`).
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self._columns, self._rows = _read(path)

    @rank_zero_only
    def truncate(self, step: int) -> None:
        """Remove the rows after `step`: the run continues from there and writes them again."""
        self._rows = [row for row in self._rows if int(row["step"]) <= step]
        self._rewrite()

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        row = {"step": str(step)} | {key: repr(float(value)) for key, value in metrics.items()}
        is_same_step = bool(self._rows) and self._rows[-1]["step"] == row["step"]
        # A new column changes the header, and a second entry of a step its last row.
        new = [key for key in row if key not in self._columns]
        self._columns += new
        if is_same_step:
            self._rows[-1] |= row
        else:
            self._rows.append(row)
        if new or is_same_step or not self.path.exists():
            self._rewrite()
        else:
            text = io.StringIO(newline="")
            csv.DictWriter(text, self._columns, restval="").writerow(row)
            with open_to_append(self.path) as file:
                file.write(text.getvalue().encode())

    def _rewrite(self) -> None:
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, self._columns, restval="")
        writer.writeheader()
        writer.writerows(self._rows)
        with replace_file(self.path) as file:
            file.write(text.getvalue().encode())


def _read(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Return columns and rows; set a damaged file aside and keep the rows that can be read."""
    columns = ["step"]
    lines: list[dict[str, str]] = []
    if not path.exists():
        return columns, []
    try:
        with open_regular_file(path) as raw:
            text = io.TextIOWrapper(raw, encoding="utf-8", errors="replace", newline="")
            reader = csv.DictReader(text)
            columns = list(reader.fieldnames or columns)
            lines = list(reader)
    except csv.Error:
        columns = []
    legible = columns[:1] == ["step"] and all(name.isascii() for name in columns)
    rows = [_filled(line) for line in lines if _is_whole(line)]
    if not legible or not all(map(_is_whole, lines[:-1])):  # the last one may have been cut off
        aside = set_aside(path)
        log.warning("%s is damaged: it is now %s, what can be read goes on", path, aside.name)
    return (columns, rows) if legible else (["step"], [])


def _filled(row: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in row.items() if value}


def _is_whole(row: dict[str, str]) -> bool:
    if None in row or None in row.values() or not (row.get("step") or "").isdecimal():
        return False
    try:
        return bool([float(value) for value in row.values() if value])
    except ValueError:
        return False


def csv_loggers(info: RunInfo) -> list[Logger]:
    """Return the logger of metrics.csv in the run directory."""
    return [MetricsCSV(info.directory / "metrics.csv")]


def no_loggers(info: RunInfo) -> list[Logger]:
    """Return no logger: nothing is written but results.json."""
    return []


SECONDS = 10.0  # between two writes of progress.json


class ProgressFile(FileLogger):
    """Write progress.json (step, speed, training ELBO) for the status command.

    Args:
        directory: of the run.
        steps: of the whole run.
    """

    def __init__(self, directory: Path, steps: int) -> None:
        super().__init__()
        self.directory = directory
        self.steps = steps
        self._first: tuple[int, float] | None = None  # step and time of the first entry
        self._progress: dict[str, float | None] = {}
        self._write()

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        if step is None:
            return
        seconds = time.monotonic()
        self._first = self._first or (step, seconds)
        first, began = self._first
        self._progress["step"] = step
        if step > first:
            self._progress["seconds_per_step"] = (seconds - began) / (step - first)
        if "train/elbo" in metrics:
            self._progress["elbo"] = float(metrics["train/elbo"])
        if seconds >= self._due or step >= self.steps:
            self._write()

    def _write(self) -> None:
        write_progress(self.directory, self.steps, **self._progress)
        self._due = time.monotonic() + SECONDS


MAX_GROUP = 128  # letters of a W&B group


def wandb_loggers(
    info: RunInfo,
    project: str = "vae-granularity",
    entity: str | None = None,
    group: str | None = None,
    mode: str = "auto",
) -> list[Logger]:
    """Return the loggers of metrics.csv and of a W&B run, which a continued run continues.

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

    from vae_granularity.training.wandb_records import STEP, logged_before

    wandb_mode: Any = resolved_mode(mode)  # one of W&B's own words
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
            mode=wandb_mode,
            tags=list(info.tags),
            config=info.config | {VERSION: PROTOCOL_VERSION},
            # A population has several open at once.
            settings=wandb.Settings(console="off", silent=True, reinit="create_new"),
        )
    except wandb.Error as error:
        reason = " ".join(str(error).split())
        raise ResourceError(f"W&B: {reason} (logger.mode=offline needs no network)") from error
    # W&B counts rows; its charts are over training steps.
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
        self._logged = logged
        self._rows = rows

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        logged = self._logged.get(step, ())
        row = {key: value for key, value in metrics.items() if key not in logged}
        if row:
            if step is not None:
                row["trainer/global_step"] = step
            self.experiment.log(row, step=self._rows, commit=True)
            self._rows += 1


def _wait_for_a_free_folder(info: RunInfo) -> None:
    # W&B names it by the second: a run continued within a second would overwrite its own records.
    while list((info.directory / "wandb").glob(f"*run-{time.strftime('%Y%m%d_%H%M%S')}-{info.id}")):
        time.sleep(0.1)


def sync_hint(directory: Path) -> str | None:
    """Return the line that says how to upload offline W&B runs of a run directory, or None."""
    folders = " ".join(map(str, sorted((directory / "wandb").glob("offline-run-*"))))
    return f"W&B is offline (not logged in); upload with: wandb sync {folders}" if folders else None

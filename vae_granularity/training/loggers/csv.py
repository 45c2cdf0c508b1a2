"""metrics.csv: one row a step, whole after kills, continued without a gap or a repeated row."""

import csv
import io
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

from vae_granularity.files import open_regular_file, open_to_append, replace_file, set_aside
from vae_granularity.runs.identity import RunInfo

log = logging.getLogger(__name__)


class FileLogger(Logger):
    """A logger into the run directory, whose config.yaml holds what W&B calls hyperparameters."""

    @property
    def name(self) -> str:
        return type(self).__name__

    @property
    def version(self) -> str:
        return ""

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Nothing."""


class MetricsCSV(FileLogger):
    """Appends to `path`; a column that appears later rewrites the file once, atomically.

    Lightning's own CSV logger deletes what an earlier process wrote; this one continues it
    (`truncate`).
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self._columns, self._rows = _read(path)

    @rank_zero_only
    def truncate(self, step: int) -> None:
        """Drop the rows after `step`: the run goes on from there and writes them again."""
        self._rows = [row for row in self._rows if int(row["step"]) <= step]
        self._rewrite()

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        row = {"step": str(step)} | {key: repr(float(value)) for key, value in metrics.items()}
        known = self._rows and self._rows[-1]["step"] == row["step"]
        new = [key for key in row if key not in self._columns]
        self._columns += new
        if known:
            self._rows[-1] |= row
        else:
            self._rows.append(row)
        if new or known or not self.path.exists():
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
    """Columns and rows; a damaged file is set aside, what can be read of it is kept."""
    columns, found, rows = ["step"], [], []
    if not path.exists():
        return columns, rows
    try:
        with open_regular_file(path) as raw:
            text = io.TextIOWrapper(raw, encoding="utf-8", errors="replace", newline="")
            reader = csv.DictReader(text)
            columns = list(reader.fieldnames or columns)
            found = list(reader)
    except csv.Error:
        columns = []
    legible = columns[:1] == ["step"] and all(name.isascii() for name in columns)
    rows = [{k: v for k, v in row.items() if v} for row in found if _is_whole(row)]
    if not legible or not all(map(_is_whole, found[:-1])):  # the last one may have been cut off
        aside = set_aside(path)
        log.warning("%s is damaged: it is now %s, what can be read goes on", path, aside.name)
    return (columns, rows) if legible else (["step"], [])


def _is_whole(row: dict[str, str]) -> bool:
    if None in row or None in row.values() or not (row.get("step") or "").isdecimal():
        return False
    try:
        return bool([float(value) for value in row.values() if value])
    except ValueError:
        return False


def csv_loggers(info: RunInfo) -> list[Logger]:
    """metrics.csv in the run directory."""
    return [MetricsCSV(info.directory / "metrics.csv")]


def no_loggers(info: RunInfo) -> list[Logger]:
    """Nothing but results.json."""
    return []

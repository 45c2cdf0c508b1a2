"""metrics.csv: one row a step, whole after kills, continued without a gap or a repeated row."""

import csv
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

from vae_granularity.runs.identity import RunInfo


class MetricsCSV(Logger):
    """Appends to `path`; a column that appears later rewrites the file once, atomically.

    Lightning's own CSV logger deletes what an earlier process wrote; this one continues it
    (`truncate`).
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self._columns, self._rows = _read(path)

    @property
    def name(self) -> str:
        return "csv"

    @property
    def version(self) -> str:
        return ""

    @rank_zero_only
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Nothing: config.yaml holds them."""

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
            with self.path.open("a", newline="") as file:
                csv.DictWriter(file, self._columns, restval="").writerow(row)

    def _rewrite(self) -> None:
        temporary = self.path.with_suffix(".csv.part")
        with temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, self._columns, restval="")
            writer.writeheader()
            writer.writerows(self._rows)
        os.replace(temporary, self.path)


def _read(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    if not path.exists():
        return ["step"], []
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        whole = [row for row in reader if None not in row and None not in row.values()]
        rows = [row for row in whole if (row["step"] or "").isdigit()]
        columns = list(reader.fieldnames or ["step"])
        return columns, [{k: v for k, v in row.items() if v} for row in rows]


def csv_loggers(info: RunInfo) -> list[Logger]:
    """metrics.csv in the run directory."""
    return [MetricsCSV(info.directory / "metrics.csv")]


def no_loggers(info: RunInfo) -> list[Logger]:
    """Nothing but results.json."""
    return []

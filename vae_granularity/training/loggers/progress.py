"""How far a run is, in its directory: for whoever looks from outside (the status command)."""

import time
from collections.abc import Mapping
from pathlib import Path

from lightning.pytorch.utilities import rank_zero_only

from vae_granularity.runs.status import write_progress
from vae_granularity.training.loggers.csv import FileLogger

SECONDS = 10.0  # between two signs


class ProgressFile(FileLogger):
    """Keeps progress.json of a run up to date: step, speed and training ELBO of what is logged.

    Args:
        directory: of the run.
        steps: of the whole run.
    """

    def __init__(self, directory: Path, steps: int) -> None:
        super().__init__()
        self.directory, self.steps = directory, steps
        self._first: tuple[int, float] | None = None  # step and time of the first entry
        self._found: dict[str, float | None] = {}
        self._write()

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        if step is None:
            return
        now = time.monotonic()
        first, began = self._first = self._first or (step, now)
        self._found["step"] = step
        if step > first:
            self._found["seconds_per_step"] = (now - began) / (step - first)
        if "train/elbo" in metrics:
            self._found["elbo"] = float(metrics["train/elbo"])
        if now >= self._due or step >= self.steps:
            self._write()

    def _write(self) -> None:
        write_progress(self.directory, self.steps, **self._found)
        self._due = time.monotonic() + SECONDS

"""Progress with time left: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Any

from lightning import Callback, LightningModule, Trainer
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from vae_granularity.training.callbacks.terms import term_logger


class ProgressBar(Callback):
    """Shows the step, the time left and the latest training ELBO.

    Args:
        lines: number of lines in a run whose output is no terminal.
    """

    def __init__(self, lines: int = 10) -> None:
        self.lines = lines
        self._bar: Progress | None = None
        self._start = (0, 0.0)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._start = (trainer.global_step, time.monotonic())
        if sys.stdout.isatty() and trainer.is_global_zero:
            columns = (
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("steps"),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(),
            )
            self._bar = Progress(*columns, TextColumn("{task.description}"), refresh_per_second=4)
            self._task = self._bar.add_task(
                "", total=trainer.max_steps, completed=trainer.global_step
            )
            self._bar.start()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        step = batch_idx + 1
        if self._bar is not None:
            self._bar.update(self._task, completed=step, description=_latest_elbo(trainer))
        elif trainer.is_global_zero and step % max(1, trainer.max_steps // self.lines) == 0:
            first, begun = self._start
            left = (time.monotonic() - begun) / max(1, step - first) * (trainer.max_steps - step)
            print(
                f"step {step}/{trainer.max_steps}, {_clock(left)} left  {_latest_elbo(trainer)}",
                flush=True,
            )

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _latest_elbo(trainer: Trainer) -> str:
    terms = term_logger(trainer)
    latest = terms.latest if terms is not None else {}
    return f"ELBO {latest['train/elbo']:.2f} nats" if "train/elbo" in latest else ""


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 3600}:{int(seconds) // 60 % 60:02d}:{int(seconds) % 60:02d}"

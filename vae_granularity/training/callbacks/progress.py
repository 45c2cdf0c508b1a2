"""Progress with time left: a bar on a terminal, a line now and then elsewhere."""

import sys
import time
from datetime import timedelta
from typing import Any

from lightning import Callback, LightningModule, Trainer
from rich import progress

from vae_granularity.training.callbacks.terms import term_logger


class ProgressBar(Callback):
    """Shows the step, the time left and the latest training ELBO.

    Args:
        lines: number of lines in a run whose output is no terminal.
    """

    def __init__(self, lines: int = 10) -> None:
        self.lines = lines
        self._bar: progress.Progress | None = None
        self._start = (0, 0.0)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._start = (trainer.global_step, time.monotonic())
        if sys.stdout.isatty() and trainer.is_global_zero:
            count = (progress.BarColumn(), progress.MofNCompleteColumn(), "steps")
            clock = (progress.TimeElapsedColumn(), "left", progress.TimeRemainingColumn())
            text = progress.TextColumn("{task.description}")
            self._bar = progress.Progress(*count, *clock, text, refresh_per_second=4)
            start, end = trainer.global_step, trainer.max_steps
            self._task = self._bar.add_task("", total=end, completed=start)
            self._bar.start()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        step, steps = batch_idx + 1, trainer.max_steps
        if self._bar is not None:
            self._bar.update(self._task, completed=step, description=_latest_elbo(trainer))
        elif trainer.is_global_zero and step % max(1, steps // self.lines) == 0:
            first, begun = self._start
            left = (time.monotonic() - begun) / max(1, step - first) * (steps - step)
            clock = timedelta(seconds=int(left))
            print(f"step {step}/{steps}, {clock} left  {_latest_elbo(trainer)}", flush=True)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _latest_elbo(trainer: Trainer) -> str:
    terms = term_logger(trainer)
    latest = terms.latest if terms is not None else {}
    return f"ELBO {latest['train/elbo']:.2f} nats" if "train/elbo" in latest else ""

"""Progress with time left: a bar on a terminal, a line now and then elsewhere."""

import logging
import sys
import time
from collections.abc import Iterator
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
        self._moved: list[tuple[logging.StreamHandler, Any]] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._start = (trainer.global_step, time.monotonic())
        if sys.stdout.isatty() and trainer.is_global_zero:
            count = (progress.BarColumn(), progress.MofNCompleteColumn(), "steps")
            clock = (progress.TimeElapsedColumn(), "left", progress.TimeRemainingColumn())
            text = progress.TextColumn("{task.description}")
            self._bar = progress.Progress(*count, *clock, text, refresh_per_second=4)
            start, end = trainer.global_step, trainer.max_steps
            self._task = self._bar.add_task("", total=end, completed=start)
            before = sys.stdout, sys.stderr
            self._bar.start()
            # What is logged goes above the bar: handlers hold the streams that it has replaced.
            self._moved = list(_redirected(before, (sys.stdout, sys.stderr)))

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
            for handler, stream in self._moved:
                handler.setStream(stream)


def _redirected(
    before: tuple[Any, Any], after: tuple[Any, Any]
) -> Iterator[tuple[logging.StreamHandler, Any]]:
    """Points log handlers from the streams `before` to those `after`; each with what it had."""
    names = ("", "lightning", "lightning.pytorch", "lightning.fabric")
    for handler in {h for name in names for h in logging.getLogger(name).handlers}:
        stream = getattr(handler, "stream", None)
        if isinstance(handler, logging.StreamHandler) and stream in before:
            handler.setStream(after[before.index(stream)])
            yield handler, stream


def _latest_elbo(trainer: Trainer) -> str:
    terms = term_logger(trainer)
    latest = terms.latest if terms is not None else {}
    return f"ELBO {latest['train/elbo']:.2f} nats" if "train/elbo" in latest else ""

"""A Lightning trainer whose steps are taken elsewhere: its counters and the hooks after a step."""

from __future__ import annotations

from typing import Any

import torch
from lightning import Trainer
from lightning.pytorch.trainer import call


def set_counters(trainer: Trainer, step: int, completed: int) -> None:
    """Make the loops stand where they would after `step` steps, of which the hooks of `completed`
    have run.
    """
    loop = trainer.fit_loop.epoch_loop
    for progress in (loop.batch_progress.total, loop.batch_progress.current):
        progress.ready = progress.started = progress.processed = step
        progress.completed = completed
    loop.batch_progress.is_last_batch = step == trainer.max_steps
    optimizer = loop.automatic_optimization.optim_progress.optimizer
    for counts in (
        optimizer.step.total,
        optimizer.step.current,
        optimizer.zero_grad.total,
        optimizer.zero_grad.current,
    ):
        counts.ready = counts.completed = step
    optimizer.zero_grad.total.started = optimizer.zero_grad.current.started = step
    loop._batches_that_stepped = completed
    trainer.datamodule.step = step


def after_step(trainer: Trainer, step: int, outputs: dict[str, Any]) -> None:
    """What Lightning does between a step, counted from 1, and the next: the callbacks, with what
    `training_step` has returned.
    """
    connector = trainer._logger_connector
    set_counters(trainer, step, step - 1)
    connector.on_batch_start(torch.empty(0))
    call._call_callback_hooks(trainer, "on_train_batch_end", outputs, torch.empty(0), step - 1)
    connector.on_batch_end()
    set_counters(trainer, step, step)
    connector.update_train_step_metrics()

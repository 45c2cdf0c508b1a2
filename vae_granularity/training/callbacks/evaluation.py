"""Evaluation while training: terms and scores to the loggers, figures to the run directory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer

from vae_granularity.evaluation.protocol import EvaluationProtocol
from vae_granularity.evaluation.report import report
from vae_granularity.evaluation.scores import Metrics
from vae_granularity.training.callbacks.terms import term_logger


class PeriodicEvaluation(Callback):
    """Evaluates every `protocol.every` steps; the last evaluation of a run comes after training and
    is not done here.
    """

    def __init__(self, protocol: EvaluationProtocol, metrics: Metrics) -> None:
        self.protocol, self.metrics = protocol, metrics

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        step = batch_idx + 1
        if step % self.protocol.every == 0 and step < trainer.max_steps:
            terms = term_logger(trainer)
            if terms is not None:
                terms.check(step)  # a model that is no longer finite has nothing to measure
            values: dict[str, float] = {}
            if trainer.is_global_zero:
                directory = Path(trainer.default_root_dir)
                found = report(
                    pl_module,
                    trainer.datamodule,
                    self.protocol,
                    self.metrics,
                    trainer.loggers,
                    step,
                    directory,
                )
                values = {
                    name: value for name, value in found.logged.items() if name.startswith("val/")
                }
            # For callbacks that watch a metric, in all processes: the checkpoint of the best
            # validation ELBO.
            shared = trainer.strategy.broadcast(values)
            trainer.callback_metrics.update({k: torch.tensor(v) for k, v in shared.items()})

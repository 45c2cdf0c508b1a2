"""Evaluation while training: terms and scores to the loggers, figures to the run directory."""

from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer

from vae_granularity.evaluation.evaluate import report
from vae_granularity.evaluation.protocol import EvaluationProtocol
from vae_granularity.evaluation.scores import Metrics
from vae_granularity.models.base import LatentModel
from vae_granularity.training.callbacks.terms import term_logger


class PeriodicEvaluation(Callback):
    """Evaluates every `protocol.every` steps; the last evaluation comes after training."""

    def __init__(self, protocol: EvaluationProtocol, metrics: Metrics) -> None:
        self.protocol, self.metrics = protocol, metrics

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        step = batch_idx + 1
        if step % self.protocol.every or step >= trainer.max_steps:
            return
        terms = term_logger(trainer)
        if terms is not None:
            terms.check(step)  # a model that is no longer finite has nothing to measure
        values: dict[str, float] = {}
        if trainer.is_global_zero:
            assert isinstance(pl_module, LatentModel)
            run: Any = trainer  # its `datamodule` is no part of the declared type
            asked = (pl_module, run.datamodule, self.protocol, self.metrics)
            found = report(*asked, trainer.loggers, step, Path(trainer.default_root_dir))
            values = {key: value for key, value in found.logged.items() if key.startswith("val/")}
        # In all processes, for callbacks that watch a number: the checkpoint of the best ELBO.
        shared = trainer.strategy.broadcast(values)
        trainer.callback_metrics.update({key: torch.tensor(value) for key, value in shared.items()})

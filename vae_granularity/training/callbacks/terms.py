"""Training terms to the loggers, and the guard against numbers that are not finite."""

import logging
from collections.abc import Sequence
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor

from vae_granularity.distributed import mean_over_processes
from vae_granularity.errors import TrainingError, integer
from vae_granularity.models.gaussian_vae import GaussianVAE, term_means

DECOMPOSITION = ("mutual_information", "between_group_tc", "within_group_tc", "dimension_kl")
# Typical sigma of a dimension, a point beside the prior's 1; see experiments/stability.
POINT = 0.01
COLLAPSING = (
    "step {step}: posteriors are collapsing to points (typical sigma of the sharpest dimension: "
    "{sigma:.4f}): total correlations saturate and the ELBO falls. A smaller beta or granularity, "
    "or a within_group_weight nearer to 0, avoids it"
)

log = logging.getLogger(__name__)


class TermLogger(Callback):
    """Logs the means of terms over `every` steps under `train/` and `train/<estimator>/`.

    They stay on the device in between: no step waits for the host. Where the loss does not need
    the decomposition, it is estimated from the last batch of the interval.

    Raises:
        ArgumentError: every < 1.
        TrainingError: a term, or a parameter about to be saved, is not finite; names the first step
            and the terms.
    """

    def __init__(self, every: int = 50) -> None:
        self.every = integer("callbacks.terms.every", every, 1)
        self.latest: dict[str, float] = {}
        self._rows: list[Tensor] = []
        self._names: list[str] = []
        self._warned = False

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._names = list(outputs["terms"])
        self._rows.append(torch.stack(tuple(outputs["terms"].values())))
        step = batch_idx + 1
        if step % self.every == 0 or step == trainer.max_steps:
            rows, self._rows = self.check(step), []
            means = dict(zip(self._names, rows.mean(0).tolist(), strict=True))
            estimator = ""
            if isinstance(pl_module, GaussianVAE):
                estimator = f"{pl_module.estimator}/"
                if not pl_module.decomposes:
                    with torch.no_grad():
                        terms = pl_module.minibatch_terms(outputs["forward"], pl_module.membership)
                        means |= {name: value.item() for name, value in term_means(terms).items()}
            if trainer.world_size > 1:
                values = torch.tensor(list(means.values()), device=pl_module.device)
                means = dict(zip(means, mean_over_processes(values).tolist(), strict=True))
            self.latest = {
                f"train/{estimator if name in DECOMPOSITION else ''}{name}": value
                for name, value in means.items()
            }
            sigma = means.get("sharpest_dimension_sigma", POINT)
            if sigma < POINT and not self._warned:
                self._warned = True
                log.warning(COLLAPSING.format(step=step, sigma=sigma))
            for logger in trainer.loggers:
                logger.log_metrics(self.latest, step=step)

    def keep(self, names: Sequence[str], rows: Tensor) -> None:
        """Take in the terms (steps, terms) of steps that a population took without the hooks."""
        self._names = list(names)
        self._rows += rows.unbind()

    def check(self, step: int) -> Tensor:
        """The rows (steps, terms) since the last entry, up to `step`, on the CPU.

        Raises:
            TrainingError: one is not finite.
        """
        empty = torch.zeros(0, len(self._names))
        rows = torch.stack(self._rows).double().cpu() if self._rows else empty
        bad = ~rows.isfinite()
        if bad.any():
            first = int(bad.any(1).nonzero()[0])
            values = zip(self._names, rows[first].tolist(), bad[first].tolist(), strict=True)
            terms = ", ".join(f"{name}={value}" for name, value, is_bad in values if is_bad)
            raise TrainingError(
                f"training stopped: not finite at step {step - len(rows) + first + 1}: {terms}. "
                "The last good checkpoint is kept. A lower learning rate, a smaller beta or a "
                "weaker within_group_weight may help"
            )
        return rows

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        step = trainer.global_step
        self.check(step)
        broken = [name for name, p in pl_module.named_parameters() if not bool(p.isfinite().all())]
        if broken:
            names = f"{broken[0]} and {len(broken) - 1} more"
            raise TrainingError(f"training stopped: parameters not finite at step {step}: {names}")

    def state_dict(self) -> dict[str, Any]:
        return {"rows": [row.cpu() for row in self._rows], "names": self._names}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._rows, self._names = list(state_dict["rows"]), list(state_dict["names"])


def term_logger(trainer: Trainer) -> TermLogger | None:
    """The trainer's TermLogger, if it has one."""
    run: Any = trainer  # its `callbacks` are no part of the declared type
    return next((one for one in run.callbacks if isinstance(one, TermLogger)), None)

"""The loss over the batches of all processes, for runs on several devices."""

from lightning import Callback, LightningModule, Trainer

from vae_granularity.models.base import LatentModel


class GatherBatches(Callback):
    """Estimates the terms from the batches of all processes together: B is then the sum of theirs,
    and the loss that of one process. Batch norm still normalises by a process's own batch.

    Without it each process uses its own batch, and B in the estimator is the local one.
    """

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, LatentModel)
        pl_module.gathers = True

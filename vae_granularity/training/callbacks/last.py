"""The newest checkpoints of a run; one more is written when the process is asked to end."""

from __future__ import annotations

from pathlib import Path

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities.exceptions import SIGTERMException


class LastCheckpoint(ModelCheckpoint):
    """Keeps the newest checkpoints by step, and saves on SIGTERM: Lightning then stops between two
    steps, where the state is whole.

    Args:
        dirpath: folder of the checkpoints.
        every_n_train_steps: steps between checkpoints.
        save_top_k: how many stay; the one before the newest is there should the newest turn out
            unreadable.
    """

    def __init__(self, dirpath: Path, every_n_train_steps: int = 1000, save_top_k: int = 2) -> None:
        super().__init__(
            dirpath,
            filename="{step}",
            monitor="step",
            mode="max",
            save_top_k=save_top_k,
            every_n_train_steps=every_n_train_steps,
            save_on_exception=True,
        )

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        if isinstance(exception, SIGTERMException):
            super().on_exception(trainer, pl_module, exception)

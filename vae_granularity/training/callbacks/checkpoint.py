"""The checkpoints of a run: the newest ones, and that of the best evaluation."""

from pathlib import Path
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities.exceptions import SIGTERMException


class _Checkpoint(ModelCheckpoint):
    @property
    def state_key(self) -> str:
        # Lightning's own names the intervals: a run continued with others would lose the state.
        return type(self).__qualname__

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        # A run may have been moved: its checkpoints lie where it lies now.
        kept = {self._here(path): value for path, value in state_dict["best_k_models"].items()}
        names = ("best_model_path", "kth_best_model_path", "last_model_path")
        paths = {name: self._here(state_dict.get(name, "")) for name in names}
        super().load_state_dict(
            {**state_dict, **paths, "best_k_models": kept, "dirpath": self.dirpath}
        )

    def _here(self, path: str) -> str:
        return str(Path(str(self.dirpath)) / Path(path).name) if path else path


class NewestCheckpoints(_Checkpoint):
    """Keeps the newest checkpoints by step, and saves on SIGTERM, when Lightning ends a whole step.

    Args:
        dirpath: folder of the checkpoints.
        every_n_train_steps: steps between checkpoints.
        save_top_k: how many stay; the one before the newest, should that turn out unreadable.
    """

    def __init__(self, dirpath: Path, every_n_train_steps: int = 1000, save_top_k: int = 2) -> None:
        super().__init__(
            dirpath,
            filename="{step}",
            enable_version_counter=False,  # a damaged one of an earlier attempt is replaced
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


class BestCheckpoint(_Checkpoint):
    """Keeps best.ckpt, of the evaluation with the best value of a logged number.

    Args:
        dirpath: folder of the checkpoints.
        every_n_train_steps: steps between evaluations.
        monitor: name of the number.
        mode: max | min.
    """

    def __init__(
        self, dirpath: Path, every_n_train_steps: int, monitor: str = "val/elbo", mode: str = "max"
    ) -> None:
        super().__init__(
            dirpath,
            filename="best",
            auto_insert_metric_name=False,
            enable_version_counter=False,
            monitor=monitor,
            mode=mode,
            save_top_k=1,
            every_n_train_steps=every_n_train_steps,
        )

"""Callbacks that tests name in configs."""

from lightning import Callback


class StopAt(Callback):
    """End training at a step, as EarlyStopping does."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_end(self, trainer, *args, **kwargs):
        trainer.should_stop = trainer.global_step >= self.step

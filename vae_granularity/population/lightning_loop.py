"""Drive the callbacks and checkpoints of a Lightning trainer whose steps are taken elsewhere.

Only its public interface is used: the strategy, the state of its loops, the hooks of its
callbacks. What it saves is what it would have saved itself, and any Lightning trainer continues
from it. A trainer is typed `Any` here: its callbacks and its data module are no part of
Lightning's declared type.
"""

from pathlib import Path
from typing import Any

import torch
from lightning import LightningDataModule
from lightning.pytorch.trainer.states import TrainerFn

from vae_granularity.models.base import LatentModel


def attach(trainer: Any, model: LatentModel, data: LightningDataModule) -> None:
    """Bring the trainer to where its loop would begin: model on its device, optimiser made."""
    trainer.state.fn = TrainerFn.FITTING
    model.trainer = data.trainer = trainer
    trainer.datamodule = data
    trainer.strategy.connect(model)
    trainer.strategy.setup_environment()
    for callback in trainer.callbacks:
        callback.setup(trainer, model, "fit")
    trainer.strategy.setup(trainer)


def restore(trainer: Any, path: Path) -> None:
    """Restore weights, optimiser, callbacks and position in the data from a checkpoint."""
    saved: dict[str, Any] = trainer.strategy.load_checkpoint(path, weights_only=True)
    model = trainer.lightning_module
    data = trainer.datamodule
    model.on_load_checkpoint(saved)
    trainer.strategy.load_model_state_dict(saved, strict=True)
    trainer.strategy.load_optimizer_state_dict(saved)
    for callback in trainer.callbacks:
        callback.on_load_checkpoint(trainer, model, saved)
        if callback.state_key in saved["callbacks"]:
            callback.load_state_dict(saved["callbacks"][callback.state_key])
    data.load_state_dict(saved[type(data).__qualname__])


def begin(trainer: Any, step: int) -> None:
    """Call the hooks before the step after `step`."""
    set_progress(trainer, step, step)
    for hook in ("on_fit_start", "on_train_start"):
        call(trainer, hook)


def call(trainer: Any, hook: str, *arguments: Any) -> None:
    """Call a hook of all callbacks."""
    for callback in trainer.callbacks:
        getattr(callback, hook)(trainer, trainer.lightning_module, *arguments)


def set_progress(trainer: Any, step: int, completed: int) -> None:
    """Set the loops to where they would be after `step` steps, with the hooks of `completed`."""
    ended = completed == trainer.max_steps
    batches = _counts(ready=step, started=step, processed=step, completed=completed)
    epochs = _counts(ready=1, started=1, processed=int(ended), completed=int(ended))
    zeroed = _counts(ready=step, completed=step, started=step)
    optimizer = {"step": _counts(ready=step, completed=step), "zero_grad": zeroed}
    last = step == trainer.max_steps
    state = {
        "epoch_loop.state_dict": {"_batches_that_stepped": completed},
        "epoch_loop.batch_progress": {**batches, "is_last_batch": last},
        "epoch_loop.automatic_optimization.optim_progress": {"optimizer": optimizer},
        "epoch_progress": epochs,
    }
    trainer.fit_loop.load_state_dict(trainer.fit_loop.state_dict() | state)
    trainer.datamodule.step = step


def _counts(**counts: int) -> dict[str, dict[str, int]]:
    """Return the counts in total and in the current epoch: a run is one epoch."""
    return {"total": dict(counts), "current": dict(counts)}


def after_step(trainer: Any, step: int, outputs: dict[str, Any]) -> None:
    """Do what Lightning does between a step, counted from 1, and the next.

    Args:
        outputs: the value that the model's `training_step` would have returned.
    """
    set_progress(trainer, step, step - 1)
    call(trainer, "on_train_batch_end", outputs, torch.empty(0), step - 1)
    set_progress(trainer, step, step)


def detach(trainer: Any) -> None:
    """Call the hooks after the last step and take the model back to the CPU."""
    for hook in ("on_train_end", "on_fit_end"):
        call(trainer, hook)
    trainer.strategy.teardown()
    for callback in trainer.callbacks:
        callback.teardown(trainer, trainer.lightning_module, "fit")

"""A compiled training step, from CUDA graphs where there is a GPU."""

import os

import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor
from torch.nn.functional import pad

from vae_granularity.errors import ArgumentError, choice
from vae_granularity.files import private_cache
from vae_granularity.models.base import Forward, HyperparameterValues, LatentModel

AUTO, NONE = "auto", "none"
MODES = (NONE, AUTO, "default", "reduce-overhead")


class CompiledStep(Callback):
    """Compiles the tensor work of a step (`model.loss_and_logs`) once, while a trainer fits.

    What moves during training enters as tensors of a fixed shape (hyperparameters as scalars,
    memberships padded to D groups): a schedule compiles nothing again. Noise is drawn outside.

    Args:
        mode: `none`; `auto`, which the command decides before it comes to Lightning's loop, where
            it is `none`; `default`; or `reduce-overhead`, which captures forward and backward pass
            in CUDA graphs and without CUDA is `default`.
        backend: of `torch.compile`.

    Raises:
        ArgumentError: unknown mode; a model whose step changes state besides its weights, which a
            captured graph would not repeat.
    """

    def __init__(self, mode: str = "default", backend: str = "inductor") -> None:
        self.mode, self.backend = choice("compile.mode", mode, MODES), backend

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        assert isinstance(pl_module, LatentModel)
        if self.mode in (AUTO, NONE):
            return
        if pl_module.stateful:
            raise ArgumentError(
                f"compile must be none or auto for {type(pl_module).__name__}, "
                "whose step changes more than the weights"
            )
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(private_cache("compiled"))
        plain = LatentModel.loss_and_logs.__get__(pl_module)
        mode = None if self.backend != "inductor" else self.mode
        compiled = torch.compile(
            plain, mode=mode, backend=self.backend, dynamic=False, fullgraph=True
        )

        def loss_and_logs(
            x: Tensor, noise: Tensor, settings: HyperparameterValues, membership: Tensor
        ) -> tuple[Tensor, dict[str, Tensor], Forward]:
            torch.compiler.cudagraph_mark_step_begin()
            tensors = {
                name: value if isinstance(value, Tensor) else x.new_full((), value)
                for name, value in settings.items()
            }
            return compiled(
                x, noise, tensors, pad(membership, (0, membership.shape[0] - membership.shape[1]))
            )

        vars(pl_module)["loss_and_logs"] = loss_and_logs  # the instance's own name hides the method

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        vars(pl_module).pop("loss_and_logs", None)

"""Adam and AdamW on the rows of a matrix, each with its own learning rate."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor, optim

from vae_granularity.errors import ArgumentError


@dataclass(frozen=True)
class Adam:
    """The constants that all rows share; see `torch.optim.Adam` and `AdamW`, whose numbers these
    are.
    """

    betas: tuple[float, float]
    eps: float
    weight_decay: float
    decoupled: bool  # AdamW

    @classmethod
    def of(cls, optimizer: optim.Optimizer) -> Adam:
        """The constants of an optimiser.

        Raises:
            ArgumentError: it is neither Adam nor AdamW, has parameter groups that differ in more
                than a weight decay of 0, or an option that is not known here.
        """
        if type(optimizer) not in (optim.Adam, optim.AdamW):
            raise ArgumentError(
                f"optimizer must be torch.optim.Adam or AdamW in a population, got {type(optimizer).__name__}"
            )
        group, *others = optimizer.param_groups
        own = {"params", "weight_decay"}
        if any(
            other["weight_decay"] or any(other[key] != group[key] for key in group.keys() - own)
            for other in others
        ):
            raise ArgumentError(
                "optimizer must have parameter groups in a population that differ only in a "
                f"weight_decay of 0, got {len(optimizer.param_groups)} others"
            )
        for option in ("amsgrad", "maximize", "differentiable"):
            if group[option]:
                raise ArgumentError(f"optimizer.{option} must be false in a population, got true")
        return cls(
            group["betas"], group["eps"], group["weight_decay"], isinstance(optimizer, optim.AdamW)
        )

    def corrections(self, step: int) -> tuple[float, float]:
        """What the first and the square root of the second moment are divided by in step `step`,
        counted from 1.
        """
        first, second = self.betas
        return 1 - first**step, math.sqrt(1 - second**step)

    def change(
        self,
        weights: Tensor,
        grad: Tensor,
        moments: tuple[Tensor, Tensor],
        lr: Tensor,
        corrections: tuple[Tensor, Tensor],
        decay: Tensor,
    ) -> Tensor:
        """What is to be subtracted from weights (K, P); moments (K, P) are updated in place.

        Kingma and Ba, arXiv 1412.6980, algorithm 1; decoupled weight decay as in arXiv 1711.05101.

        Args:
            grad: (K, P).
            lr: (K, 1), learning rates.
            corrections: (2,), as `corrections`.
            decay: (P,), weight decay of each column.
        """
        mean, square = moments
        if self.weight_decay and not self.decoupled:
            grad = grad.addcmul(weights, decay)
        mean.lerp_(grad, 1 - self.betas[0])
        square.mul_(self.betas[1]).addcmul_(grad, grad, value=1 - self.betas[1])
        change = mean / square.sqrt().div_(corrections[1]).add_(self.eps)
        change.mul_(lr / corrections[0])
        if self.weight_decay and self.decoupled:
            change.addcmul_(weights, lr * decay)
        return change


def clip(grad: Tensor, largest: float) -> Tensor:
    """Rows of grad (K, P) scaled down to a norm of at most `largest`, each on its own, as
    `torch.nn.utils.clip_grad_norm_` does.
    """
    norm = grad.norm(dim=1, keepdim=True)
    return grad * (largest / (norm + 1e-6)).clamp(max=1.0)

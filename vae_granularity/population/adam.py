"""Adam and AdamW on the rows of a matrix, each with its own learning rate."""

import math
from dataclasses import dataclass
from typing import Any, Self

from torch import Tensor, optim

from vae_granularity.errors import ArgumentError


@dataclass(frozen=True)
class Adam:
    """Constants that all rows share, as in `torch.optim.Adam` and `AdamW`."""

    betas: tuple[float, float]
    eps: float
    weight_decay: float  # of the first parameter group; the others have it too, or 0
    decoupled: bool  # AdamW

    @classmethod
    def of(cls, optimizer: optim.Optimizer) -> Self:
        """Return the constants of an optimiser.

        Raises:
            ArgumentError: it is neither Adam nor AdamW, has parameter groups that differ in more
                than a weight decay of 0, or an option that is not known here.
        """
        if type(optimizer) not in (optim.Adam, optim.AdamW):
            raise ArgumentError(
                "optimizer must be torch.optim.Adam or AdamW in a population, "
                f"got {type(optimizer).__name__}"
            )
        group, *others = optimizer.param_groups
        constants = _constants(group)
        if any(other["weight_decay"] or _constants(other) != constants for other in others):
            raise ArgumentError(
                "optimizer must have parameter groups in a population that differ only in a "
                f"weight_decay of 0, got {len(others)} others"
            )
        for option in ("amsgrad", "maximize", "differentiable"):
            if group[option]:
                raise ArgumentError(f"optimizer.{option} must be false in a population, got true")
        decoupled = isinstance(optimizer, optim.AdamW)
        return cls(group["betas"], group["eps"], group["weight_decay"], decoupled)

    def corrections(self, step: int) -> tuple[float, float]:
        """Return the divisors of the first moment and of the root of the second in a step.

        Args:
            step: counted from 1.

        >>> Adam((0.5, 0.75), 1e-8, 0.0, decoupled=False).corrections(1)
        (0.5, 0.5)
        """
        first, second = self.betas
        return 1 - first**step, math.sqrt(1 - second**step)

    def change(
        self,
        weights: Tensor,
        grad: Tensor,
        moments: tuple[Tensor, Tensor],
        lr: Tensor,
        corrections: Tensor,
        decay: Tensor,
    ) -> Tensor:
        """Return what to subtract from weights (K, P); update the moments (K, P) in place.

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


def _constants(group: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a parameter group that all groups must share."""
    return {key: value for key, value in group.items() if key not in ("params", "weight_decay")}


def clip(grad: Tensor, largest: float) -> Tensor:
    """Scale rows of grad (K, P) to a norm of at most `largest`, as `clip_grad_norm_` does."""
    norm = grad.norm(dim=1, keepdim=True)
    return grad * (largest / (norm + 1e-6)).clamp(max=1.0)

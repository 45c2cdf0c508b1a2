"""Ways to compute the losses of K members in one go."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn
from torch.func import functional_call

from vae_granularity.models.base import Forward, LatentModel, Settings
from vae_granularity.population.feed import Inputs
from vae_granularity.population.stack import Named


class Losses(Protocol):
    """The losses of K members, from their parameters and buffers (K, *shape) by name.

    Returns losses (K,), logged scalars (K,) by name, and the forward pass with fields (K, B, ...). Buffers are updated in place.
    """

    def __call__(self, weights: Named, buffers: Named, inputs: Inputs) -> tuple[Tensor, dict[str, Tensor], Forward]: ...


class OneMember(nn.Module):
    """A model's step as a module's forward, so that `functional_call` can put a member's weights in."""

    def __init__(self, model: LatentModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor, noise: Tensor, settings: Settings, membership: Tensor) -> tuple[Tensor, dict[str, Tensor], Forward]:
        out = self.model.run(x, noise)
        return *_loss(self.model, out, settings, membership), out


class Vectorised:
    """`torch.vmap` over the members: for every model and network.

    Args:
        model: any of the members; its own weights are not used.
    """

    def __init__(self, model: LatentModel) -> None:
        self._member = OneMember(model)
        self._batched = torch.vmap(self._one)

    def __call__(self, weights: Named, buffers: Named, inputs: Inputs) -> tuple[Tensor, dict[str, Tensor], Forward]:
        return self._batched(weights, buffers, *inputs)

    def _one(self, weights: Named, buffers: Named, *inputs: object) -> tuple[Tensor, dict[str, Tensor], Forward]:
        state = {f"model.{name}": value for name, value in (weights | buffers).items()}
        return functional_call(self._member, state, inputs)


def _loss(model: LatentModel, out: Forward, settings: Settings, membership: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    loss, terms = model.objective(out, settings, membership)
    with torch.no_grad():
        return loss, model.logged(loss, out, terms)


def losses(name: str, model: LatentModel) -> Losses:
    """The backend of that name for members like `model`."""
    return BACKENDS[name](model)


BACKENDS = {"vectorised": Vectorised}

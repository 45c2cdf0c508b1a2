"""What is computed for a member, and what a backend computes for all of them."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

from vae_granularity.models.base import Forward, LatentModel, Settings
from vae_granularity.population.stack import Named
from vae_granularity.population.step_inputs import Inputs


class Losses(Protocol):
    """The losses of K members, from their parameters and buffers (K, *shape) by name.

    Returns losses (K,), logged scalars (K,) by name, and the forward pass with fields (K, B, ...).
    Buffers are updated in place.
    """

    def __call__(
        self, weights: Named, buffers: Named, inputs: Inputs
    ) -> tuple[Tensor, dict[str, Tensor], Forward]: ...


class OneMember(nn.Module):
    """A model's step as a module's forward, so that `functional_call` can put a member's weights
    in.
    """

    def __init__(self, model: LatentModel) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, x: Tensor, noise: Tensor, settings: Settings, membership: Tensor
    ) -> tuple[Tensor, dict[str, Tensor], Forward]:
        out = self.model.run(x, noise)
        return *loss_of(self.model, out, settings, membership), out


def loss_of(
    model: LatentModel, out: Forward, settings: Settings, membership: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    """Loss and logged scalars of one member's forward pass."""
    loss, terms = model.objective(out, settings, membership)
    with torch.no_grad():
        return loss, model.logged(loss, out, terms)

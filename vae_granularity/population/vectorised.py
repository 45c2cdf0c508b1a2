"""The backend for every model and network: `torch.vmap`."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.func import functional_call

from vae_granularity.models.base import Forward, LatentModel
from vae_granularity.population.member import OneMember
from vae_granularity.population.stack import Named
from vae_granularity.population.step_inputs import Inputs


class Vectorised:
    """`torch.vmap` over the members: for every model and network.

    Args:
        model: any of the members; its own weights are not used.
    """

    def __init__(self, model: LatentModel) -> None:
        self._member = OneMember(model)
        self._batched = torch.vmap(self._one)

    def __call__(
        self, weights: Named, buffers: Named, inputs: Inputs
    ) -> tuple[Tensor, dict[str, Tensor], Forward]:
        return self._batched(weights, buffers, *inputs)

    def _one(
        self, weights: Named, buffers: Named, *inputs: object
    ) -> tuple[Tensor, dict[str, Tensor], Forward]:
        state = {f"model.{name}": value for name, value in (weights | buffers).items()}
        return functional_call(self._member, state, inputs)

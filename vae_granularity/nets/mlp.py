"""A fully connected network, for vectors and for images small enough."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from vae_granularity.nets.base import Network, dense, flat_size


class MLP(Network):
    """Two hidden ReLU layers on each side, for data of any shape; initialised as `Network` says.

    Args:
        hidden: units of a layer at width 1. The dSprites network of Higgins et al. 2017 has 1200.

    Raises:
        ArgumentError: as `Network`.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        latent_dim: int,
        width: float = 1.0,
        depth: int = 1,
        hidden: int = 256,
    ) -> None:
        super().__init__(image_shape, latent_dim, width, depth)
        flat, layers = flat_size(image_shape), [self.units(hidden)] * (self.depth + 1)
        self.encoder = nn.Sequential(
            nn.Flatten(), *dense([flat, *layers, 2 * latent_dim], nn.ReLU, last=False)
        )
        self.decoder = nn.Sequential(
            *dense([latent_dim, *layers, flat], nn.ReLU, last=False),
            nn.Unflatten(1, self.image_shape),
        )

"""A fully connected network, for vectors and for images small enough."""

import math
from collections.abc import Sequence

from torch import nn

from vae_granularity.nets.base import Network, dense


class MLP(Network):
    """Two hidden ReLU layers on each side, for data of any shape; initialised as `Network` says.

    Args:
        hidden: units of a layer at width 1. The dSprites network of Higgins et al. 2017 has 1200.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        latent_dim: int,
        width: float = 1.0,
        depth: int = 1,
        hidden: int = 256,
    ) -> None:
        self.hidden = hidden
        super().__init__(image_shape, latent_dim, width, depth)

    def build(self) -> tuple[nn.Module, nn.Module]:
        flat, layers = math.prod(self.image_shape), [self.units(self.hidden)] * (self.depth + 1)
        encode = dense([flat, *layers, 2 * self.latent_dim], nn.ReLU, last=False)
        decode = dense([self.latent_dim, *layers, flat], nn.ReLU, last=False)
        encoder = nn.Sequential(nn.Flatten(), *encode)
        return encoder, nn.Sequential(*decode, nn.Unflatten(1, self.image_shape))

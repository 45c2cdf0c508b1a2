"""What every encoder/decoder pair is: two modules between images and posterior or decoder
parameters.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from vae_granularity.errors import ArgumentError, integer, number


class Network(nn.Module):
    """An encoder x -> (mu, logvar) and a decoder z -> likelihood parameters of the shape of x.

    Subclasses build `self.encoder` (x to 2·latent_dim numbers, means first) and `self.decoder` (z
    to the image). `width` multiplies the number of channels and units, `depth` adds depth-1 fully
    connected layers to each side, unless the class
    says otherwise: the capacity dials; width = depth = 1 is the published network. Parameters start
    as PyTorch initialises them, uniform in +-1/sqrt(fan-in) (He et al. 2015 with a = sqrt 5),
    biases too, unless the class says otherwise.

    Raises:
        ArgumentError: width <= 0, depth < 1, latent_dim < 1.
    """

    encoder: nn.Module
    decoder: nn.Module

    def __init__(
        self, image_shape: Sequence[int], latent_dim: int, width: float, depth: int
    ) -> None:
        super().__init__()
        self.image_shape = tuple(int(n) for n in image_shape)
        self.latent_dim = integer("latent_dim", latent_dim, 1)
        self.width = number("net.width", width, 0.0, above=True)
        self.depth = integer("net.depth", depth, 1)

    def units(self, published: int) -> int:
        """The published number of channels or units times the width dial, at least 1."""
        return max(1, round(self.width * published))

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """mu, logvar (B, D) of q(z|x) for x (B, *image_shape)."""
        mu, logvar = self.encoder(x).chunk(2, dim=1)
        return mu, logvar

    def decode(self, z: Tensor) -> Tensor:
        """Likelihood parameters (B, *image_shape) for z (B, D)."""
        return self.decoder(z)

    @property
    def num_parameters(self) -> int:
        """Number of trainable parameters: the capacity that is logged."""
        return sum(p.numel() for p in self.parameters() if p.requires_grad)


def dense(
    sizes: Sequence[int], activation: type[nn.Module], *, last: bool = True
) -> list[nn.Module]:
    """Fully connected layers of the given sizes with an activation after each; after the last one
    only if `last`.
    """
    layers: list[nn.Module] = []
    for i, (n_in, n_out) in enumerate(pairwise(sizes)):
        layers.append(nn.Linear(n_in, n_out))
        if last or i < len(sizes) - 2:
            layers.append(activation())
    return layers


def square_image(name: str, image_shape: Sequence[int], multiple: int) -> tuple[int, int]:
    """(channels, size) of a square image whose size is a multiple of the network's total stride.

    Raises:
        ArgumentError: the shape is no such image.
    """
    shape = tuple(image_shape)
    if len(shape) != 3 or min(shape) < 1 or shape[1] != shape[2] or shape[1] % multiple:
        raise ArgumentError(
            f"net={name} needs square images (C, n, n) with n a multiple of {multiple}, got shape {shape}"
        )
    return int(shape[0]), int(shape[1])


def flat_size(image_shape: Sequence[int]) -> int:
    """Numbers per image."""
    return math.prod(image_shape)

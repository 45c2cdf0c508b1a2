"""The network of the beta-STCVAE authors."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from vae_granularity.nets.base import Network, dense, square_image


class ConvBN(Network):
    """Three stride-2 convolutions 16-32-64 with batch normalisation and leaky ReLU, then fully
    connected layers of 1000.

    Chen, Xiang and Wang, arXiv 2505.24684 (their script): one such layer in the encoder, two in the
    decoder. `width` multiplies the units of the fully connected layers only, as their sweep over
    capacity does. For square images of a multiple of 8 pixels; initialised as `Network` says.

    Raises:
        ArgumentError: another image shape, or as `Network`.
    """

    def __init__(
        self, image_shape: Sequence[int], latent_dim: int, width: float = 1.0, depth: int = 1
    ) -> None:
        super().__init__(image_shape, latent_dim, width, depth)
        channels, size = square_image("conv_bn", image_shape, 8)
        hidden, side = self.units(1000), size // 8
        flat = 64 * side * side
        down = [channels, 16, 32, 64]
        self.encoder = nn.Sequential(
            *(
                layer
                for n_in, n_out in pairwise(down)
                for layer in _block(nn.Conv2d(n_in, n_out, 4, 2, 1))
            ),
            nn.Flatten(),
            *dense([flat, *[hidden] * self.depth, 2 * latent_dim], nn.LeakyReLU, last=False),
        )
        self.decoder = nn.Sequential(
            *dense([latent_dim, *[hidden] * (self.depth + 1), flat], nn.LeakyReLU),
            nn.Unflatten(1, (64, side, side)),
            *_block(nn.ConvTranspose2d(64, 32, 4, 2, 1)),
            *_block(nn.ConvTranspose2d(32, 16, 4, 2, 1)),
            nn.ConvTranspose2d(16, channels, 4, 2, 1),
        )


def _block(convolution: nn.Conv2d | nn.ConvTranspose2d) -> tuple[nn.Module, nn.Module, nn.Module]:
    return convolution, nn.BatchNorm2d(convolution.out_channels), nn.LeakyReLU()

"""The convolutional network of disentanglement_lib."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from vae_granularity.nets.base import Network, dense, square_image


class Conv64(Network):
    """Four stride-2 convolutions 32-32-64-64 (kernels 4, 4, 2, 2) and a layer of 256; the decoder
    mirrors it with kernels of 4. ReLU.

    Locatello et al., arXiv 1811.12359, table 1, after Higgins et al. 2017; theirs starts
    Glorot-uniform, this one as `Network` says. For square images of a multiple of 16 pixels.

    Raises:
        ArgumentError: another image shape, or as `Network`.
    """

    def __init__(
        self, image_shape: Sequence[int], latent_dim: int, width: float = 1.0, depth: int = 1
    ) -> None:
        super().__init__(image_shape, latent_dim, width, depth)
        channels, size = square_image("conv64", image_shape, 16)
        small, large, hidden, side = self.units(32), self.units(64), self.units(256), size // 16
        flat = large * side * side
        self.encoder = nn.Sequential(
            *(
                nn.Conv2d(channels, small, 4, 2, 1),
                nn.ReLU(),
                nn.Conv2d(small, small, 4, 2, 1),
                nn.ReLU(),
            ),
            *(
                nn.Conv2d(small, large, 2, 2),
                nn.ReLU(),
                nn.Conv2d(large, large, 2, 2),
                nn.ReLU(),
                nn.Flatten(),
            ),
            *dense([flat, *[hidden] * self.depth, 2 * latent_dim], nn.ReLU, last=False),
        )
        self.decoder = nn.Sequential(
            *dense([latent_dim, *[hidden] * self.depth, flat], nn.ReLU),
            nn.Unflatten(1, (large, side, side)),
            *(
                nn.ConvTranspose2d(large, large, 4, 2, 1),
                nn.ReLU(),
                nn.ConvTranspose2d(large, small, 4, 2, 1),
                nn.ReLU(),
            ),
            *(
                nn.ConvTranspose2d(small, small, 4, 2, 1),
                nn.ReLU(),
                nn.ConvTranspose2d(small, channels, 4, 2, 1),
            ),
        )

"""The convolutional network of Burgess et al."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from vae_granularity.nets.base import Network, dense, square_image


class Burgess(Network):
    """Four stride-2 convolutions of 32 channels (kernel 4) and two layers of 256; the decoder is
    the transpose. ReLU.

    Burgess et al., arXiv 1804.03599, appendix A. For square images of a multiple of 16 pixels;
    initialised as `Network` says.

    Raises:
        ArgumentError: another image shape, or as `Network`.
    """

    def __init__(
        self, image_shape: Sequence[int], latent_dim: int, width: float = 1.0, depth: int = 1
    ) -> None:
        super().__init__(image_shape, latent_dim, width, depth)
        channels, size = square_image("burgess", image_shape, 16)
        maps, hidden, side = self.units(32), [self.units(256)] * (self.depth + 1), size // 16
        flat = maps * side * side
        self.encoder = nn.Sequential(
            *(
                layer
                for n_in in (channels, maps, maps, maps)
                for layer in (nn.Conv2d(n_in, maps, 4, 2, 1), nn.ReLU())
            ),
            nn.Flatten(),
            *dense([flat, *hidden, 2 * latent_dim], nn.ReLU, last=False),
        )
        self.decoder = nn.Sequential(
            *dense([latent_dim, *hidden, flat], nn.ReLU),
            nn.Unflatten(1, (maps, side, side)),
            *(
                layer
                for _ in range(3)
                for layer in (nn.ConvTranspose2d(maps, maps, 4, 2, 1), nn.ReLU())
            ),
            nn.ConvTranspose2d(maps, channels, 4, 2, 1),
        )

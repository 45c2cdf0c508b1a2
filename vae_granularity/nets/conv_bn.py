"""The network of the beta-STCVAE authors."""

from collections.abc import Sequence

from torch import nn

from vae_granularity.errors import integer
from vae_granularity.nets.base import Network, dense


class ConvBN(Network):
    """Three stride-2 convolutions 16-32-64 with batch norm and leaky ReLU, then layers of 1000.

    Chen, Xiang and Wang, arXiv 2505.24684 (their script). The encoder has 1 + `depth` hidden layers
    with ReLU after the convolutions (published: depth = 2, their `layer`). The decoder has three
    hidden layers and the one that feeds its convolutions, each with tanh, whatever the depth.
    `width` multiplies the units of the hidden layers only. For square images of a multiple of 8
    pixels; initialised as `Network` says.

    Args:
        hidden: units of a hidden layer at width 1 (published: 1000, their `nur_num`).
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        latent_dim: int,
        width: float = 1.0,
        depth: int = 2,
        hidden: int = 1000,
    ) -> None:
        self.hidden = integer("net.hidden", hidden, 1)
        super().__init__(image_shape, latent_dim, width, depth)

    def build(self) -> tuple[nn.Module, nn.Module]:
        channels, side = self.square("conv_bn", 8)
        hidden, flat = self.units(self.hidden), 64 * side * side
        encoder = nn.Sequential(
            *_normalised(nn.Conv2d(channels, 16, 4, 2, 1)),
            *_normalised(nn.Conv2d(16, 32, 4, 2, 1)),
            *_normalised(nn.Conv2d(32, 64, 4, 2, 1)),
            nn.Flatten(),
            *dense([flat, *[hidden] * (1 + self.depth), 2 * self.latent_dim], nn.ReLU, last=False),
        )
        decoder = nn.Sequential(
            *dense([self.latent_dim, hidden, hidden, hidden, flat], nn.Tanh),
            nn.Unflatten(1, (64, side, side)),
            *_normalised(nn.ConvTranspose2d(64, 32, 4, 2, 1)),
            *_normalised(nn.ConvTranspose2d(32, 16, 4, 2, 1)),
            nn.ConvTranspose2d(16, channels, 4, 2, 1),
        )
        return encoder, decoder


def _normalised(convolution: nn.Conv2d | nn.ConvTranspose2d) -> tuple[nn.Module, ...]:
    return convolution, nn.BatchNorm2d(convolution.out_channels), nn.LeakyReLU()

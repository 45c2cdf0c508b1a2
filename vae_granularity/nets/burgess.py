"""The convolutional network of Burgess et al."""

from torch import nn

from vae_granularity.nets.base import Network, activated, dense


class Burgess(Network):
    """Four stride-2 convolutions of 32 channels (kernel 4), two layers of 256, and the transpose.

    ReLU; Burgess et al., arXiv 1804.03599, appendix A. For square images of a multiple of 16
    pixels; initialised as `Network` says.
    """

    def build(self) -> tuple[nn.Module, nn.Module]:
        channels, side = self.square("burgess", 16)
        maps, hidden = self.units(32), [self.units(256)] * (self.depth + 1)
        flat = maps * side * side
        encoder = nn.Sequential(
            *activated(nn.Conv2d, [channels, *[maps] * 4], [4] * 4),
            nn.Flatten(),
            *dense([flat, *hidden, 2 * self.latent_dim], nn.ReLU, last=False),
        )
        decoder = nn.Sequential(
            *dense([self.latent_dim, *hidden, flat], nn.ReLU),
            nn.Unflatten(1, (maps, side, side)),
            *activated(nn.ConvTranspose2d, [maps] * 4, [4] * 3),
            nn.ConvTranspose2d(maps, channels, 4, 2, 1),
        )
        return encoder, decoder

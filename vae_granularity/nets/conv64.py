"""The convolutional network of disentanglement_lib."""

from torch import nn

from vae_granularity.nets.base import Network, activated, dense


class Conv64(Network):
    """Four stride-2 convolutions 32-32-64-64 (kernels 4, 4, 2, 2), a layer of 256, and a mirror.

    ReLU; the decoder's kernels are all 4. Locatello et al., arXiv 1811.12359, table 1, after
    Higgins et al. 2017; theirs starts Glorot-uniform, this one as `Network` says. For square images
    of a multiple of 16 pixels.
    """

    def build(self) -> tuple[nn.Module, nn.Module]:
        channels, side = self.square("conv64", 16)
        small, large, hidden = self.units(32), self.units(64), [self.units(256)] * self.depth
        flat = large * side * side
        encoder = nn.Sequential(
            *activated(nn.Conv2d, [channels, small, small, large, large], [4, 4, 2, 2]),
            nn.Flatten(),
            *dense([flat, *hidden, 2 * self.latent_dim], nn.ReLU, last=False),
        )
        decoder = nn.Sequential(
            *dense([self.latent_dim, *hidden, flat], nn.ReLU),
            nn.Unflatten(1, (large, side, side)),
            *activated(nn.ConvTranspose2d, [large, large, small, small], [4, 4, 4]),
            nn.ConvTranspose2d(small, channels, 4, 2, 1),
        )
        return encoder, decoder

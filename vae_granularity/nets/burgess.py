"""The convolutional network of Burgess et al."""

from torch import nn

from vae_granularity.nets.base import Network


class Burgess(Network):
    """Four stride-2 convolutions of 32 channels (kernel 4), two layers of 256, and the transpose.

    ReLU; Burgess et al., arXiv 1804.03599, appendix A. For square images of a multiple of 16
    pixels; initialised as `Network` says.
    """

    size_multiple = 16

    def build(self) -> tuple[nn.Module, nn.Module]:
        maps, hidden = [self.units(32)] * 4, [self.units(256)] * (self.depth + 1)
        return self.mirrored("burgess", maps, [4] * 4, hidden)

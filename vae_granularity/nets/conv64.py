"""The convolutional network of disentanglement_lib."""

from torch import nn

from vae_granularity.nets.base import Network


class Conv64(Network):
    """Four stride-2 convolutions 32-32-64-64 (kernels 4, 4, 2, 2), a layer of 256, and a mirror.

    ReLU; the decoder's kernels are all 4. Locatello et al., arXiv 1811.12359, table 1, after
    Higgins et al. 2017; theirs starts Glorot-uniform, this one as `Network` says. For square images
    of a multiple of 16 pixels.
    """

    size_multiple = 16

    def build(self) -> tuple[nn.Module, nn.Module]:
        maps = [self.units(n) for n in (32, 32, 64, 64)]
        return self.mirrored("conv64", maps, [4, 4, 2, 2], [self.units(256)] * self.depth)

"""The convolutional network of disentanglement_lib."""

from collections.abc import Sequence

from torch import nn

from vae_granularity.errors import choice
from vae_granularity.nets.base import Network, start_glorot


class Conv64(Network):
    """Four stride-2 convolutions 32-32-64-64 (kernels 4, 4, 2, 2), a layer of 256, and a mirror.

    ReLU; the decoder's kernels are all 4. Locatello et al., arXiv 1811.12359, table 1, after
    Higgins et al. 2017. For square images of a multiple of 16 pixels.

    Args:
        initialisation: `torch`, as `Network` says; or `glorot`, as theirs: Glorot-uniform weights
            and zero biases.
    """

    size_multiple = 16

    def __init__(
        self,
        image_shape: Sequence[int],
        latent_dim: int,
        width: float = 1.0,
        depth: int = 1,
        initialisation: str = "torch",
    ) -> None:
        self.initialisation = choice("net.initialisation", initialisation, ("torch", "glorot"))
        super().__init__(image_shape, latent_dim, width, depth)
        if self.initialisation == "glorot":
            start_glorot(self)

    def build(self) -> tuple[nn.Module, nn.Module]:
        maps = [self.units(n) for n in (32, 32, 64, 64)]
        return self.mirrored("conv64", maps, [4, 4, 2, 2], [self.units(256)] * self.depth)

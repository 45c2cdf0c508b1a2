"""What every encoder/decoder pair is: two modules between images and posterior or parameters."""

from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar

from torch import Tensor, nn

from vae_granularity.errors import ArgumentError, integer, number


class Network(nn.Module):
    """An encoder x -> (mu, logvar) and a decoder z -> likelihood parameters of the shape of x.

    Subclasses define `build`. `width` multiplies the number of channels and units, `depth` adds
    depth-1 fully connected layers to each side, unless the class says otherwise: the capacity
    dials; their defaults give the published network. Parameters start as PyTorch initialises them,
    uniform in +-1/sqrt(fan-in) (He et al. 2015 with a = sqrt 5), biases too, unless the class says
    otherwise.

    Raises:
        ArgumentError: width <= 0, depth < 1, latent_dim < 1, or a shape that the class refuses.
    """

    # Sides of images that the network takes are multiples of it.
    size_multiple: ClassVar[int] = 1

    def __init__(
        self, image_shape: Sequence[int], latent_dim: int, width: float = 1.0, depth: int = 1
    ) -> None:
        super().__init__()
        self.image_shape = tuple(int(n) for n in image_shape)
        self.latent_dim = integer("latent_dim", latent_dim, 1)
        self.width = number("net.width", width, 0.0, above=True)
        self.depth = integer("net.depth", depth, 1)
        self.encoder, self.decoder = self.build()

    def build(self) -> tuple[nn.Module, nn.Module]:
        """The encoder (x to 2·latent_dim numbers, means first) and the decoder (z to the image)."""
        raise TypeError(f"{type(self).__name__} must define build()")

    def units(self, published: int) -> int:
        """The published number of channels or units times the width dial, at least 1."""
        return max(1, round(self.width * published))

    def square(self, name: str) -> tuple[int, int]:
        """Return channels and size / size_multiple of square images of such a size.

        Raises:
            ArgumentError: the shape is no such image.
        """
        shape = self.image_shape
        multiple = self.size_multiple
        if len(shape) != 3 or min(shape) < 1 or shape[1] != shape[2] or shape[1] % multiple:
            raise ArgumentError(
                f"net={name} needs square images (C, n, n) with n a multiple of {multiple}, "
                f"got shape {shape}"
            )
        return shape[0], shape[1] // multiple

    def mirrored(
        self, name: str, maps: Sequence[int], kernels: Sequence[int], hidden: Sequence[int]
    ) -> tuple[nn.Module, nn.Module]:
        """Stride-2 convolutions to `maps` channels, layers of `hidden` units, and the transpose.

        ReLU; the decoder's kernels are all 4. Raises ArgumentError as `square`.
        """
        channels, side = self.square(name)
        flat = maps[-1] * side * side
        encoder = nn.Sequential(
            *activated(nn.Conv2d, [channels, *maps], kernels),
            nn.Flatten(),
            *dense([flat, *hidden, 2 * self.latent_dim], nn.ReLU, last=False),
        )
        decoder = nn.Sequential(
            *dense([self.latent_dim, *hidden, flat], nn.ReLU),
            nn.Unflatten(1, (maps[-1], side, side)),
            *activated(nn.ConvTranspose2d, maps[::-1], [4] * (len(maps) - 1)),
            nn.ConvTranspose2d(maps[0], channels, 4, 2, 1),
        )
        return encoder, decoder

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
    """Fully connected layers with an activation after each; after the last one only if `last`.

    >>> dense([3, 2, 1], nn.ReLU, last=False)
    [Linear(in_features=3, out_features=2, bias=True), ReLU(), Linear(in_features=2, ...
    """
    layers = [module for ends in pairwise(sizes) for module in (nn.Linear(*ends), activation())]
    return layers if last else layers[:-1]


def start_glorot(network: Network) -> None:
    """Draw the weights of a network Glorot-uniform, and set its biases to zero.

    The encoder's last layer holds two layers of D units in one, means and log-variances: each half
    is drawn as the layer that it is.
    """
    *_, last = network.encoder.children()
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            parts = module.weight.chunk(2) if module is last else (module.weight,)
            for weight in parts:
                nn.init.xavier_uniform_(weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def activated(
    layer: type[nn.Conv2d | nn.ConvTranspose2d], channels: Sequence[int], kernels: Sequence[int]
) -> list[nn.Module]:
    """Convolutions that halve (or, transposed, double) the image, each with a ReLU after it."""
    layers: list[nn.Module] = []
    for (n_in, n_out), kernel in zip(pairwise(channels), kernels, strict=True):
        layers += [layer(n_in, n_out, kernel, 2, (kernel - 2) // 2), nn.ReLU()]
    return layers

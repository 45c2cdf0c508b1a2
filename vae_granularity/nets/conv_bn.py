"""The network of the beta-STCVAE authors."""

from collections.abc import Sequence

import torch
from torch import nn

from vae_granularity.errors import choice
from vae_granularity.nets.base import Network, dense

DECODER_LAYERS = 3


class ConvBN(Network):
    """Three stride-2 convolutions 16-32-64 with batch norm and leaky ReLU, then layers of 1000.

    The network of the script of Chen, Xiang and Wang (arXiv 2505.24684): `depth` hidden layers with
    ReLU in the encoder (published: 3, one more than their `layer`); three in the decoder, and the
    output layer behind them, which feeds its convolutions. `width` multiplies the units of the
    fully connected layers only (their `nur_num`), `depth` deepens the encoder only, as their sweeps
    over capacity do. For square images of a multiple of 8 pixels; initialised as `Network` says.

    The description "three hidden layers and the output layer with tanh" has two readings: tanh
    after all four layers (the default, as the encoder's ReLU follows all of its hidden layers), or
    after the output layer alone. Both have the same parameters.

    Args:
        decoder_activation: of the decoder's hidden layers: `tanh`; or `relu`, as in the encoder,
            for the other reading, which names no activation for them. Tanh follows the output
            layer.
    """

    size_multiple = 8

    def __init__(
        self,
        image_shape: Sequence[int],
        latent_dim: int,
        width: float = 1.0,
        depth: int = 3,
        decoder_activation: str = "tanh",
    ) -> None:
        self.decoder_activation = choice(
            "net.decoder_activation", decoder_activation, ("tanh", "relu")
        )
        super().__init__(image_shape, latent_dim, width, depth)
        # A network of this name had other activations before, in tensors that may have the same
        # shapes: a checkpoint without this mark is refused.
        self.register_buffer("layers_of_the_authors_script", torch.ones((), dtype=torch.bool))

    def build(self) -> tuple[nn.Module, nn.Module]:
        channels, side = self.square("conv_bn")
        hidden = self.units(1000)
        flat = 64 * side * side
        encoder_sizes = [flat, *[hidden] * self.depth, 2 * self.latent_dim]
        decoder_sizes = [self.latent_dim, *[hidden] * DECODER_LAYERS]
        decoder_activation = nn.Tanh if self.decoder_activation == "tanh" else nn.ReLU
        encoder = nn.Sequential(
            *_normalised(nn.Conv2d(channels, 16, 4, 2, 1)),
            *_normalised(nn.Conv2d(16, 32, 4, 2, 1)),
            *_normalised(nn.Conv2d(32, 64, 4, 2, 1)),
            nn.Flatten(),
            *dense(encoder_sizes, nn.ReLU, last=False),
        )
        decoder = nn.Sequential(
            *dense(decoder_sizes, decoder_activation),
            *dense([hidden, flat], nn.Tanh),
            nn.Unflatten(1, (64, side, side)),
            *_normalised(nn.ConvTranspose2d(64, 32, 4, 2, 1)),
            *_normalised(nn.ConvTranspose2d(32, 16, 4, 2, 1)),
            nn.ConvTranspose2d(16, channels, 4, 2, 1),
        )
        return encoder, decoder


def _normalised(convolution: nn.Conv2d | nn.ConvTranspose2d) -> tuple[nn.Module, ...]:
    return convolution, nn.BatchNorm2d(convolution.out_channels), nn.LeakyReLU()

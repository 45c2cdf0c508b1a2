"""A residual network."""

from torch import Tensor, nn

from vae_granularity.nets.base import Network, dense


class Residual(Network):
    """A stride-2 convolution, three stages of residual blocks (32-64-128) that halve the image.

    Pre-activation blocks as in He et al., arXiv 1603.05027, figure 4e, without normalisation: a
    batch norm would tie the images of a batch to each other and make q(z|x) another function in
    training than in evaluation. Instead the last convolution of every block starts at zero (Zhang
    et al., arXiv 1901.09321), so that the network starts as the sum of its skip paths; the rest
    starts as `Network` says. The decoder mirrors the encoder. A layer of 256 lies between the
    images and the latents.

    `depth` is the number of blocks in a stage *and* of fully connected layers; `width` multiplies
    channels and units. For square images of a multiple of 16 pixels.
    """

    size_multiple = 16

    def build(self) -> tuple[nn.Module, nn.Module]:
        channels, side = self.square("residual")
        first, second, third = (self.units(n) for n in (32, 64, 128))
        hidden, flat = [self.units(256)] * self.depth, third * side * side
        encoder = nn.Sequential(
            nn.Conv2d(channels, first, 4, 2, 1),
            *self._stage(first, first, down=True),
            *self._stage(first, second, down=True),
            *self._stage(second, third, down=True),
            nn.ReLU(),
            nn.Flatten(),
            *dense([flat, *hidden, 2 * self.latent_dim], nn.ReLU, last=False),
        )
        decoder = nn.Sequential(
            *dense([self.latent_dim, *hidden, flat], nn.ReLU, last=False),
            nn.Unflatten(1, (third, side, side)),
            *self._stage(third, second, down=False),
            *self._stage(second, first, down=False),
            *self._stage(first, first, down=False),
            nn.ReLU(),
            nn.ConvTranspose2d(first, channels, 4, 2, 1),
        )
        return encoder, decoder

    def _stage(self, n_in: int, n_out: int, *, down: bool) -> list[nn.Module]:
        """One block that halves or doubles the image, and depth - 1 that keep it."""
        half, double = nn.Conv2d(n_in, n_out, 4, 2, 1), nn.ConvTranspose2d(n_in, n_out, 4, 2, 1)
        resized: nn.Module = nn.AvgPool2d(2) if down else nn.Upsample(scale_factor=2)
        skip = nn.Sequential(resized, nn.Conv2d(n_in, n_out, 1))
        stage: list[nn.Module] = [Block(half if down else double, skip)]
        for _ in range(self.depth - 1):
            stage.append(Block(nn.Conv2d(n_out, n_out, 3, 1, 1), nn.Identity()))
        return stage


class Block(nn.Module):
    """skip(x) + conv(relu(first(relu(x)))), x (B, C, H, W)."""

    def __init__(self, first: nn.Conv2d | nn.ConvTranspose2d, skip: nn.Module) -> None:
        super().__init__()
        n_out = first.out_channels
        last = nn.Conv2d(n_out, n_out, 3, 1, 1)
        for parameter in last.parameters():
            nn.init.zeros_(parameter)
        self.branch, self.skip = nn.Sequential(nn.ReLU(), first, nn.ReLU(), last), skip

    def forward(self, x: Tensor) -> Tensor:
        return self.skip(x) + self.branch(x)

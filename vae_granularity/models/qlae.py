"""The QLAE (quantised latent autoencoder)."""

from typing import Unpack

import torch
from torch import Tensor, nn

from vae_granularity.elbo import LatentTerms
from vae_granularity.errors import integer
from vae_granularity.models.base import (
    Forward,
    HyperparameterValues,
    LatentModel,
    LatentOptions,
    Loss,
    Parts,
    Scheduled,
    full,
)


class QLAE(LatentModel):
    """-E log p(x|z_q) + w P/D (|sg(z_c) - z_q|² + |z_c - sg(z_q)|²), each dimension snapped to its
    own values (arXiv 2305.18378, §3).

    z_c is the encoder's output, z_q the nearest of the dimension's values, through which the
    gradient passes straight. It is the published loss, whose terms are means over P = C·H·W pixels
    and D dimensions, times P: here both are sums. Published with decoupled weight decay
    (`optimizer=adamw`) and twice as many latents as factors. It is deterministic: there is no
    q(z|x), so ELBO and total correlation do not exist. Its partition only groups the quantised
    latents for scores.

    Args:
        num_values: scalar values of each dimension, >= 2; they start evenly spaced in [-1/2, 1/2]
            and are trained.
        quantisation_weight: w as published, of the mean squared distances, >= 0, or a schedule.
        others: as `LatentModel`.
    """

    stochastic = False
    discrete_codes = True
    undecayed = ("values",)

    def __init__(
        self,
        parts: Parts,
        num_values: int = 10,
        quantisation_weight: Scheduled = 0.01,
        **options: Unpack[LatentOptions],
    ) -> None:
        super().__init__(parts, **options)
        self.scheduled("quantisation_weight", quantisation_weight, 0.0)
        count = integer("model.num_values", num_values, 2)
        self.values = nn.Parameter(torch.linspace(-0.5, 0.5, count).repeat(self.latent_dim, 1))

    def snap(self, z: Tensor) -> Tensor:
        """z (B, D), each entry replaced by the nearest value of its dimension; differentiable in
        the values.
        """
        nearest = (z[:, :, None] - self.values).abs().argmin(-1)  # (B, D)
        return self.values[torch.arange(self.latent_dim, device=z.device), nearest]

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The quantised code (B, D) of images x, and -inf: the logarithm of its variance 0."""
        code = self.snap(full(self.net.encode(x)[0]))
        return code, torch.full_like(code, -torch.inf)

    def forward_pass(self, x: Tensor, noise: Tensor) -> Forward:
        """Encode and snap x (B, *image_shape), decode, score; `mu` is z_c, the noise is not
        used.
        """
        continuous = full(self.net.encode(x)[0])
        z = self.snap(continuous).detach() + (continuous - continuous.detach())
        output, no_variance = full(self.net.decode(z)), torch.full_like(z, -torch.inf)
        log_px = self.likelihood.log_prob(output, x)
        return Forward(x, output, log_px, z, continuous, no_variance)

    def objective(self, out: Forward, values: HyperparameterValues, membership: Tensor) -> Loss:
        continuous, snapped = out.mu, self.snap(out.mu)
        distance = (continuous.detach() - snapped).square().sum(1)
        distance = distance + (continuous - snapped.detach()).square().sum(1)
        weight = values["quantisation_weight"] * (out.x[0].numel() / self.latent_dim)
        return (weight * distance - out.log_px).mean(), None

    def logged(self, loss: Tensor, out: Forward, terms: LatentTerms | None) -> dict[str, Tensor]:
        distance = (out.mu - out.z).square().sum(1).mean()
        return super().logged(loss, out, terms) | {"quantisation": distance}

"""The InfoVAE, with the maximum mean discrepancy."""

from typing import Unpack

import torch
from torch import Tensor

from vae_granularity.errors import number
from vae_granularity.models.base import Forward, HyperparameterValues, Loss, Parts, Scheduled
from vae_granularity.models.gaussian_vae import GaussianOptions, GaussianVAE


class InfoVAE(GaussianVAE):
    """-E log p(x|z) + (1 - alpha) KL(q(z|x) || p(z)) + (alpha + lambda - 1) MMD(q(z), p(z)) (Zhao
    et al., arXiv 1706.02262, eq. 6).

    Its granularity only decides how the decomposition is logged.

    Args:
        alpha: <= 1, or a schedule; 1 leaves only the MMD (the paper's MMD-VAE).
        mmd_weight: the paper's lambda, or a schedule; alpha + lambda must be at least 1.
        bandwidth: h² of the kernel exp(-|z - z'|² / 2h²), > 0; None is latent_dim² / 2, the kernel
            exp(-mean (z - z')² / latent_dim) of the authors' public code (the paper names none).
        others: as `GaussianVAE`.
    """

    def __init__(
        self,
        parts: Parts,
        alpha: Scheduled = 0.0,
        mmd_weight: Scheduled = 1000.0,
        bandwidth: float | None = None,
        **options: Unpack[GaussianOptions],
    ) -> None:
        super().__init__(parts, **options)
        self.scheduled("alpha", alpha, high=1.0)
        self.scheduled("mmd_weight", mmd_weight, low=1.0 - min(self.schedules["alpha"].values))
        published = self.latent_dim**2 / 2
        width = published if bandwidth is None else bandwidth
        self.bandwidth = number("model.bandwidth", width, 0.0, above=True)

    def objective(self, out: Forward, values: HyperparameterValues, membership: Tensor) -> Loss:
        alpha, weight = values["alpha"], values["mmd_weight"]
        plain = ((1 - alpha) * out.kl - out.log_px).mean()
        return plain + (alpha + weight - 1) * mmd_to_standard_normal(out.z, self.bandwidth), None


def mmd_to_standard_normal(z: Tensor, bandwidth: float) -> Tensor:
    """Squared maximum mean discrepancy between the empirical distribution of z (B, D) and N(0, I),
    a scalar >= 0.

    The kernel is exp(-|z - z'|² / 2h²), h² the bandwidth. Expectations under N(0, I) are taken in
    closed form, not by sampling.
    """
    dim = z.shape[1]
    between = torch.exp(-(z[:, None] - z[None, :]).square().sum(-1) / (2 * bandwidth)).mean()
    spread = bandwidth + 1
    across = torch.exp(-z.square().sum(-1) / (2 * spread)).mean()
    across = (bandwidth / spread) ** (dim / 2) * across
    return between - 2 * across + (bandwidth / (bandwidth + 2)) ** (dim / 2)

"""The plain VAE."""

from __future__ import annotations

from torch import Tensor

from vae_granularity.elbo import LatentTerms
from vae_granularity.models.base import Forward, Granularity, Partition, Parts, Settings
from vae_granularity.models.gaussian_vae import GaussianVAE


class VAE(GaussianVAE):
    """-E log p(x|z) + KL(q(z|x) || p(z)) with the analytic KL (Kingma and Welling, arXiv 1312.6114,
    eq. 10).

    Its granularity only decides how the decomposition is logged.
    """

    def __init__(
        self,
        parts: Parts,
        latent_dim: int = 10,
        granularity: Granularity = 1,
        partition: Partition = None,
        estimator: str = "mws",
    ) -> None:
        super().__init__(parts, latent_dim, granularity, partition, estimator)

    def objective(
        self, out: Forward, settings: Settings, membership: Tensor
    ) -> tuple[Tensor, LatentTerms | None]:
        return (out.kl - out.log_px).mean(), None

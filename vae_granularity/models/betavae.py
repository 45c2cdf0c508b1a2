"""The beta-VAE."""

from __future__ import annotations

from torch import Tensor

from vae_granularity.elbo import LatentTerms
from vae_granularity.models.base import Dial, Forward, Granularity, Partition, Parts, Settings
from vae_granularity.models.gaussian_vae import GaussianVAE


class BetaVAE(GaussianVAE):
    """-E log p(x|z) + beta KL(q(z|x) || p(z)) with the analytic KL (Higgins et al. 2017, eq. 4).

    Its granularity only decides how the decomposition is logged.

    Args:
        beta: weight of the KL, >= 0, or a schedule; 1 is the VAE.
        others: as `GaussianVAE`.

    Raises:
        ArgumentError: beta < 0, or as `GaussianVAE`.
    """

    def __init__(
        self,
        parts: Parts,
        latent_dim: int = 10,
        beta: Dial = 4.0,
        granularity: Granularity = 1,
        partition: Partition = None,
        estimator: str = "mws",
    ) -> None:
        super().__init__(parts, latent_dim, granularity, partition, estimator)
        self.dial("beta", beta, 0.0)

    def objective(
        self, out: Forward, settings: Settings, membership: Tensor
    ) -> tuple[Tensor, LatentTerms | None]:
        return (settings["beta"] * out.kl - out.log_px).mean(), None

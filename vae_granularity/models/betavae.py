"""The beta-VAE."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from vae_granularity.checks import number
from vae_granularity.elbo import LatentTerms
from vae_granularity.models.base import Forward, GaussianVAE, Parts


class BetaVAE(GaussianVAE):
    """-E log p(x|z) + beta KL(q(z|x) || p(z)) with the analytic KL (Higgins et al. 2017, eq. 4).

    Its granularity only decides how the decomposition is logged.

    Args:
        beta: weight of the KL, >= 0; 1 is the VAE.
        others: as `GaussianVAE`.

    Raises:
        ArgumentError: beta < 0, or as `GaussianVAE`.
    """

    def __init__(
        self,
        parts: Parts,
        latent_dim: int = 10,
        beta: float = 4.0,
        granularity: int = 1,
        partition: Sequence[int] | None = None,
        estimator: str = "mws",
    ) -> None:
        super().__init__(parts, latent_dim, granularity, partition, estimator)
        self.beta = number("model.beta", beta, 0.0)

    def objective(self, out: Forward) -> tuple[Tensor, LatentTerms | None]:
        return (self.beta * out.kl - out.log_px).mean(), None

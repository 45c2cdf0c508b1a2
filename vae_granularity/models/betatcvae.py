"""The beta-TCVAE."""

from __future__ import annotations

from collections.abc import Sequence

from vae_granularity.checks import number
from vae_granularity.models.base import Parts, WeightedVAE


class BetaTCVAE(WeightedVAE):
    """Weights (alpha, beta, beta, 1): the whole total correlation is penalised (Chen et al., arXiv 1802.04942, eq. 4).

    Its granularity only splits the logged total correlation; the loss is the same for every partition, up to rounding.

    Args:
        beta: weight of the total correlation, >= 0.
        alpha: weight of the mutual information, >= 0.
        others: as `GaussianVAE`.

    Raises:
        ArgumentError: beta or alpha < 0, or as `GaussianVAE`.
    """

    def __init__(
        self,
        parts: Parts,
        latent_dim: int = 10,
        beta: float = 4.0,
        alpha: float = 1.0,
        granularity: int = 1,
        partition: Sequence[int] | None = None,
        estimator: str = "mws",
    ) -> None:
        super().__init__(parts, latent_dim, granularity, partition, estimator)
        self.beta = number("model.beta", beta, 0.0)
        self.alpha = number("model.alpha", alpha, 0.0)

    def weights(self) -> dict[str, float]:
        return {"mutual_information": self.alpha, "between_group_tc": self.beta, "within_group_tc": self.beta, "dimension_kl": 1.0}

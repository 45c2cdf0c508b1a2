"""The beta-STCVAE."""

from __future__ import annotations

from collections.abc import Sequence

from vae_granularity.checks import number
from vae_granularity.models.base import Parts, WeightedVAE


class BetaSTCVAE(WeightedVAE):
    """Weights (1, beta, within_group_weight, 1): dependence between groups is penalised, dependence inside them rewarded.

    Chen, Xiang and Wang, arXiv 2505.24684, whose inside weight is -beta/2 (`within_group_weight` None) or 0 ("joint only").
    The granularity is the size of the groups: with 1 nothing is inside a group and the loss is the beta-TCVAE's.

    Args:
        beta: weight of the total correlation between groups, >= 0.
        within_group_weight: weight of the total correlation inside the groups; negative rewards it. None is -beta/2.
        others: as `GaussianVAE`.

    Raises:
        ArgumentError: beta < 0, the weight is not a finite number, or as `GaussianVAE`.
    """

    def __init__(
        self,
        parts: Parts,
        latent_dim: int = 10,
        beta: float = 4.0,
        within_group_weight: float | None = None,
        granularity: int = 2,
        partition: Sequence[int] | None = None,
        estimator: str = "mws",
    ) -> None:
        super().__init__(parts, latent_dim, granularity, partition, estimator)
        self.beta = number("model.beta", beta, 0.0)
        inside = -self.beta / 2 if within_group_weight is None else within_group_weight
        self.within_group_weight = number("model.within_group_weight", inside)

    def weights(self) -> dict[str, float]:
        return {"mutual_information": 1.0, "between_group_tc": self.beta, "within_group_tc": self.within_group_weight, "dimension_kl": 1.0}

"""The beta-TCVAE."""

from __future__ import annotations

from torch import Tensor

from vae_granularity.models.base import Dial, Granularity, Partition, Parts, Settings
from vae_granularity.models.gaussian_vae import WeightedVAE


class BetaTCVAE(WeightedVAE):
    """Weights (alpha, beta, beta, 1): the whole total correlation is penalised (Chen et al., arXiv
    1802.04942, eq. 4).

    Its granularity only splits the logged total correlation; the loss is the same for every
    partition, up to rounding.

    Args:
        beta: weight of the total correlation, >= 0, or a schedule.
        alpha: weight of the mutual information, >= 0, or a schedule.
        others: as `GaussianVAE`.

    Raises:
        ArgumentError: beta or alpha < 0, or as `GaussianVAE`.
    """

    def __init__(
        self,
        parts: Parts,
        latent_dim: int = 10,
        beta: Dial = 4.0,
        alpha: Dial = 1.0,
        granularity: Granularity = 1,
        partition: Partition = None,
        estimator: str = "mws",
    ) -> None:
        super().__init__(parts, latent_dim, granularity, partition, estimator)
        self.dial("beta", beta, 0.0)
        self.dial("alpha", alpha, 0.0)

    def weights(self, settings: Settings) -> dict[str, float | Tensor]:
        alpha, beta = settings["alpha"], settings["beta"]
        return {
            "mutual_information": alpha,
            "between_group_tc": beta,
            "within_group_tc": beta,
            "dimension_kl": 1.0,
        }

"""The beta-TCVAE."""

from typing import Unpack

from torch import Tensor

from vae_granularity.models.base import HyperparameterValues, Parts, Scheduled
from vae_granularity.models.gaussian_vae import GaussianOptions, WeightedVAE


class BetaTCVAE(WeightedVAE):
    """Weights (alpha, beta, beta, 1): the whole total correlation is penalised (Chen et al., arXiv
    1802.04942, eq. 4).

    Its granularity only splits the logged total correlation; the loss is the same for every
    partition, up to rounding.

    Args:
        beta: weight of the total correlation, >= 0, or a schedule.
        alpha: weight of the mutual information, >= 0, or a schedule.
        others: as `GaussianVAE`.
    """

    def __init__(
        self,
        parts: Parts,
        beta: Scheduled = 4.0,
        alpha: Scheduled = 1.0,
        **options: Unpack[GaussianOptions],
    ) -> None:
        super().__init__(parts, **options)
        self.scheduled("beta", beta, 0.0)
        self.scheduled("alpha", alpha, 0.0)

    def weights(self, values: HyperparameterValues) -> dict[str, float | Tensor]:
        alpha, beta = values["alpha"], values["beta"]
        return {
            "mutual_information": alpha,
            "between_group_tc": beta,
            "within_group_tc": beta,
            "dimension_kl": 1.0,
        }

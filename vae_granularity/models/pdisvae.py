"""The PDisVAE (partially disentangled VAE)."""

from typing import Unpack

from torch import Tensor

from vae_granularity.models.base import HyperparameterValues, Parts, Scheduled
from vae_granularity.models.gaussian_vae import GaussianOptions, WeightedVAE


class PDisVAE(WeightedVAE):
    """Weights (1, beta, 1, 1): only dependence between groups is penalised, the KL of each group
    stays whole.

    Li et al., arXiv 2502.02279; estimated with `stratified` weights as there. With granularity 1 it
    is the beta-TCVAE.

    Args:
        beta: weight of the total correlation between groups, >= 0, or a schedule.
        others: as `GaussianVAE`.
    """

    def __init__(
        self, parts: Parts, beta: Scheduled = 4.0, **options: Unpack[GaussianOptions]
    ) -> None:
        super().__init__(parts, **options)
        self.scheduled("beta", beta, 0.0)

    def weights(self, values: HyperparameterValues) -> dict[str, float | Tensor]:
        return {
            "mutual_information": 1.0,
            "between_group_tc": values["beta"],
            "within_group_tc": 1.0,
            "dimension_kl": 1.0,
        }

"""Two objectives between the beta-VAE and the beta-TCVAE."""

from typing import Unpack

from torch import Tensor

from vae_granularity.models.base import HyperparameterValues, Parts, Scheduled
from vae_granularity.models.gaussian_vae import GaussianOptions, WeightedVAE


class TotalTCVAE(WeightedVAE):
    """Penalises all dependence of latents by beta, between groups and inside them.

    For every granularity the loss of the beta-TCVAE; what differs is how its terms are logged.
    """

    def __init__(
        self, parts: Parts, beta: Scheduled = 4.0, **options: Unpack[GaussianOptions]
    ) -> None:
        super().__init__(parts, **options)
        self.scheduled("beta", beta, 0.0)

    def weights(self, values: HyperparameterValues) -> dict[str, float | Tensor]:
        beta = values["beta"]
        return {
            "mutual_information": 1.0,
            "between_group_tc": beta,
            "within_group_tc": beta,
            "dimension_kl": 1.0,
        }


class GroupKLVAE(TotalTCVAE):
    """Penalises by beta what distinguishes groups from the prior; what is inside them costs 1."""

    def weights(self, values: HyperparameterValues) -> dict[str, float | Tensor]:
        return super().weights(values) | {"within_group_tc": 1.0}

"""The PDisVAE (partially disentangled VAE)."""

from __future__ import annotations

from torch import Tensor

from vae_granularity.models.base import Dial, Granularity, Partition, Parts, Settings
from vae_granularity.models.gaussian_vae import WeightedVAE


class PDisVAE(WeightedVAE):
    """Weights (1, beta, 1, 1): only dependence between groups is penalised, the KL of each group
    stays whole.

    Li et al., arXiv 2502.02279; estimated with `stratified` weights as there. With granularity 1 it
    is the beta-TCVAE.

    Args:
        beta: weight of the total correlation between groups, >= 0, or a schedule.
        others: as `GaussianVAE`.

    Raises:
        ArgumentError: beta < 0, or as `GaussianVAE`.
    """

    def __init__(
        self,
        parts: Parts,
        latent_dim: int = 10,
        beta: Dial = 4.0,
        granularity: Granularity = 2,
        partition: Partition = None,
        estimator: str = "stratified",
    ) -> None:
        super().__init__(parts, latent_dim, granularity, partition, estimator)
        self.dial("beta", beta, 0.0)

    def weights(self, settings: Settings) -> dict[str, float | Tensor]:
        return {
            "mutual_information": 1.0,
            "between_group_tc": settings["beta"],
            "within_group_tc": 1.0,
            "dimension_kl": 1.0,
        }

"""The beta-STCVAE."""

from typing import Unpack

from torch import Tensor

from vae_granularity.models.base import HyperparameterValues, Parts, Scheduled
from vae_granularity.models.gaussian_vae import GaussianOptions, WeightedVAE


class BetaSTCVAE(WeightedVAE):
    """Weights (1, beta, within_group_weight, 1): dependence between groups is penalised, dependence
    inside them rewarded.

    Chen, Xiang and Wang, arXiv 2505.24684, whose inside weight is -beta/2 (`within_group_weight`
    None) or 0 ("joint only").
    The granularity is the size of the groups: with 1 nothing is inside a group and the loss is the
    beta-TCVAE's.

    Args:
        beta: weight of the total correlation between groups, >= 0, or a schedule.
        within_group_weight: weight of the total correlation inside the groups, or a schedule;
            negative rewards it. None is -beta/2.
        others: as `GaussianVAE`.
    """

    def __init__(
        self,
        parts: Parts,
        beta: Scheduled = 4.0,
        within_group_weight: Scheduled | None = None,
        **options: Unpack[GaussianOptions],
    ) -> None:
        super().__init__(parts, **options)
        self.scheduled("beta", beta, 0.0)
        if within_group_weight is not None:
            self.scheduled("within_group_weight", within_group_weight)

    def hyperparameters(self, step: int) -> dict[str, float | Tensor]:
        values = super().hyperparameters(step)
        return {"within_group_weight": -values["beta"] / 2} | values

    def weights(self, values: HyperparameterValues) -> dict[str, float | Tensor]:
        between, inside = values["beta"], values["within_group_weight"]
        return {
            "mutual_information": 1.0,
            "between_group_tc": between,
            "within_group_tc": inside,
            "dimension_kl": 1.0,
        }

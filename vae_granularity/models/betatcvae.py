"""The beta-TCVAE."""

from typing import Unpack

from torch import Tensor

from vae_granularity.elbo import weighted_elbo
from vae_granularity.errors import choice
from vae_granularity.models.base import Forward, HyperparameterValues, Loss, Parts, Scheduled
from vae_granularity.models.gaussian_vae import GaussianOptions, WeightedVAE


class BetaTCVAE(WeightedVAE):
    """Weights (alpha, beta, beta, 1): the whole total correlation is penalised (Chen et al., arXiv
    1802.04942, eq. 4).

    Its granularity only splits the logged total correlation; the loss is the same for every
    partition, up to rounding.

    Args:
        beta: weight of the total correlation, >= 0, or a schedule.
        alpha: weight of the mutual information, >= 0, or a schedule.
        kl: `minibatch` weighs the four estimated terms, as the authors do; `analytic` adds
            (alpha - 1) I + (beta - 1) TC to the analytic KL, as disentanglement_lib does with
            alpha = 1. In expectation the two differ only by the noise of the sampled KL.
        others: as `GaussianVAE`.
    """

    def __init__(
        self,
        parts: Parts,
        beta: Scheduled = 4.0,
        alpha: Scheduled = 1.0,
        kl: str = "minibatch",
        **options: Unpack[GaussianOptions],
    ) -> None:
        super().__init__(parts, **options)
        self.scheduled("beta", beta, 0.0)
        self.scheduled("alpha", alpha, 0.0)
        self.kl = choice("model.kl", kl, ("minibatch", "analytic"))

    def weights(self, values: HyperparameterValues) -> dict[str, float | Tensor]:
        alpha, beta = values["alpha"], values["beta"]
        return {
            "mutual_information": alpha,
            "between_group_tc": beta,
            "within_group_tc": beta,
            "dimension_kl": 1.0,
        }

    def objective(self, out: Forward, values: HyperparameterValues, membership: Tensor) -> Loss:
        if self.kl == "minibatch":
            return super().objective(out, values, membership)
        terms = self.minibatch_terms(out, membership)
        elbo = weighted_elbo(
            out.log_px - out.kl,
            terms,
            mutual_information=values["alpha"] - 1.0,
            between_group_tc=values["beta"] - 1.0,
            within_group_tc=values["beta"] - 1.0,
            dimension_kl=0.0,
        )
        return -elbo.mean(), terms

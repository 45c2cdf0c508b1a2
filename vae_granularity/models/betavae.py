"""The beta-VAE."""

from typing import Unpack

from torch import Tensor

from vae_granularity.models.base import Forward, HyperparameterValues, Loss, Parts, Scheduled
from vae_granularity.models.gaussian_vae import GaussianOptions, GaussianVAE


class BetaVAE(GaussianVAE):
    """-E log p(x|z) + beta KL(q(z|x) || p(z)) with the analytic KL (Higgins et al. 2017, eq. 4).

    Its granularity only decides how the decomposition is logged.

    Args:
        beta: weight of the KL, >= 0, or a schedule; 1 is the VAE.
        others: as `GaussianVAE`.
    """

    def __init__(
        self, parts: Parts, beta: Scheduled = 4.0, **options: Unpack[GaussianOptions]
    ) -> None:
        super().__init__(parts, **options)
        self.scheduled("beta", beta, 0.0)

    def objective(self, out: Forward, values: HyperparameterValues, membership: Tensor) -> Loss:
        return (values["beta"] * out.kl - out.log_px).mean(), None

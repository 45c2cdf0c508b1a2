"""The lambda-beta-VAE."""

from typing import Unpack

from torch import Tensor

from vae_granularity.models.base import Forward, HyperparameterValues, Loss, Parts, Scheduled
from vae_granularity.models.gaussian_vae import GaussianOptions, GaussianVAE


class LambdaBetaVAE(GaussianVAE):
    """-E log p(x|z) + beta KL(q(z|x) || p(z)) + lambda sum (x - x̂)², x̂ the mean of p(x|z) (arXiv
    2602.09277).

    The squared error is summed over pixels and channels. Its granularity only decides how the
    decomposition is logged.

    Args:
        beta: weight of the KL, >= 0, or a schedule.
        reconstruction_weight: lambda, >= 0, or a schedule; 0 is the beta-VAE.
        others: as `GaussianVAE`.
    """

    def __init__(
        self,
        parts: Parts,
        beta: Scheduled = 4.0,
        reconstruction_weight: Scheduled = 1.0,
        **options: Unpack[GaussianOptions],
    ) -> None:
        super().__init__(parts, **options)
        self.scheduled("beta", beta, 0.0)
        self.scheduled("reconstruction_weight", reconstruction_weight, 0.0)

    def objective(self, out: Forward, values: HyperparameterValues, membership: Tensor) -> Loss:
        squared_error = (out.x - self.likelihood.mean(out.output)).square().flatten(1).sum(1)
        weighted = values["beta"] * out.kl + values["reconstruction_weight"] * squared_error
        return (weighted - out.log_px).mean(), None

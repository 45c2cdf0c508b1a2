"""The plain VAE."""

from torch import Tensor

from vae_granularity.models.base import Forward, HyperparameterValues, Loss
from vae_granularity.models.gaussian_vae import GaussianVAE


class VAE(GaussianVAE):
    """-E log p(x|z) + KL(q(z|x) || p(z)) with the analytic KL (Kingma and Welling, arXiv 1312.6114,
    eq. 10).

    Its granularity only decides how the decomposition is logged.
    """

    def objective(self, out: Forward, values: HyperparameterValues, membership: Tensor) -> Loss:
        return (out.kl - out.log_px).mean(), None

"""The DIP-VAE-II."""

import torch
from torch import Tensor

from vae_granularity.models.base import Forward
from vae_granularity.models.dipvae_i import DIPVAEI, covariance


class DIPVAEII(DIPVAEI):
    """As `DIPVAEI` with C = Cov(mu(x)) + E[diag sigma²(x)], the covariance of the sampled code
    (arXiv 1711.00848, eq. 7).

    `lambda_d` None is lambda_od, as published.
    """

    diagonal_factor = 1.0

    def covariance(self, out: Forward) -> Tensor:
        return covariance(out.mu) + torch.diag(out.logvar.exp().mean(0))

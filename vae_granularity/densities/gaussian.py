"""Diagonal Gaussians: log-density, reparametrised sample, KL to the standard normal. In nats."""

import math

import torch
from torch import Tensor

LOG_2PI = math.log(2 * math.pi)


def log_density(z: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """Return log N(z; mu, exp(logvar)) per dimension; shapes broadcast."""
    scaled = (z - mu) * torch.exp(-0.5 * logvar)
    return -0.5 * torch.addcmul(logvar + LOG_2PI, scaled, scaled)


def log_standard_normal(z: Tensor) -> Tensor:
    """Return log N(z; 0, 1) per dimension, in the shape of z (B, D)."""
    return -0.5 * (z.square() + LOG_2PI)


def reparametrise(mu: Tensor, logvar: Tensor, noise: Tensor) -> Tensor:
    """Return mu + sigma * noise, all (B, D) (arXiv 1312.6114, §2.4)."""
    return torch.addcmul(mu, torch.exp(0.5 * logvar), noise)


def kl_to_standard_normal(mu: Tensor, logvar: Tensor) -> Tensor:
    """Return KL(N(mu, exp(logvar)) || N(0, 1)) per dimension, (B, D) (arXiv 1312.6114, app. B).

    >>> kl_to_standard_normal(torch.tensor([[0.0, 1.0]]), torch.zeros(1, 2))
    tensor([[0.0000, 0.5000]])
    """
    return 0.5 * (torch.addcmul(logvar.expm1(), mu, mu) - logvar)

"""Likelihoods p(x|z): what the decoder's output means. Log-densities are summed over pixels and channels, in nats."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from vae_granularity.checks import number
from vae_granularity.gaussian import LOG_2PI


class Bernoulli(nn.Module):
    """Independent Bernoulli pixels; the decoder's output are logits.

    For grey or colour images in [0, 1] it is the field's usual choice, but not a density: its ELBO has no common scale with a Gaussian's.
    """

    def log_prob(self, output: Tensor, x: Tensor) -> Tensor:
        """log p(x|z) for output and x (B, ...), x in [0, 1]; (B,)."""
        return -binary_cross_entropy_with_logits(output, x, reduction="none").flatten(1).sum(1)

    def mean(self, output: Tensor) -> Tensor:
        """E[x|z], shape of `output`."""
        return torch.sigmoid(output)


class Gaussian(nn.Module):
    """Independent Gaussian pixels around the decoder's output with one standard deviation for all.

    Args:
        sigma: standard deviation, > 0; the starting value where it is learned.
        learned: train log sigma with the network (shared sigma, Rybkin et al., arXiv 2006.13202).

    Raises:
        ArgumentError: sigma is not positive.
    """

    def __init__(self, sigma: float = 0.1, learned: bool = False) -> None:
        super().__init__()
        log_sigma = torch.tensor(math.log(number("likelihood.sigma", sigma, 0.0, above=True)))
        if learned:
            self.log_sigma = nn.Parameter(log_sigma)
        else:
            self.register_buffer("log_sigma", log_sigma)

    def log_prob(self, output: Tensor, x: Tensor) -> Tensor:
        """log p(x|z) for output and x (B, ...); (B,)."""
        log_sigma = self.log_sigma.to(output.dtype)
        squares = ((x - output) * torch.exp(-log_sigma)).square().flatten(1).sum(1)
        return -0.5 * squares - (log_sigma + 0.5 * LOG_2PI) * x[0].numel()

    def mean(self, output: Tensor) -> Tensor:
        """E[x|z], shape of `output`."""
        return output

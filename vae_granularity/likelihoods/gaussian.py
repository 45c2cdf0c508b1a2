"""Gaussian pixels with one standard deviation, fixed or learned."""

import math

import torch
from torch import Tensor, nn

from vae_granularity.densities.gaussian import LOG_2PI
from vae_granularity.errors import number


class Gaussian(nn.Module):
    """Independent Gaussian pixels around the decoder's output with one standard deviation for all.

    Args:
        sigma: standard deviation, > 0; the starting value where it is learned.
        learned: train log sigma with the network (shared sigma, Rybkin et al., arXiv 2006.13202,
            section 3).

    Raises:
        ArgumentError: sigma is not positive.
    """

    support = "real"

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
        return gaussian_log_prob((x - output).square().flatten(1).sum(1), log_sigma, x[0].numel())

    def mean(self, output: Tensor) -> Tensor:
        """E[x|z], shape of `output`."""
        return output


def gaussian_log_prob(squares: Tensor, log_sigma: Tensor, count: int) -> Tensor:
    """Log-density of `count` Gaussians whose squared differences from the mean sum to `squares`
    (B,); log_sigma one number; (B,).
    """
    return -0.5 * squares * torch.exp(-2 * log_sigma) - (log_sigma + 0.5 * LOG_2PI) * count

"""Gaussian pixels whose variance is the one that fits best."""

import torch
from torch import Tensor, nn

from vae_granularity.distributed import gathered
from vae_granularity.errors import number
from vae_granularity.likelihoods.gaussian import gaussian_log_prob

AVERAGED_STEPS = 100


class OptimalGaussian(nn.Module):
    """Independent Gaussian pixels whose one variance is, in training, the mean squared error of the
    batch (the batches of all processes): the maximum-likelihood value.

    Optimal sigma-VAE of Rybkin et al., arXiv 2006.13202, section 3.2, eq. 6: the gradient flows
    through the variance, so that the loss is a logarithm of the error and needs no weight for it.

    In evaluation mode the variance is a buffer, the running mean of the batches' values (the mean
    of the first 100, then an exponential one over about 100). An optimum per image, or per
    evaluated batch, would depend on the x it scores: its exponential would not integrate to 1 over
    x and its ELBO would be no bound. For the same reason the training loss is no density; val/elbo
    is.

    Args:
        min_sigma: lower limit of the standard deviation, > 0; keeps the loss finite where a batch
            is reproduced exactly. The default is about the rounding error of 8-bit pixels in [0,
            1].

    Raises:
        ArgumentError: min_sigma is not positive.
    """

    support = "real"

    variance: Tensor
    steps: Tensor

    def __init__(self, min_sigma: float = 1e-3) -> None:
        super().__init__()
        self.min_variance = number("likelihood.min_sigma", min_sigma, 0.0, above=True) ** 2
        self.register_buffer("variance", torch.tensor(1.0))
        self.register_buffer("steps", torch.tensor(0.0))

    def log_prob(self, output: Tensor, x: Tensor) -> Tensor:
        """log p(x|z) for output and x (B, ...); (B,). In training mode the buffers follow the
        batch.
        """
        squares = (x - output).square().flatten(1).sum(1)
        count = x[0].numel()
        if self.training:
            variance = (gathered(squares).mean() / count).clamp(min=self.min_variance)
            self.steps.add_(1.0).clamp_max_(AVERAGED_STEPS)
            self.variance.add_((variance.detach() - self.variance) / self.steps)
        else:
            variance = self.variance.to(output.dtype)
        return gaussian_log_prob(squares, 0.5 * variance.log(), count)

    def mean(self, output: Tensor) -> Tensor:
        """E[x|z], shape of `output`."""
        return output

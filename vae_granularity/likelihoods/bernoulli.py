"""Bernoulli pixels."""

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits


class Bernoulli(nn.Module):
    """Independent Bernoulli pixels; the decoder's output are logits.

    For grey or colour images in [0, 1] it is the field's usual choice, but not a density: its ELBO
    has no common scale with a Gaussian's or a continuous Bernoulli's.
    """

    support = "unit"

    def log_prob(self, output: Tensor, x: Tensor) -> Tensor:
        """log p(x|z) for output and x (B, ...), x in [0, 1]; (B,)."""
        return -binary_cross_entropy_with_logits(output, x, reduction="none").flatten(1).sum(1)

    def mean(self, output: Tensor) -> Tensor:
        """E[x|z], shape of `output`."""
        return torch.sigmoid(output)

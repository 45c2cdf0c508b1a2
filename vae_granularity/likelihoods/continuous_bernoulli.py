"""Continuous Bernoulli pixels."""

import torch
from torch import Tensor, nn

# Below this |logit| the closed forms lose digits to cancellation, and the series are exact to
# 1e-12.
SERIES_BELOW = 0.3


class ContinuousBernoulli(nn.Module):
    """Independent pixels in [0, 1] with density C(lambda) lambda^x (1 - lambda)^(1 - x); the
    decoder's output are the logits of lambda.

    Loaiza-Ganem and Cunningham, arXiv 1907.06845, eq. 6 and 7. In the logit eta = log(lambda / (1 -
    lambda)) it is exp(eta x) divided by its integral (exp(eta) - 1) / eta, which is 1 at lambda =
    1/2. Unlike `Bernoulli` on grey values it is a density; its mean is not lambda but is pulled
    towards 1/2.
    """

    support = "unit"

    def log_prob(self, output: Tensor, x: Tensor) -> Tensor:
        """log p(x|z) for output and x (B, ...), x in [0, 1]; (B,)."""
        return (output * x - log_integral(output)).flatten(1).sum(1)

    def mean(self, output: Tensor) -> Tensor:
        """E[x|z], shape of `output`: 1 / (1 - exp(-eta)) - 1 / eta."""
        small, safe = _branches(output)
        below_half = 1 / safe - torch.exp(-safe) / -torch.expm1(-safe)
        closed = torch.where(output > 0, 1 - below_half, below_half)
        square = output.square()
        series = 0.5 + output * (
            1 / 12 - square * (1 / 720 - square * (1 / 30240 - square / 1209600))
        )
        return torch.where(small, series, closed)


def log_integral(logit: Tensor) -> Tensor:
    """log of the integral of exp(logit x) over x in [0, 1], log((exp(logit) - 1) / logit), same
    shape; finite and smooth everywhere.
    """
    small, safe = _branches(logit)
    size = logit.abs()
    square = logit.square()
    closed = torch.log(-torch.expm1(-safe)) - torch.log(safe)
    series = (
        square * (1 / 24 - square * (1 / 2880 - square * (1 / 181440 - square / 9676800)))
        - 0.5 * size
    )
    # Not relu(logit), whose derivative at 0 is 0 and not 1/2.
    return 0.5 * (logit + size) + torch.where(small, series, closed)


def _branches(logit: Tensor) -> tuple[Tensor, Tensor]:
    """Return where the series holds, and |logit| with 1 in place of the small ones.

    The 1 keeps the closed form and its gradient finite where the series is used.
    """
    size = logit.abs()
    small = size < SERIES_BELOW
    return small, torch.where(small, torch.ones_like(size), size)

"""The ControlVAE."""

from typing import Unpack

import torch
from torch import Tensor

from vae_granularity.distributed import mean_over_processes
from vae_granularity.elbo import LatentTerms
from vae_granularity.errors import ArgumentError, number
from vae_granularity.models.base import Forward, HyperparameterValues, Loss, Parts, Scheduled
from vae_granularity.models.gaussian_vae import GaussianOptions, GaussianVAE


class ControlVAE(GaussianVAE):
    """-E log p(x|z) + beta(t) KL(q(z|x) || p(z)), beta set by a PI controller that holds the KL at
    C (Shao et al., arXiv 2004.05988).

    With the error e = C(t) - KL of the batch: beta = K_p / (1 + exp(e)) + I(t) + beta_min, I(t) =
    I(t-1) - K_i e (eq. 7 to 9). A step that would leave [beta_min, beta_max] puts beta on the bound
    and I on the value that belongs to it: I neither winds up nor stays behind. The KL is the mean
    over the batches of all processes. Its granularity only decides how the decomposition is logged.

    Args:
        capacity: C in nats, >= 0, or a schedule (published: raised in small steps to its target).
        proportional_gain, integral_gain: K_p and K_i, >= 0.
        beta_min, beta_max: bounds of beta, 0 <= beta_min <= beta_max.
        others: as `GaussianVAE`.
    """

    stateful = True  # the integral I

    integral: Tensor

    def __init__(
        self,
        parts: Parts,
        capacity: Scheduled = 18.0,
        proportional_gain: float = 0.01,
        integral_gain: float = 0.001,
        beta_min: float = 1.0,
        beta_max: float = 100.0,
        **options: Unpack[GaussianOptions],
    ) -> None:
        super().__init__(parts, **options)
        self.scheduled("capacity", capacity, 0.0)
        self.proportional_gain = number("model.proportional_gain", proportional_gain, 0.0)
        self.integral_gain = number("model.integral_gain", integral_gain, 0.0)
        self.beta_min = number("model.beta_min", beta_min, 0.0)
        self.beta_max = number("model.beta_max", beta_max, 0.0)
        if self.beta_min > self.beta_max:
            raise ArgumentError(
                f"model.beta_min must be at most model.beta_max={beta_max}, got {beta_min}"
            )
        self.register_buffer("integral", torch.zeros(()))
        self._beta, self._next_integral = self.integral, self.integral

    def hyperparameters(self, step: int) -> dict[str, float | Tensor]:
        return super().hyperparameters(step) | {"integral": self.integral}

    def objective(self, out: Forward, values: HyperparameterValues, membership: Tensor) -> Loss:
        kl = mean_over_processes(out.kl.detach().mean())
        self._beta, self._next_integral = self.control(kl, values)
        return (self._beta * out.kl - out.log_px).mean(), None

    def control(self, kl: Tensor, values: HyperparameterValues) -> tuple[Tensor, Tensor]:
        """beta for this step and the integral after it, scalars, from the batch's mean KL."""
        error = values["capacity"] - kl
        integral = values["integral"] - self.integral_gain * error
        base = self.proportional_gain * torch.sigmoid(-error) + self.beta_min
        wanted = base + integral
        beta = wanted.clamp(self.beta_min, self.beta_max)
        return beta, integral + (beta - wanted)

    def logged(self, loss: Tensor, out: Forward, terms: LatentTerms | None) -> dict[str, Tensor]:
        return super().logged(loss, out, terms) | {"schedule/beta": self._beta}

    def after_step(self, step: int) -> None:
        self.integral.copy_(self._next_integral)

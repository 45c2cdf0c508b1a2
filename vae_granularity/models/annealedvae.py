"""The annealed beta-VAE."""

from typing import Unpack

from torch import Tensor

from vae_granularity.models.base import Forward, HyperparameterValues, Loss, Parts, Scheduled
from vae_granularity.models.gaussian_vae import GaussianOptions, GaussianVAE


class AnnealedVAE(GaussianVAE):
    """-E log p(x|z) + capacity_weight |KL(q(z|x) || p(z)) - C|, C rising during training (Burgess
    et al., arXiv 1804.03599, eq. 8).

    KL is the batch mean. Its granularity only decides how the decomposition is logged.

    Args:
        capacity: C in nats, >= 0, or a schedule.
        capacity_weight: >= 0, or a schedule (the paper's gamma).
        others: as `GaussianVAE`.
    """

    def __init__(
        self,
        parts: Parts,
        capacity: Scheduled = 25.0,
        capacity_weight: Scheduled = 1000.0,
        **options: Unpack[GaussianOptions],
    ) -> None:
        super().__init__(parts, **options)
        self.scheduled("capacity", capacity, 0.0)
        self.scheduled("capacity_weight", capacity_weight, 0.0)

    def objective(self, out: Forward, values: HyperparameterValues, membership: Tensor) -> Loss:
        distance = (out.kl.mean() - values["capacity"]).abs()
        return values["capacity_weight"] * distance - out.log_px.mean(), None

"""The annealed beta-VAE."""

from __future__ import annotations

from torch import Tensor

from vae_granularity.elbo import LatentTerms
from vae_granularity.models.base import Dial, Forward, Granularity, Partition, Parts, Settings
from vae_granularity.models.gaussian_vae import GaussianVAE


class AnnealedVAE(GaussianVAE):
    """-E log p(x|z) + capacity_weight |KL(q(z|x) || p(z)) - C|, C rising during training (Burgess
    et al., arXiv 1804.03599, eq. 8).

    KL is the batch mean. Its granularity only decides how the decomposition is logged.

    Args:
        capacity: C in nats, >= 0, or a schedule.
        capacity_weight: >= 0, or a schedule (the paper's gamma).
        others: as `GaussianVAE`.

    Raises:
        ArgumentError: capacity or capacity_weight < 0, or as `GaussianVAE`.
    """

    def __init__(
        self,
        parts: Parts,
        latent_dim: int = 10,
        capacity: Dial = 25.0,
        capacity_weight: Dial = 1000.0,
        granularity: Granularity = 1,
        partition: Partition = None,
        estimator: str = "mws",
    ) -> None:
        super().__init__(parts, latent_dim, granularity, partition, estimator)
        self.dial("capacity", capacity, 0.0)
        self.dial("capacity_weight", capacity_weight, 0.0)

    def objective(
        self, out: Forward, settings: Settings, membership: Tensor
    ) -> tuple[Tensor, LatentTerms | None]:
        return settings["capacity_weight"] * (
            out.kl.mean() - settings["capacity"]
        ).abs() - out.log_px.mean(), None

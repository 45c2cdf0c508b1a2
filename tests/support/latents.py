"""Random posteriors for tests: means, log-variances and samples of a batch."""

from __future__ import annotations

from typing import NamedTuple

import torch
from hypothesis import strategies as st
from torch import Tensor

from vae_granularity.partition import LatentPartition


class Batch(NamedTuple):
    """z ~ q(z|x) for B images, D dimensions."""

    z: Tensor
    mu: Tensor
    logvar: Tensor

    def named(self) -> dict[str, Tensor]:
        return self._asdict()


def random_batch(
    batch: int, dim: int, seed: int, *, sigma: float = 0.5, dtype: torch.dtype = torch.float64
) -> Batch:
    """Means drawn from N(0, I) with dependence between neighbours, standard deviations around
    `sigma`.
    """
    generator = torch.Generator().manual_seed(seed)
    mu, noise, spread = (
        torch.randn(batch, dim, generator=generator, dtype=torch.float64) for _ in range(3)
    )
    mu = mu + 0.7 * mu.roll(1, 1)
    logvar = 2 * torch.log(torch.tensor(sigma, dtype=torch.float64)) + 0.5 * spread
    z = mu + torch.exp(0.5 * logvar) * noise
    return Batch(*(t.to(dtype) for t in (z, mu, logvar)))


@st.composite
def partitions(draw: st.DrawFn, latent_dim: int) -> LatentPartition:
    """Any partition of the dimensions, not only contiguous ones."""
    assignment = draw(
        st.lists(st.integers(0, latent_dim - 1), min_size=latent_dim, max_size=latent_dim)
    )
    groups = [
        tuple(d for d in range(latent_dim) if assignment[d] == g) for g in sorted(set(assignment))
    ]
    return LatentPartition(tuple(groups))

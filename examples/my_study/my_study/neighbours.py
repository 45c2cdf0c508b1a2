"""Neighbour agreement: do codes that lie close together share their factors?"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from vae_granularity import LatentPartition
from vae_granularity.metrics.core.inputs import Array, groups_of, labelled_sample
from vae_granularity.metrics.core.result import MetricResult


@dataclass(frozen=True, eq=False, kw_only=True)
class NeighboursResult(MetricResult):
    score_names = ("neighbours", "neighbours_group")
    agreement: Array  # (F,) share of codes whose nearest other code has the same value
    agreement_group: Array | None  # (G, F) the same, seen from one group of dimensions


def neighbours(
    latents: Any, factors: Any, partition: LatentPartition | None = None
) -> NeighboursResult:
    """Mean over factors of the share of codes (n, D) whose nearest other code has their value.

    A partition adds `neighbours_group`: of the best group of each factor.

    >>> neighbours([[0.0], [0.1], [1.0], [1.1]], [[0], [0], [1], [1]]).scores
    {'neighbours': 1.0}
    """
    sample = labelled_sample(latents, factors)
    agreement = _agreement(sample.latents, sample.factors)
    scores: dict[str, float | None] = {"neighbours": float(agreement.mean())}
    by_group = None
    if partition is not None:
        groups = groups_of(partition, sample.latents.shape[1])
        by_group = np.stack(
            [_agreement(sample.latents[:, list(g)], sample.factors) for g in groups]
        )
        scores["neighbours_group"] = float(by_group.max(0).mean())
    return NeighboursResult(
        scores=scores, protocol=sample.protocol(), agreement=agreement, agreement_group=by_group
    )


def _agreement(latents: Array, factors: Any) -> Array:
    """(F,) share of rows that agree with their nearest other row."""
    from scipy.spatial import cKDTree

    _, two = cKDTree(latents).query(latents, k=2)
    rows = np.arange(len(latents))
    nearest = np.where(two[:, 0] == rows, two[:, 1], two[:, 0])
    return (factors[nearest] == factors).mean(0)

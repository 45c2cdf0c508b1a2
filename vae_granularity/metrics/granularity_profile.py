"""The factor-granularity profile: at which granularity does each factor have a unit of its own?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vae_granularity.checks import integer
from vae_granularity.metrics import histogram, knn, relation
from vae_granularity.metrics.inputs import Array, as_latents, labelled_sample, units
from vae_granularity.metrics.result import MetricResult
from vae_granularity.partition import LatentPartition

HOLDS = 0.1  # share of a factor's entropy from which a unit counts as holding it


@dataclass(frozen=True, eq=False, kw_only=True)
class UnitProfileResult(MetricResult):
    nmi: Array  # (G, F) k-NN mutual information / entropy of the factor
    best_unit: NDArray[np.int64]  # (F,)
    share: Array  # (F,) of the factor's entropy, in its best unit
    gap: Array | None  # (F,) to the second best unit; None with one unit
    alone: NDArray[np.bool_]  # (F,) the best unit holds no other factor

    @property
    def separated(self) -> NDArray[np.bool_]:
        """(F,) factors that their best unit holds, more than half of it there alone, and without
        another factor.
        """
        if self.gap is None:
            return np.zeros(len(self.share), dtype=bool)
        return self.alone & (self.share >= HOLDS) & (self.gap >= self.share / 2)


def unit_profile(
    latents: Any,
    factors: Any,
    *,
    partition: LatentPartition | None = None,
    num_neighbors: int = 10,
    seed: int = 0,
) -> UnitProfileResult:
    """For each factor: the share of its entropy in its best unit, the gap to the second, whether
    that unit holds other factors too.

    The score `carriers` (`carriers_group` with a partition) is the number of units that are the
    best one of some factor.

    Args:
        latents: (n, D); factors: (n, F) integers; partition: the units, None for single dimensions.

    Raises:
        ArgumentError: bad tables or partition, not more rows than `num_neighbors`.
    """
    num_neighbors = integer("num_neighbors", num_neighbors, 1)
    sample = labelled_sample(latents, factors, min_rows=num_neighbors + 1)
    groups = units(partition, sample.latents.shape[1])
    mi = knn.mutual_information_matrix(
        sample.latents, groups, sample.factors, num_neighbors=num_neighbors, seed=seed
    )
    protocol = sample.protocol() | {"num_neighbors": num_neighbors, "seed": seed}
    name = "carriers" if partition is None else "carriers_group"
    return profile_of(mi / histogram.entropies(sample.factors), groups, protocol, name)


def profile_of(
    nmi: Array,
    groups: Sequence[Sequence[int]],
    protocol: dict[str, object],
    name: str = "carriers_group",
) -> UnitProfileResult:
    """The profile of a matrix (G, F) of shares of the factors' entropy; `name` of its only
    score.
    """
    best = nmi.argmax(0)
    alone = np.array([not (np.delete(nmi[unit], f) >= HOLDS).any() for f, unit in enumerate(best)])
    return UnitProfileResult(
        scores={name: float(relation.carriers(nmi))},
        protocol=protocol | {"holds": HOLDS, "found": {"units": [list(group) for group in groups]}},
        nmi=nmi,
        best_unit=best,
        share=nmi.max(0),
        gap=relation.gap(nmi),
        alone=alone,
    )


def granularity_profile(
    latents: Any, factors: Any, granularities: Sequence[int], **options: Any
) -> dict[int, UnitProfileResult]:
    """`unit_profile` of one code under contiguous groups of each granularity γ. For one model a γ,
    call `unit_profile` on each.

    Raises:
        ArgumentError: as `unit_profile`, or a γ outside [1, D].
    """
    dim = as_latents(latents).shape[1]
    return {
        g: unit_profile(
            latents, factors, partition=LatentPartition.from_granularity(dim, g), **options
        )
        for g in granularities
    }


def separating_granularity(profile: Mapping[int, UnitProfileResult]) -> list[int | None]:
    """The smallest γ of the profile at which each factor is `separated`, length F; None where it
    never is.
    """
    order = sorted(profile)
    return [
        next((g for g in order if profile[g].separated[f]), None)
        for f in range(len(profile[order[0]].share))
    ]

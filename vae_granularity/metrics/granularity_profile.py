"""The factor-granularity profile: at which granularity does each factor have a unit of its own?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vae_granularity.metrics.core import factor_matrix, histogram, inactive, unit_information
from vae_granularity.metrics.core.inputs import Array, FactorKinds, as_latents, groups_of
from vae_granularity.metrics.core.result import MetricResult
from vae_granularity.partition import LatentPartition

# Share of a factor's entropy from which a unit of any γ counts as holding it: independent groups of
# 1 to 10 dimensions show at most 0.01, the weakest held factor that was tried 0.12, and no estimate
# is further than 0.1 from the truth (experiments/estimators).
HOLDS = 0.1


@dataclass(frozen=True, eq=False, kw_only=True)
class UnitProfileResult(MetricResult):
    score_names = ("carriers", "carriers_group")
    nmi: Array  # (G, F) k-NN mutual information / entropy of the factor
    best_unit: NDArray[np.int64]  # (F,)
    share: Array  # (F,) of the factor's entropy, in its best unit
    gap: Array | None  # (F,) to the second best unit; None with one unit
    alone: NDArray[np.bool_]  # (F,) the best unit holds no other factor

    @property
    def separated(self) -> NDArray[np.bool_]:
        """(F,) factors that their best unit holds alone, with a gap of half the share or more."""
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
    kl: Any = None,
    factor_kinds: FactorKinds = None,
) -> UnitProfileResult:
    """Share of each factor's entropy in its best unit, gap to the second, what else is there.

    A unit holds a factor from a share of `HOLDS` on, the same for all γ, as the estimate does not
    fall with γ (see `unit_information`); a nan where a group could not be estimated.

    The score `carriers` (`carriers_group` with a partition) is the number of units that are the
    best one of some factor.

    Args:
        latents: (n, D); factors: (n, F) integers; partition: the units, None for single dimensions.
        kl: (D,) mean KL of each dimension in nats; None, or those of at most 0.01 are left out.
        factor_kinds: one kind for all factors or one each, see `core.inputs.FACTOR_KINDS`.

    Raises:
        ArgumentError: bad tables or partition, not more rows than `num_neighbors`.
    """
    sample = unit_information.knn_sample(latents, factors, num_neighbors, kl, factor_kinds)
    dim = sample.latents.shape[1]
    groups = groups_of(partition, dim)
    mi = unit_information.mutual_information_matrix(sample, groups, num_neighbors, seed)
    found = inactive.found(kl, dim) | unit_information.missing(mi)
    protocol = sample.protocol() | {"num_neighbors": num_neighbors, "seed": seed, "found": found}
    name = "carriers" if partition is None else "carriers_group"
    return profile_of(mi / histogram.entropies(sample.factors), groups, protocol, name)


def profile_of(
    nmi: Array,
    groups: Sequence[Sequence[int]],
    protocol: dict[str, Any],
    name: str = "carriers_group",
) -> UnitProfileResult:
    """The profile of shares (G, F) of the factors' entropy; `name` of its only score."""
    best = nmi.argmax(0)
    others = (np.delete(nmi[unit], f) for f, unit in enumerate(best))
    alone = np.array([not (of >= HOLDS).any() and not np.isnan(of).any() for of in others])
    noted = protocol.get("found", {}) | {"units": [list(group) for group in groups]}
    return UnitProfileResult(
        scores={name: factor_matrix.carriers(nmi)},
        protocol=protocol | {"holds": HOLDS, "found": noted},
        nmi=nmi,
        best_unit=best,
        share=nmi.max(0),
        gap=factor_matrix.gap(nmi),
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
    under = {g: LatentPartition.from_granularity(dim, g) for g in granularities}
    return {g: unit_profile(latents, factors, partition=p, **options) for g, p in under.items()}


def separating_granularity(profile: Mapping[int, UnitProfileResult]) -> list[int | None]:
    """Smallest γ of the profile at which each factor is `separated`; None where it never is."""
    order = sorted(profile)
    return [
        next((g for g in order if profile[g].separated[f]), None)
        for f in range(len(profile[order[0]].share))
    ]

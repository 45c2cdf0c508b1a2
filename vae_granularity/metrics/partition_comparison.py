"""One code under several partitions: how models of different granularity are compared, and the
granularity at which factors separate.

A model without groups may hold the same blocks as one with groups, only unnamed; under its own
partition alone it would look worse.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vae_granularity.errors import ArgumentError
from vae_granularity.metrics.core.group_information import GroupInformation
from vae_granularity.metrics.core.inputs import FactorKinds, groups_of
from vae_granularity.metrics.core.result import MetricResult, Scores
from vae_granularity.metrics.granularity_profile import (
    UnitProfileResult,
    profile_of,
    separating_granularity,
)
from vae_granularity.partition import LatentPartition


@dataclass(frozen=True, eq=False, kw_only=True)
class PartitionComparisonResult(MetricResult):
    score_names = ("*/*_group", "separating_granularity/*")
    profiles: dict[str, UnitProfileResult]  # by name of the partition, in the order given
    factor_names: tuple[str, ...]  # F factors that were kept

    @property
    def by_granularity(self) -> dict[int, UnitProfileResult]:
        """The profiles of the contiguous partitions `g1`, `g2`, …, by γ."""
        named = self.profiles.items()
        return {int(name[1:]): of for name, of in named if re.fullmatch(r"g\d+", name)}


def partition_comparison(
    latents: Any,
    factors: Any,
    *,
    partitions: Mapping[str, LatentPartition],
    factor_names: Sequence[str] | None = None,
    num_samples: int = 2_000,
    num_neighbors: int = 10,
    seed: int = 0,
    kl: Any = None,
    factor_kinds: FactorKinds = None,
) -> PartitionComparisonResult:
    """k-NN group scores under each partition, named `<partition>/infom_group` and so on (see
    `GroupInformation.scores`).

    Of the partitions named `g1`, `g2`, … (contiguous groups of γ), the smallest γ at which a factor
    is `separated`: `separating_granularity/<factor>`, missing where it never is.

    Args:
        latents: (n, D); factors: (n, F) integers; factor_names: of their F columns, None for the
            numbers.
        partitions: by name, such as own, g2, blocks.
        num_samples: a seeded subset of that many rows is used where n is larger.
        kl: (D,) mean KL of each dimension in nats; None, or those of at most 0.01 are left out.
        factor_kinds: one kind for all factors or one each, see `core.inputs.FACTOR_KINDS`.

    Raises:
        ArgumentError: bad tables or partitions, not more rows than `num_neighbors`, another number
            of names than factors.
    """
    information = GroupInformation.of(
        latents,
        factors,
        num_samples=num_samples,
        num_neighbors=num_neighbors,
        seed=seed,
        kl=kl,
        factor_kinds=factor_kinds,
    )
    sample = information.sample
    num_factors = len(sample.kept_factors) + len(sample.dropped_factors)
    names = [str(f) for f in range(num_factors)] if factor_names is None else list(factor_names)
    if len(names) != num_factors:
        raise ArgumentError(f"factor_names must name {num_factors} factors, got {names}")
    kept = tuple(names[f] for f in sample.kept_factors)
    scores: Scores = {}
    profiles = {}
    for name, partition in partitions.items():
        groups_of(partition, sample.latents.shape[1])
        shares = information.shares(partition)
        own = information.scores(partition, shares)
        scores |= {f"{name}/{score}": value for score, value in own.items()}
        profiles[name] = profile_of(shares, partition.groups, information.protocol())
    protocol = information.protocol()
    listed = {name: [list(group) for group in of.groups] for name, of in partitions.items()}
    protocol["found"] = protocol.get("found", {}) | {"partitions": listed}
    result = PartitionComparisonResult(
        scores=scores, protocol=protocol, profiles=profiles, factor_names=kept
    )
    if result.by_granularity:
        separating = separating_granularity(result.by_granularity)
        for factor, g in zip(kept, separating, strict=True):
            scores[f"separating_granularity/{factor}"] = None if g is None else float(g)
    return result

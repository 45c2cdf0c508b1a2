"""What a group score owes to the sizes of the groups alone: the same code, its dimensions dealt to
groups at random.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vae_granularity.errors import integer
from vae_granularity.metrics.core.inputs import Array
from vae_granularity.metrics.core.result import Scores
from vae_granularity.partition import LatentPartition


@dataclass(frozen=True)
class Null:
    """A group score beside its null."""

    score: float
    mean: float
    std: float
    draws: int

    @classmethod
    def of(cls, score: float, dealt: Sequence[float] | Array) -> Null:
        """From the same score under random partitions (draws,)."""
        return cls(score, float(np.mean(dealt)), float(np.std(dealt, ddof=1)), len(dealt))

    @property
    def lift(self) -> float:
        """Score minus the null's mean."""
        return self.score - self.mean


def random_partitions(
    partition: LatentPartition, num_draws: int, seed: int
) -> list[LatentPartition]:
    """Partitions of the same sizes whose dimensions were dealt at random."""
    rng = np.random.default_rng(seed)
    order = [d for group in partition.groups for d in group]
    dealt = (rng.permutation(order).tolist() for _ in range(integer("num_draws", num_draws, 2)))
    ends = np.cumsum(partition.sizes).tolist()
    return [
        LatentPartition(
            tuple(
                tuple(sorted(dims[e - s : e])) for e, s in zip(ends, partition.sizes, strict=True)
            )
        )
        for dims in dealt
    ]


def partition_null(
    rescore: Callable[[LatentPartition], Scores],
    partition: LatentPartition,
    *,
    num_draws: int = 20,
    seed: int = 0,
) -> dict[str, Null | None]:
    """Null and lift of every `…_group` score that `rescore(partition)` gives; empty for G = 1 and G
    = D, where all deals are the same.

    Args:
        rescore: the scores under a partition. Cheap ones need no new fit: `dci.group_scores` of a
            fitted matrix, `sap` with continuous factors, `irs`, `unsupervised`; k-NN scores on a
            subset of rows. Score and null are computed by the same calls.

    Raises:
        ArgumentError: fewer than 2 draws.
    """
    draws = random_partitions(partition, num_draws, seed)
    if not 1 < partition.num_groups < partition.latent_dim:
        return {}
    own, dealt = rescore(partition), [rescore(draw) for draw in draws]
    result: dict[str, Null | None] = {}
    for name, score in own.items():
        values = [value for value in (draw.get(name) for draw in dealt) if value is not None]
        if name.endswith("_group"):
            result[name] = (
                None if score is None or len(values) < len(draws) else Null.of(score, values)
            )
    return result


def null_scores(nulls: Mapping[str, Null | None], names: Iterable[str]) -> Scores:
    """`…_null_group` (mean under random partitions), `…_null_sd_group` (spread), `…_lift_group` of
    each `…_group` with a null.
    """
    scores: Scores = {}
    for name in names:
        null, stem = nulls.get(name), name.removesuffix("_group")
        scores[f"{stem}_null_group"] = None if null is None else null.mean
        scores[f"{stem}_null_sd_group"] = None if null is None else null.std
        scores[f"{stem}_lift_group"] = None if null is None else null.lift
    return scores

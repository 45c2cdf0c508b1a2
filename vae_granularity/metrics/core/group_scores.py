"""What must stand beside a group score: its harmonic mean with a partner, and its null.

A group wide enough to hold every factor has a high gap or completeness although nothing was
separated; its modularity is low. The harmonic mean of the two is high only if both are. A null says
what a score owes to the groups' sizes alone: dimensions are dealt to groups at random.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from vae_granularity.errors import integer
from vae_granularity.metrics.core.inputs import Array
from vae_granularity.metrics.core.result import Scores
from vae_granularity.partition import LatentPartition

PARTNERS = {
    "gap_group": "infom_weighted_group",
    "mig_entropy_group": "modularity_knn_group",
    "sap_group": "modularity_knn_group",
    "infoc_group": "infom_group",
    "dci_completeness_group": "dci_disentanglement_group",
    "dci_fast_completeness_group": "dci_fast_disentanglement_group",
}
# Name of each harmonic mean to its two parts.
HARMONIC = {f"{a.removesuffix('_group')}_harmonic_group": (a, b) for a, b in PARTNERS.items()}


NULLS = ("_null_group", "_null_sd_group", "_lift_group")


def harmonic_mean(a: float | None, b: float | None) -> float | None:
    """2ab / (a + b) of two scores clipped at 0; 0 if either is, missing if either is.

    >>> harmonic_mean(0.5, 1.0), harmonic_mean(-0.1, 1.0), harmonic_mean(None, 1.0)
    (0.6666666666666666, 0.0, None)
    """
    if a is None or b is None:
        return None
    a, b = max(a, 0.0), max(b, 0.0)
    return 0.0 if a == 0 or b == 0 else 2 * a * b / (a + b)


def with_harmonic(scores: Scores) -> Scores:
    """The scores and their `harmonic_scores`."""
    return scores | harmonic_scores(scores)


def harmonic_scores(scores: Mapping[str, float | None]) -> Scores:
    """The harmonic mean of every completeness-like group score; missing without its partner.

    >>> harmonic_scores({"infoc_group": 0.5, "infom_group": 1.0, "mig": 0.1})
    {'infoc_harmonic_group': 0.6666666666666666}
    """
    return {
        name: harmonic_mean(scores[part], scores.get(partner))
        for name, (part, partner) in HARMONIC.items()
        if part in scores
    }


@dataclass(frozen=True)
class Null:
    """A group score beside its null."""

    score: float
    mean: float
    std: float
    draws: int

    @classmethod
    def of(cls, score: float, dealt: Sequence[float] | Array) -> Self:
        """From the same score under random partitions (draws,)."""
        return cls(score, float(np.mean(dealt)), float(np.std(dealt, ddof=1)), len(dealt))

    @property
    def lift(self) -> float:
        """Score minus the null's mean."""
        return self.score - self.mean


def random_partitions(
    partition: LatentPartition, num_draws: int, seed: int
) -> list[LatentPartition]:
    """Partitions of the same sizes whose dimensions were dealt at random.

    >>> [p.sizes for p in random_partitions(LatentPartition.from_sizes([2, 1]), 2, seed=0)]
    [(2, 1), (2, 1)]
    """
    rng = np.random.default_rng(seed)
    order = [d for group in partition.groups for d in group]
    ends = np.cumsum(partition.sizes)[:-1]
    return [
        LatentPartition(
            tuple(tuple(sorted(p.tolist())) for p in np.split(rng.permutation(order), ends))
        )
        for _ in range(integer("num_draws", num_draws, 2))
    ]


def partition_null(
    rescore: Callable[[LatentPartition], Scores],
    partition: LatentPartition,
    *,
    num_draws: int = 20,
    seed: int = 0,
) -> dict[str, Null | None]:
    """Null and lift of every `…_group` score that `rescore(partition)` gives.

    Empty for G = 1 and G = D, where all deals are the same. Score and null come from the same
    calls; cheap ones need no new fit (`dci.group_scores` of a fitted matrix, say).

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
            known = len(values) == len(draws)
            result[name] = None if score is None or not known else Null.of(score, values)
    return result


def null_scores(nulls: Mapping[str, Null | None], names: Iterable[str]) -> Scores:
    """Mean and spread under random partitions, and the lift, of each `…_group` with a null.

    >>> null_scores({"sap_group": Null(0.5, 0.25, 0.125, 20)}, ["sap_group"])
    {'sap_null_group': 0.25, 'sap_null_sd_group': 0.125, 'sap_lift_group': 0.25}
    """
    scores: Scores = {}
    for name in names:
        null, stem = nulls.get(name), name.removesuffix("_group")
        found = (None,) * 3 if null is None else (null.mean, null.std, null.lift)
        scores |= {f"{stem}{kind}": value for kind, value in zip(NULLS, found, strict=True)}
    return scores

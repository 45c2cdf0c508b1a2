"""Gap: how much more of a factor its best unit holds than the second best, and how purely.

The number that people mean by "MIG" when groups have several dimensions. Ours; for the published
score by single dimensions see `mig`.
"""

from dataclasses import dataclass
from typing import Any

from vae_granularity.metrics.core import factor_matrix
from vae_granularity.metrics.core.group_information import GroupInformation
from vae_granularity.metrics.core.inputs import Array, FactorKinds
from vae_granularity.metrics.core.result import MetricResult, Scores
from vae_granularity.partition import LatentPartition


@dataclass(frozen=True, eq=False, kw_only=True)
class GapResult(MetricResult):
    """Result of `gap`.

    Attributes:
        share: (D, F), the share of each factor's entropy that each dimension holds.
        share_group: (G, F), the same of each group; None without a partition.
        kept_factors: (F,) columns of the factors that vary.
    """

    score_names = ("gap", "gap_group", "infom_weighted", "infom_weighted_group")
    share: Array
    share_group: Array | None
    kept_factors: tuple[int, ...]
    information: GroupInformation

    def rescore(self, partition: LatentPartition) -> Scores:
        return gap_scores(self.information.shares(partition), "_group")


def gap(
    latents: Any,
    factors: Any,
    *,
    partition: LatentPartition | None = None,
    num_samples: int = 2_000,
    num_neighbors: int = 10,
    seed: int = 0,
    kl: Any = None,
    factor_kinds: FactorKinds = None,
) -> GapResult:
    """Compute the gap of each factor between its best and second best unit, and weighted InfoM.

    `gap`: the share of a factor's entropy in its best unit less that in the second best, mean over
    factors: 0 for noise, for a factor that two units hold alike, and for one that none holds.
    `infom_weighted`: how much of a unit's information is on one factor, as InfoM, with units
    weighted by the information that they hold: 0 where one unit holds all factors alike. Neither is
    high unless factors are apart; their harmonic mean by group is the headline group score.

    Information of a group is a lower bound, see `unit_information`: what several dimensions hold
    jointly only (the parity of three) is not seen.

    Args:
        latents: (n, D).
        factors: (n, F) integers.
        partition: adds the scores by group.
        num_samples: a seeded subset of that many rows is used where n is larger.
        num_neighbors: of the k-NN estimate.
        seed: of the subset, of the noise that breaks ties, of the halves that groups are fitted on.
        kl: (D,) mean KL of each dimension in nats; None, or those of at most 0.01 are left out.
        factor_kinds: one kind for all factors or one each, see `core.inputs.FACTOR_KINDS`.

    Raises:
        ArgumentError: bad tables or partition, not more rows than `num_neighbors`.
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
    dim = information.sample.latents.shape[1]
    share = information.shares(LatentPartition.from_granularity(dim, 1))
    scores = gap_scores(share, "")
    share_group = None
    if partition is not None:
        share_group = information.shares(partition)
        scores |= gap_scores(share_group, "_group")
    return GapResult(
        scores=scores,
        protocol=information.protocol(),
        share=share,
        share_group=share_group,
        kept_factors=tuple(information.sample.kept_factors),
        information=information,
    )


def gap_scores(share: Array, suffix: str) -> Scores:
    """Return `gap` and `infom_weighted` of shares (U, F) of the factors' entropy.

    >>> import numpy as np
    >>> gap_scores(np.array([[0.75, 0.0], [0.25, 0.5]]), "_group")["gap_group"]
    0.5
    """
    return {
        f"gap{suffix}": factor_matrix.mean_gap(share),
        f"infom_weighted{suffix}": factor_matrix.weighted_max_share(share),
    }

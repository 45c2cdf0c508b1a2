"""The null of the cheap group scores: what a model's group sizes score when its dimensions are
dealt to groups at random.
"""

from dataclasses import dataclass
from typing import Any

from vae_granularity.metrics.core.group_information import GroupInformation
from vae_granularity.metrics.core.group_scores import Null, null_scores, partition_null
from vae_granularity.metrics.core.inputs import FactorKinds, FactorSpace, groups_of
from vae_granularity.metrics.core.result import MetricResult, Scores
from vae_granularity.metrics.irs import irs
from vae_granularity.partition import LatentPartition

NAMES = ("infom_group", "infoc_group", "infoc_harmonic_group", "modularity_knn_group")


@dataclass(frozen=True, eq=False, kw_only=True)
class GroupNullResult(MetricResult):
    score_names = ("*_null_group", "*_null_sd_group", "*_lift_group")
    nulls: dict[str, Null | None]  # by group score, on the same rows; empty for G = 1 and G = D


def group_null(
    latents: Any,
    factors: Any,
    *,
    partition: LatentPartition,
    space: FactorSpace | None = None,
    num_samples: int = 2_000,
    num_draws: int = 20,
    num_neighbors: int = 10,
    seed: int = 0,
    kl: Any = None,
    factor_kinds: FactorKinds = None,
) -> GroupNullResult:
    """Null and lift of `infom_group`, `infoc_group`, their harmonic mean, `modularity_knn_group`
    and, on a grid, `irs_group`.

    Scores are named as by `group_scores.null_scores`: mean and spread under random partitions of
    the same sizes, and the score minus that mean, both on the same rows; missing for G = 1 and G =
    D, where every deal is the same.

    Args:
        latents: (n, D); factors: (n, F) integers.
        space: the grid that the factors are of; None for labels that are not all factors, of which
            IRS cannot speak.
        num_samples: a seeded subset of that many rows is used where n is larger.
        kl: (D,) mean KL of each dimension in nats; None, or those of at most 0.01 are left out.
        factor_kinds: one kind for all factors or one each, see `core.inputs.FACTOR_KINDS`.

    Raises:
        ArgumentError: bad tables or partition, not more rows than `num_neighbors`, fewer than 2
            draws.
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
    groups_of(partition, sample.latents.shape[1])

    def rescore(dealt: LatentPartition) -> Scores:
        scores = information.scores(dealt)
        if space is not None:
            scores |= irs(
                sample.latents, sample.factors, partition=dealt, factor_kinds="discrete"
            ).scores
        return scores

    nulls = partition_null(rescore, partition, num_draws=num_draws, seed=seed)
    names = NAMES if space is None else (*NAMES, "irs_group")
    return GroupNullResult(
        scores=null_scores(nulls, names),
        protocol=information.protocol() | {"num_draws": num_draws},
        nulls=nulls,
    )

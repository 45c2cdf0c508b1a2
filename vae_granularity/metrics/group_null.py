"""The null of the k-NN group scores: what a model's group sizes score when its dimensions are dealt to groups at random."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from vae_granularity.checks import integer
from vae_granularity.metrics import histogram, knn
from vae_granularity.metrics.group_headline import group_headlines
from vae_granularity.metrics.infomec import active_latents, group_scores
from vae_granularity.metrics.inputs import labelled_sample, units
from vae_granularity.metrics.modularity import mean_modularity
from vae_granularity.metrics.partition_null import Null, partition_null
from vae_granularity.metrics.result import MetricResult, Scores
from vae_granularity.partition import LatentPartition


@dataclass(frozen=True, eq=False, kw_only=True)
class GroupNullResult(MetricResult):
    nulls: dict[str, Null | None]  # by group score, with the score on the same rows; empty for G = 1 and G = D


def group_null(
    latents: Any,
    factors: Any,
    *,
    partition: LatentPartition,
    num_samples: int = 2_000,
    num_draws: int = 20,
    num_neighbors: int = 10,
    seed: int = 0,
) -> GroupNullResult:
    """Null and lift of `infom_group`, `infoc_group`, their harmonic mean and `modularity_knn_group`, all from one k-NN matrix a deal.

    Scores are named `<name>_null_group` (mean under random partitions of the same sizes) and `<name>_lift_group` (score minus that, both on
    the same rows); both missing for G = 1 and G = D, where every deal is the same.

    Args:
        latents: (n, D); factors: (n, F) integers.
        num_samples: a seeded subset of that many rows is used where n is larger.

    Raises:
        ArgumentError: bad tables or partition, not more rows than `num_neighbors`, fewer than 2 draws.
    """
    num_samples, num_neighbors = integer("num_samples", num_samples, 2), integer("num_neighbors", num_neighbors, 1)
    num_draws, seed = integer("num_draws", num_draws, 2), integer("seed", seed, 0)
    full = labelled_sample(latents, factors, min_rows=num_neighbors + 1)
    rows = np.random.default_rng(seed).permutation(len(full.latents))[: max(num_samples, num_neighbors + 1)]
    sample = labelled_sample(full.latents[rows], full.factors[rows])
    units(partition, sample.latents.shape[1])
    active, entropy = active_latents(sample.latents), histogram.entropies(sample.factors)

    def rescore(dealt: LatentPartition) -> Scores:
        live = [[d for d in group if active[d]] for group in dealt.groups]
        mi = knn.mutual_information_matrix(sample.latents, live, sample.factors, num_neighbors=num_neighbors, seed=seed)
        scores = group_scores(mi / entropy, active, dealt.groups)
        scores["modularity_knn_group"] = mean_modularity(mi)
        return scores | group_headlines(scores)

    nulls = partition_null(rescore, partition, num_draws=num_draws, seed=seed)
    scores: Scores = {}
    for name in ("infom_group", "infoc_group", "infoc_harmonic_group", "modularity_knn_group"):
        null, stem = nulls.get(name), name.removesuffix("_group")
        scores |= {f"{stem}_null_group": None if null is None else null.mean, f"{stem}_lift_group": None if null is None else null.lift}
    protocol = sample.protocol() | {"num_draws": num_draws, "num_neighbors": num_neighbors, "seed": seed}
    return GroupNullResult(scores=scores, protocol=protocol, nulls=nulls)

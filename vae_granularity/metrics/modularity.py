"""Modularity (Ridgeway and Mozer 2018, arXiv 1802.05312): does each latent speak of one factor
only?
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from vae_granularity.errors import integer
from vae_granularity.metrics.core import histogram, inactive, unit_information
from vae_granularity.metrics.core.inputs import Array, labelled_sample, units
from vae_granularity.metrics.core.result import MetricResult, Scores
from vae_granularity.metrics.core.table_metric import TableMetric
from vae_granularity.partition import LatentPartition


@dataclass(frozen=True, eq=False, kw_only=True)
class ModularityResult(MetricResult):
    standard_error = "subsamples"
    error_of_groups = False  # nearest neighbours cost a hundred times the histograms; `modularity_knn` gives the errors of its scores
    mi_matrix: Array  # (D, F) nats, from histograms
    per_latent: Array  # (D,); nan in latents that share no information, which the mean leaves out
    knn: ModularityKNNResult | None


@dataclass(frozen=True, eq=False, kw_only=True)
class ModularityKNNResult(MetricResult):
    standard_error = "subsamples"
    mi_matrix: Array  # (D, F) nats, from nearest neighbours
    mi_matrix_group: Array | None  # (G, F) nats


def modularity(
    latents: Any,
    factors: Any,
    *,
    num_bins: int = 20,
    partition: LatentPartition | None = None,
    kl: Any = None,
) -> ModularityResult:
    """Mean over latents of 1 - (sum of the squared mutual information with the other factors) /
    (largest squared one x (F - 1)).

    Latents that share no information with any factor (constant ones) are left out and counted; the
    reference averages them in as 0.

    Args:
        latents: (n, D).
        factors: (n, F) integers; with F = 1 the score is undefined and missing.
        partition: adds `modularity_knn` and `modularity_knn_group` (see `modularity_knn`): joint
            bins of a group would be empty.
        kl: (D,) mean KL of each dimension in nats; None, or those of at most 0.01 are left out.

    Raises:
        ArgumentError: bad tables or partition, num_bins outside [2, n].
    """
    sample = labelled_sample(latents, factors)
    units(partition, sample.latents.shape[1])
    mi = histogram.mutual_information(
        histogram.discretize(inactive.silenced(sample.latents, kl), num_bins), sample.factors
    )
    per_latent = _per_unit(mi)
    protocol = sample.protocol() | {
        "num_bins": num_bins,
        "found": {
            "uninformative_latents": np.flatnonzero(mi.sum(1) == 0).tolist(),
            **inactive.found(kl, len(mi)),
        },
    }
    scores: Scores = {"modularity": mean_modularity(mi)}
    neighbours = None
    if partition is not None:
        neighbours = modularity_knn(latents, factors, partition=partition, kl=kl)
        scores |= neighbours.scores
        protocol |= {"knn": neighbours.protocol}
    return ModularityResult(
        scores=scores, protocol=protocol, mi_matrix=mi, per_latent=per_latent, knn=neighbours
    )


def modularity_knn(
    latents: Any,
    factors: Any,
    *,
    partition: LatentPartition | None = None,
    num_neighbors: int = 10,
    seed: int = 0,
    kl: Any = None,
) -> ModularityKNNResult:
    """Modularity from k-NN mutual information, per dimension and per group: another estimator,
    hence another name. Groups: see `unit_information`.

    Args:
        kl: (D,) mean KL of each dimension in nats; None, or those of at most 0.01 are left out.

    Raises:
        ArgumentError: bad tables or partition, not more rows than `num_neighbors`.
    """
    num_neighbors = integer("num_neighbors", num_neighbors, 1)
    sample = labelled_sample(latents, factors, min_rows=num_neighbors + 1)
    dim = sample.latents.shape[1]
    groups, live = units(partition, dim), inactive.silenced(sample.latents, kl)
    known: unit_information.Known = {}

    def matrix(of: Any) -> Array:
        return unit_information.mutual_information_matrix(
            live, of, sample.factors, num_neighbors=num_neighbors, seed=seed, known=known
        )

    mi = matrix(units(None, dim))
    scores: Scores = {"modularity_knn": mean_modularity(mi)}
    mi_group = None
    if partition is not None:
        mi_group = matrix(groups)
        scores["modularity_knn_group"] = mean_modularity(mi_group)
    protocol = sample.protocol() | {
        "num_neighbors": num_neighbors,
        "seed": seed,
        "found": {
            "uninformative_latents": np.flatnonzero(mi.sum(1) == 0).tolist(),
            **inactive.found(kl, dim),
            **unit_information.missing(mi_group),
        },
    }
    return ModularityKNNResult(
        scores=scores, protocol=protocol, mi_matrix=mi, mi_matrix_group=mi_group
    )


def _per_unit(mi: Array) -> Array:
    """(U, F) to (U,); nan where a unit shares nothing or there is a single factor."""
    squared = mi**2
    largest = squared.max(1) * (mi.shape[1] - 1)
    spill = squared.sum(1) - squared.max(1)
    return 1 - np.divide(spill, largest, out=np.full(len(mi), np.nan), where=largest > 0)


def mean_modularity(mi: Array) -> float | None:
    """Mean over units that share information, (U, F) to a number; None without such a unit, with a
    single factor or a nan.
    """
    if np.isnan(mi).any():
        return None
    per_unit = _per_unit(mi)
    known = per_unit[~np.isnan(per_unit)]
    return float(known.mean()) if len(known) else None


class Modularity(TableMetric):
    """`modularity` over collected batches."""

    function = staticmethod(modularity)


class ModularityKNN(TableMetric):
    """`modularity_knn` over collected batches."""

    function = staticmethod(modularity_knn)

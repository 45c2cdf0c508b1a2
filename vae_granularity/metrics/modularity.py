"""Modularity (Ridgeway and Mozer 2018, arXiv 1802.05312): does each latent speak of one factor?"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from vae_granularity.metrics.core import histogram, inactive, unit_information
from vae_granularity.metrics.core.inputs import (
    Array,
    FactorKinds,
    NoGroupForm,
    labelled_sample,
    unit_sets,
)
from vae_granularity.metrics.core.result import MetricResult
from vae_granularity.partition import LatentPartition


@dataclass(frozen=True, eq=False, kw_only=True)
class ModularityResult(MetricResult):
    score_names = ("modularity",)
    mi_matrix: Array  # (D, F) nats, from histograms
    per_latent: Array  # (D,); nan in latents that share no information, which the mean leaves out


@dataclass(frozen=True, eq=False, kw_only=True)
class ModularityKNNResult(MetricResult):
    score_names = ("modularity_knn", "modularity_knn_group")
    mi_matrix: Array  # (D, F) nats, from nearest neighbours
    mi_matrix_group: Array | None  # (G, F) nats


def modularity(
    latents: Any,
    factors: Any,
    *,
    num_bins: int = 20,
    partition: LatentPartition | None = None,
    kl: Any = None,
    factor_kinds: FactorKinds = None,
) -> ModularityResult:
    """Mean over latents of 1 - Σ (squared information on other factors) / ((F - 1) x largest).

    Latents that share no information with any factor (constant ones) are left out and counted; the
    reference averages them in as 0.

    Args:
        latents: (n, D).
        factors: (n, F) integers; with F = 1 the score is undefined and missing.
        kl: (D,) mean KL of each dimension in nats; None, or those of at most 0.01 are left out.
        factor_kinds: one kind for all factors or one each, see `core.inputs.FACTOR_KINDS`.

    Raises:
        ArgumentError: bad tables, num_bins outside [2, n].
        NoGroupForm: a partition was given; joint bins of a group would be empty.

    >>> f = [[0, 0], [1, 0], [0, 1], [1, 1]]
    >>> modularity([[0.0], [1.0], [0.0], [1.0]], f, num_bins=2).scores
    {'modularity': 1.0}
    """
    if partition is not None:
        raise NoGroupForm(
            "partition must be None: modularity from histograms has no group form (joint bins are"
            " empty); use modularity_knn"
        )
    sample = labelled_sample(latents, factors, factor_kinds=factor_kinds)
    latents_used = inactive.silenced(sample.latents, kl)
    mi, crowded = histogram.sample_information(sample, latents_used, num_bins)
    found: dict[str, Any] = {"uninformative_latents": inactive.indices(mi.sum(1) == 0)}
    if crowded:  # outliers stretch the range: one bin holds more than 90 % of the rows
        found["latents_nearly_in_one_bin"] = crowded
    asked = {"num_bins": num_bins, "found": found | inactive.found(kl, len(mi))}
    return ModularityResult(
        scores={"modularity": mean_modularity(mi)},
        protocol=sample.protocol() | asked,
        mi_matrix=mi,
        per_latent=_per_unit(mi),
    )


def modularity_knn(
    latents: Any,
    factors: Any,
    *,
    partition: LatentPartition | None = None,
    num_neighbors: int = 10,
    seed: int = 0,
    kl: Any = None,
    factor_kinds: FactorKinds = None,
) -> ModularityKNNResult:
    """Modularity from k-NN information per dimension and, see `unit_information`, per group.

    Another estimator, hence another name.

    Args:
        kl: (D,) mean KL of each dimension in nats; None, or those of at most 0.01 are left out.
        factor_kinds: one kind for all factors or one each, see `core.inputs.FACTOR_KINDS`.

    Raises:
        ArgumentError: bad tables or partition, not more rows than `num_neighbors`.
    """
    sample = unit_information.knn_sample(latents, factors, num_neighbors, kl, factor_kinds)
    known: unit_information.Known = {}
    mi = {
        suffix: unit_information.mutual_information_matrix(
            sample, groups, num_neighbors, seed, known
        )
        for suffix, groups in unit_sets(partition, sample.latents.shape[1]).items()
    }
    found = {
        "uninformative_latents": inactive.indices(mi[""].sum(1) == 0),
        **inactive.found(kl, len(mi[""])),
        **unit_information.missing(mi.get("_group")),
    }
    asked = {"num_neighbors": num_neighbors, "seed": seed, "found": found}
    return ModularityKNNResult(
        scores={f"modularity_knn{suffix}": mean_modularity(of) for suffix, of in mi.items()},
        protocol=sample.protocol() | asked,
        mi_matrix=mi[""],
        mi_matrix_group=mi.get("_group"),
    )


def _per_unit(mi: Array) -> Array:
    """(U, F) to (U,); nan where a unit shares nothing or there is a single factor."""
    squared = mi**2
    largest = squared.max(1) * (mi.shape[1] - 1)
    spill = squared.sum(1) - squared.max(1)
    return 1 - np.divide(spill, largest, out=np.full(len(mi), np.nan), where=largest > 0)


def mean_modularity(mi: Array) -> float | None:
    """Mean over units (U, F) that share information; None without one, with F = 1 or with a nan.

    >>> mean_modularity(np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 0.0]]))
    0.5
    """
    if np.isnan(mi).any():
        return None
    per_unit = _per_unit(mi)
    known = per_unit[~np.isnan(per_unit)]
    return float(known.mean()) if len(known) else None

"""Separated attribute predictability (Kumar, Sattigeri and Balakrishnan 2018, arXiv 1711.00848),
per dimension and per group.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vae_granularity.errors import ArgumentError
from vae_granularity.metrics.core import classifiers, factor_matrix, inactive
from vae_granularity.metrics.core.inputs import (
    Array,
    Codes,
    FactorKinds,
    LabelledSample,
    labelled_sample,
    mean_ranks,
    unit_sets,
)
from vae_granularity.metrics.core.result import MetricResult, Scores
from vae_granularity.partition import LatentPartition

SMALLEST_VARIANCE = 1e-12


@dataclass(frozen=True, eq=False, kw_only=True)
class SAPResult(MetricResult):
    score_names = ("sap", "sap_group")
    score_matrix: Array  # (D, F) test accuracy, or squared correlation
    score_matrix_group: Array | None  # (G, F)


def sap(
    latents: Any,
    factors: Any,
    *,
    test: tuple[Any, Any] | None = None,
    continuous_factors: bool = False,
    partition: LatentPartition | None = None,
    factor_kinds: FactorKinds = None,
) -> SAPResult:
    """Mean over factors of the best unit's predictive score minus the second best's.

    Discrete factors: test accuracy of a linear SVM (squared hinge, C = 0.01, balanced class
    weights) on the raw unit. Continuous factors: the squared (multiple) correlation R² of factor
    and unit on the training part, both by rank, so that a monotone map of either changes nothing; 0
    for latents of variance <= 1e-12.

    Args:
        latents: (n, D); factors: (n, F) numbers.
        test: (latents (m, D), factors (m, F)); needed for discrete factors.
        continuous_factors: the published form for continuous factors, R² of the values themselves,
            for all factors.
        partition: adds `sap_group`, the same with all dimensions of a group as input.
        factor_kinds: one kind for all factors or one each, see `core.inputs.FACTOR_KINDS`.

    Raises:
        ArgumentError: bad tables or partition, or no test part for discrete factors.
    """
    sample = labelled_sample(latents, factors, test, factor_kinds=factor_kinds)
    regressed = sample.continuous | continuous_factors
    if test is None and not regressed.all():
        raise ArgumentError("test must be a pair (latents, factors) for discrete factors, got None")
    if continuous_factors:
        targets = sample.values
        inputs = sample.latents
    else:
        targets = _ranks(sample.values)
        inputs = _ranks(sample.latents)
    scores: Scores = {}
    matrices: dict[str, Array] = {}
    unconverged = 0
    for suffix, groups in unit_sets(partition, sample.latents.shape[1]).items():
        matrix, failed = _accuracies(sample, groups, np.flatnonzero(~regressed))
        live = inactive.active_groups(groups, sample.latents.var(0) > SMALLEST_VARIANCE)
        matrix[:, regressed] = _squared_correlations(inputs, targets[:, regressed], live)
        matrices[suffix] = matrix
        scores[f"sap{suffix}"] = factor_matrix.mean_gap(matrix)
        unconverged += failed
    protocol = sample.protocol("regressed") | {"continuous_factors": continuous_factors}
    if not regressed.all():
        protocol["classifier"] = classifiers.version("LinearSVC(C=0.01)")
        protocol["found"] = {"unconverged_fits": unconverged}
    return SAPResult(
        scores=scores,
        protocol=protocol,
        score_matrix=matrices[""],
        score_matrix_group=matrices.get("_group"),
    )


def _ranks(table: Array) -> Array:
    return np.column_stack([mean_ranks(column, column) for column in table.T])


def _squared_correlations(inputs: Array, targets: Array, groups: Sequence[Sequence[int]]) -> Array:
    """Return R² (G, C) of targets (n, C) by the dimensions of each group; 0 without one."""
    matrix = np.zeros((len(groups), targets.shape[1]))
    for g, dims in enumerate(map(list, groups)):
        if dims:
            matrix[g] = factor_matrix.explained_variance(inputs[:, dims], targets)
    return matrix


def _accuracies(
    sample: LabelledSample, groups: Sequence[Sequence[int]], columns: Codes
) -> tuple[Array, int]:
    """Return test accuracies (G, F) of the factors in these columns, 0 of others, and how many fits
    did not converge.
    """
    from sklearn.svm import LinearSVC

    matrix = np.zeros((len(groups), sample.factors.shape[1]))
    unconverged = 0
    for g, group in enumerate(map(list, groups)):
        for f in columns:
            model = LinearSVC(C=0.01, class_weight="balanced", dual="auto", random_state=0)
            y = sample.factors[:, f]
            unconverged += not classifiers.fitted(model, sample.latents[:, group], y)
            matrix[g, f] = model.score(sample.test_latents[:, group], sample.test_factors[:, f])
    return matrix, unconverged

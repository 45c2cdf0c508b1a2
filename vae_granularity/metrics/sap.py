"""Separated attribute predictability (Kumar, Sattigeri and Balakrishnan 2018, arXiv 1711.00848),
per dimension and per group.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vae_granularity.errors import ArgumentError
from vae_granularity.metrics.core import classifiers, factor_matrix
from vae_granularity.metrics.core.inputs import Array, LabelledSample, labelled_sample, unit_sets
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
) -> SAPResult:
    """Mean over factors of the best unit's predictive score minus the second best's.

    Discrete factors: test accuracy of a linear SVM (squared hinge, C = 0.01, balanced class
    weights) on the raw unit. Continuous
    factors: the squared (multiple) correlation R² of factor and unit on the training part; 0 for
    latents of variance <= 1e-12.

    Args:
        latents: (n, D); factors: (n, F) integers.
        test: (latents (m, D), factors (m, F)); needed for discrete factors.
        partition: adds `sap_group`, the same with all dimensions of a group as input.

    Raises:
        ArgumentError: bad tables or partition, or no test part for discrete factors.
    """
    if test is None and not continuous_factors:
        raise ArgumentError("test must be a pair (latents, factors) for discrete factors, got None")
    sample = labelled_sample(latents, factors, test)
    score = _squared_correlations if continuous_factors else _accuracies
    scores: Scores = {}
    matrices, unconverged = {}, 0
    for suffix, groups in unit_sets(partition, sample.latents.shape[1]).items():
        matrices[suffix], failed = score(sample, groups)
        scores[f"sap{suffix}"] = factor_matrix.mean_gap(matrices[suffix])
        unconverged += failed
    protocol = sample.protocol() | {"continuous_factors": continuous_factors}
    if not continuous_factors:
        protocol["classifier"] = classifiers.version("LinearSVC(C=0.01)")
        protocol["found"] = {"unconverged_fits": unconverged}
    return SAPResult(
        scores=scores,
        protocol=protocol,
        score_matrix=matrices[""],
        score_matrix_group=matrices.get("_group"),
    )


def _squared_correlations(
    sample: LabelledSample, groups: Sequence[Sequence[int]]
) -> tuple[Array, int]:
    y = sample.factors - sample.factors.mean(0)
    total = np.sum(y**2, axis=0)
    z = sample.latents - sample.latents.mean(0)
    z /= np.maximum(np.abs(z).max(0), np.finfo(float).tiny)  # R² knows no scale, tolerances do
    matrix = np.zeros((len(groups), y.shape[1]))
    for g, group in enumerate(groups):
        dims = [d for d in group if np.var(sample.latents[:, d]) > SMALLEST_VARIANCE]
        if dims:
            matrix[g] = np.sum((factor_matrix.basis(z[:, dims]).T @ y) ** 2, axis=0) / total
    return matrix, 0


def _accuracies(sample: LabelledSample, groups: Sequence[Sequence[int]]) -> tuple[Array, int]:
    from sklearn.svm import LinearSVC

    matrix, unconverged = np.zeros((len(groups), sample.factors.shape[1])), 0
    for g, group in enumerate(map(list, groups)):
        for f, y in enumerate(sample.factors.T):
            model = LinearSVC(C=0.01, class_weight="balanced", dual="auto", random_state=0)
            unconverged += not classifiers.fitted(model, sample.latents[:, group], y)
            matrix[g, f] = model.score(sample.test_latents[:, group], sample.test_factors[:, f])
    return matrix, unconverged

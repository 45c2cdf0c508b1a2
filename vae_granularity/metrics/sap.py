"""Separated attribute predictability (Kumar, Sattigeri and Balakrishnan 2018, arXiv 1711.00848),
per dimension and per group.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vae_granularity.metrics.core import factor_matrix
from vae_granularity.metrics.core.inputs import Array, LabelledSample, groups_of, labelled_sample
from vae_granularity.metrics.core.result import MetricResult, Scores
from vae_granularity.metrics.core.table_metric import TableMetric
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
        from vae_granularity.errors import ArgumentError

        raise ArgumentError("test must be a pair (latents, factors) for discrete factors, got None")
    sample = labelled_sample(latents, factors, test)
    dim = sample.latents.shape[1]
    groups = groups_of(partition, dim)
    score = _squared_correlations if continuous_factors else _accuracies
    protocol = sample.protocol() | {"continuous_factors": continuous_factors}
    matrix, unconverged = score(sample, groups_of(None, dim))
    scores: Scores = {"sap": factor_matrix.mean_gap(matrix)}
    matrix_group = None
    if partition is not None:
        matrix_group, more = score(sample, groups)
        unconverged += more
        scores["sap_group"] = factor_matrix.mean_gap(matrix_group)
    if not continuous_factors:
        import sklearn

        protocol |= {
            "classifier": f"scikit-learn {sklearn.__version__} LinearSVC(C=0.01)",
            "found": {"unconverged_fits": unconverged},
        }
    return SAPResult(
        scores=scores, protocol=protocol, score_matrix=matrix, score_matrix_group=matrix_group
    )


def _squared_correlations(
    sample: LabelledSample, groups: Sequence[Sequence[int]]
) -> tuple[Array, int]:
    y = sample.factors - sample.factors.mean(0)
    total = np.sum(y**2, axis=0)
    z = sample.latents - sample.latents.mean(0)
    z = z[:, :] / np.maximum(
        np.abs(z).max(0), np.finfo(float).tiny
    )  # R² knows no scale, rank tolerances do
    matrix = np.zeros((len(groups), y.shape[1]))
    for g, group in enumerate(groups):
        dims = [d for d in group if np.var(sample.latents[:, d]) > SMALLEST_VARIANCE]
        if dims:
            basis, sizes, _ = np.linalg.svd(z[:, dims], full_matrices=False)
            basis = basis[:, sizes > 1e-10 * sizes[0]]
            matrix[g] = np.sum((basis.T @ y) ** 2, axis=0) / total
    return matrix, 0


def _accuracies(sample: LabelledSample, groups: Sequence[Sequence[int]]) -> tuple[Array, int]:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.svm import LinearSVC

    matrix = np.zeros((len(groups), sample.factors.shape[1]))
    with warnings.catch_warnings(record=True) as caught:
        # An unconverged fit is part of the published protocol; it is counted there instead.
        warnings.simplefilter("always", ConvergenceWarning)
        for g, group in enumerate(groups):
            train, held_out = sample.latents[:, list(group)], sample.test_latents[:, list(group)]
            for f, y in enumerate(sample.factors.T):
                model = LinearSVC(C=0.01, class_weight="balanced", dual="auto", random_state=0)
                matrix[g, f] = model.fit(train, y).score(held_out, sample.test_factors[:, f])
    return matrix, sum(issubclass(w.category, ConvergenceWarning) for w in caught)


class SAP(TableMetric):
    """`sap` over collected batches."""

    function = staticmethod(sap)

"""Disentanglement, completeness and informativeness (Eastwood and Williams 2018) from importances
of gradient-boosted trees.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from vae_granularity.errors import ArgumentError, integer
from vae_granularity.metrics.core import classifiers
from vae_granularity.metrics.core.inputs import Array, FactorKinds, groups_of, labelled_sample
from vae_granularity.metrics.core.result import MetricResult, Scores
from vae_granularity.partition import LatentPartition


@dataclass(frozen=True, eq=False, kw_only=True)
class DCIResult(MetricResult):
    score_names = ("dci_*",)
    importance_matrix: Array  # (D, F); columns sum to 1, or are 0 where no latent tells anything
    importance_matrix_group: Array | None  # (G, F)
    informativeness_train: Array  # (F,) accuracies, R² of continuous factors
    informativeness_test: Array  # (F,)
    disentanglement_per_code: Array  # (D,)
    completeness_per_factor: Array  # (F,)
    prefix: str  # of the scores: `dci`, or `dci_fast`

    def rescore(self, partition: LatentPartition) -> Scores:
        return group_scores(self.importance_matrix, partition, self.prefix)


def dci(
    latents: Any,
    factors: Any,
    *,
    test: tuple[Any, Any],
    regressor: str = "sklearn",
    seed: int = 0,
    partition: LatentPartition | None = None,
    n_jobs: int | None = None,
    factor_kinds: FactorKinds = None,
) -> DCIResult:
    """Disentanglement (does a latent serve one factor?), completeness (is a factor served by one
    latent?), test accuracy.

    Of continuous factors the trees are regressions on ranks, and R² on the test part, from 0,
    stands in place of the accuracy; a monotone map of the labels changes nothing.

    Args:
        latents: (n, D). Dead ones stay in: they have no importance, but completeness keeps its base
            D.
        factors: (n, F) numbers.
        test: (latents (m, D), factors (m, F)).
        regressor: `sklearn`: GradientBoostingClassifier with its defaults, the published one
            (minutes at 10 000 points); `lightgbm`: much faster, other numbers, hence other names:
            `dci_fast_…`. Needs the extra `fast`.
        partition: adds `…_disentanglement_group` and `…_completeness_group` from the importances
            summed over each group.
        n_jobs: processes, one factor each; None for as many as there are factors and cores. The
            scores do not depend on it.
        factor_kinds: one kind for all factors or one each, see `core.inputs.FACTOR_KINDS`.

    Raises:
        ArgumentError: bad tables, partition, regressor, seed or n_jobs; lightgbm is not installed.
    """
    fast, seed = classifiers.check_trees(regressor, seed)
    if n_jobs is not None:
        n_jobs = integer("n_jobs", n_jobs, 1)
    if test is None:
        raise ArgumentError("test must be a pair (latents, factors), got None")
    sample = labelled_sample(latents, factors, test, factor_kinds=factor_kinds)
    groups_of(partition, sample.latents.shape[1])  # refused before the trees are grown
    importances, train, held_out = classifiers.importances(regressor, sample, seed, n_jobs)
    scores = _two_scores(importances, f"dci{fast}")
    scores[f"dci{fast}_informativeness"] = float(held_out.mean())
    by_group = None
    if partition is not None:
        by_group = importance_by_group(importances, partition)
        scores |= _two_scores(by_group, f"dci{fast}", "_group")
    return DCIResult(
        scores=scores,
        protocol=sample.protocol("regressed")
        | {"regressor": classifiers.version(regressor), "seed": seed},
        importance_matrix=importances,
        importance_matrix_group=by_group,
        informativeness_train=train,
        informativeness_test=held_out,
        disentanglement_per_code=per_row(importances),
        completeness_per_factor=per_row(importances.T),
        prefix=f"dci{fast}",
    )


def importance_by_group(importances: Array, partition: LatentPartition) -> Array:
    """Importances summed over the dimensions of each group: (D, F) to (G, F)."""
    return np.stack([importances[list(group)].sum(0) for group in partition.groups])


def group_scores(importances: Array, partition: LatentPartition, prefix: str = "dci") -> Scores:
    """Disentanglement and completeness of groups from importances (D, F) that were fitted once:
    cheap for any number of partitions.
    """
    return _two_scores(importance_by_group(importances, partition), prefix, "_group")


def _two_scores(table: Array, prefix: str, suffix: str = "") -> Scores:
    return {
        f"{prefix}_disentanglement{suffix}": disentanglement(table),
        f"{prefix}_completeness{suffix}": disentanglement(table.T),
    }


def per_row(importances: Array) -> Array:
    """1 - entropy of each row in base C: (R, C) to (R,); nan with a single column, whose base is
    1.
    """
    if importances.shape[1] < 2:
        return np.full(len(importances), np.nan)
    # 1e-11 as in disentanglement_lib: a row without importance scores 0 and has no weight.
    p = importances + 1e-11
    p = p / p.sum(1, keepdims=True)
    return 1 + np.sum(p * np.log(p), axis=1) / np.log(importances.shape[1])


def disentanglement(importances: Array) -> float | None:
    """Mean of `per_row` weighted by importance; completeness is that of the transpose. None where
    undefined: one column, or all zero.
    """
    total = importances.sum()
    if importances.shape[1] < 2 or total == 0:
        return None
    return float(np.sum(per_row(importances) * importances.sum(1)) / total)

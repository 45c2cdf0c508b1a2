"""How far the latents or groups of several codes agree: correlations, and one number from them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vae_granularity.metrics.core.inputs import Array

LASSO_ALPHA = 0.1


def ranks(table: Array) -> Array:
    """Ranks of each column of a table (n, D), of mean 0."""
    from scipy.stats import rankdata

    order = rankdata(table, axis=0)
    return order - order.mean(0)


def standardized(table: Array, active: NDArray[np.bool_]) -> Array:
    """Columns (n, D) of mean 0 and deviation 1; 0 where not active."""
    result = np.zeros_like(table)
    result[:, active] = (table[:, active] - table[:, active].mean(0)) / table[:, active].std(0)
    return result


def canonical(
    ranks: list[Array], active: NDArray[np.bool_], groups: Sequence[Sequence[Sequence[int]]]
) -> Array:
    """Largest canonical correlation of every group of a model with every group of another, of
    single dimensions |Spearman's rho|; groups are given for each model.
    """
    bases = [
        [_basis(table[:, [d for d in group if on[d]]]) for group in of]
        for table, on, of in zip(ranks, active, groups, strict=True)
    ]
    joined = [np.hstack(of) for of in bases]
    ends = [np.cumsum([basis.shape[1] for basis in of])[:-1] for of in bases]
    result = np.zeros((len(ranks), len(ranks), len(groups[0]), len(groups[0])))
    for i, first in enumerate(joined):
        for j, second in enumerate(joined):
            for a, rows in enumerate(np.split(first.T @ second, ends[i])):
                for b, block in enumerate(np.split(rows, ends[j], axis=1)):
                    if block.size:
                        result[i, j, a, b] = min(1.0, float(np.linalg.norm(block, 2)))
    return result


def _basis(columns: Array) -> Array:
    if not columns.shape[1]:
        return columns
    basis, sizes, _ = np.linalg.svd(columns, full_matrices=False)
    return basis[:, sizes > 1e-10 * sizes[0]]


def lasso(
    tables: list[Array], active: NDArray[np.bool_], groups: Sequence[Sequence[Sequence[int]]]
) -> Array:
    """|coefficients| of predicting each latent of the second model from all of the first, (models,
    models, D, D).
    """
    from sklearn.linear_model import Lasso

    dim = len(groups[0])
    result = np.zeros((len(tables), len(tables), dim, dim))
    for i, first in enumerate(tables):
        for j, second in enumerate(tables):
            result[i, j] = np.abs(
                Lasso(alpha=LASSO_ALPHA).fit(first, second).coef_.reshape(dim, dim).T
            )
    return result


def agreement(raw: Array, active: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Pairwise agreement (models, models) and the median of each model with the others
    (models,).
    """
    models = len(raw)
    pairwise = np.array(
        [
            [_score(raw[i, j][np.ix_(active[i], active[j])]) for j in range(models)]
            for i in range(models)
        ]
    )
    others = ~np.eye(models, dtype=bool)
    return pairwise, np.array([np.median(pairwise[others[:, i], i]) for i in range(models)])


def _score(r: Array) -> float:
    if not r.size:
        return 0.0
    shares = [
        np.divide(
            r.max(axis) ** 2, r.sum(axis), out=np.zeros(r.shape[1 - axis]), where=r.sum(axis) > 0
        ).mean()
        for axis in (0, 1)
    ]
    return float(np.mean(shares))

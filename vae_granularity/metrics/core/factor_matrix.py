"""What scores read off a matrix of units by factors: the gap between the best two units, the
compactness of a row or a column.

A nan is an entry that could not be estimated: what is read off a matrix with one is missing.
"""

from __future__ import annotations

import numpy as np

from vae_granularity.metrics.core.inputs import Array


def gap(matrix: Array) -> Array | None:
    """Largest minus second largest entry of each column, (U, F) to (F,); None with a single unit,
    which has no second.
    """
    if len(matrix) < 2:
        return None
    top = np.sort(matrix, axis=0)
    return top[-1] - top[-2]


def mean_gap(matrix: Array, scale: Array | float = 1.0) -> float | None:
    """Mean over factors of the gap divided by `scale` (F,); None with a single unit, or a nan."""
    gaps = gap(matrix)
    return None if gaps is None or np.isnan(matrix).any() else float(np.mean(gaps / scale))


def mean_max_share(matrix: Array) -> float | None:
    """Mean over non-zero rows of the largest entry's share of the row, rescaled so that equal
    entries score 0 and one entry 1.

    (R, C) to a number; None where a nan, no row or a single column makes it undefined.
    """
    if np.isnan(matrix).any():
        return None
    rows = matrix[matrix.sum(1) > 0]
    columns = matrix.shape[1]
    if not len(rows) or columns < 2:
        return None
    return float((np.mean(rows.max(1) / rows.sum(1)) - 1 / columns) / (1 - 1 / columns))


def carriers(matrix: Array) -> float | None:
    """Number of units that carry a factor, that is, are the best unit of at least one factor with a
    non-zero entry: (U, F); None with a nan.
    """
    if np.isnan(matrix).any():
        return None
    return float(len(set(matrix.argmax(0)[matrix.max(0) > 0].tolist())))

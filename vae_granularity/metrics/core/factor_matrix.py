"""What scores read off a matrix of units by factors: gap, compactness, number of carriers.

A nan is an entry that could not be estimated: what is read off a matrix with one is missing.
"""

import numpy as np

from vae_granularity.metrics.core.inputs import Array


def basis(columns: Array) -> Array:
    """Orthonormal basis (n, r) of what columns (n, d) span, of rank r to a relative 1e-10."""
    if not columns.shape[1]:
        return columns
    directions, sizes, _ = np.linalg.svd(columns, full_matrices=False)
    return directions[:, sizes > 1e-10 * sizes[0]]


def explained_variance(columns: Array, y: Array) -> Array:
    """Return R² (F,), the share of the variance of y (n, F) that a linear fit on columns (n, d)
    explains.

    >>> line = np.arange(4.0)
    >>> explained_variance(line[:, None], np.stack((3 - line, line % 2), axis=1)).round(2).tolist()
    [1.0, 0.2]
    """
    centred = columns - columns.mean(0)
    # R² knows no scale, tolerances do.
    centred /= np.maximum(np.abs(centred).max(0), np.finfo(float).tiny)
    deviations = y - y.mean(0)
    explained = np.sum((basis(centred).T @ deviations) ** 2, axis=0)
    return explained / np.sum(deviations**2, axis=0)


def gap(matrix: Array) -> Array | None:
    """Largest minus second largest entry of each column, (U, F) to (F,); None with a single unit.

    >>> gap(np.array([[1.0, 0.5], [0.25, 0.5]])).tolist()
    [0.75, 0.0]
    """
    if len(matrix) < 2:
        return None
    top = np.sort(matrix, axis=0)
    return top[-1] - top[-2]


def gap_bounds(lower: Array, upper: Array) -> Array | None:
    """Return the least and the largest gap (2, F) that entries between two matrices (U, F) allow;
    None with a single unit.

    The best unit may be any whose upper bound reaches the others' lower ones, so a gap has wider
    bounds than the entries it is read off.

    >>> gap_bounds(np.array([[0.6], [0.1]]), np.array([[0.7], [0.3]])).ravel().round(2).tolist()
    [0.3, 0.6]
    """
    units = range(len(upper))
    if len(upper) < 2:
        return None
    least = [lower[u] - np.delete(upper, u, axis=0).max(0) for u in units]
    largest = [upper[u] - np.delete(lower, u, axis=0).max(0) for u in units]
    return np.stack((np.maximum(np.max(least, axis=0), 0.0), np.max(largest, axis=0)))


def mean_gap(matrix: Array, scale: Array | float = 1.0) -> float | None:
    """Mean over factors of the gap divided by `scale` (F,); None with a single unit, or a nan."""
    gaps = gap(matrix)
    return None if gaps is None or np.isnan(matrix).any() else float(np.mean(gaps / scale))


def mean_max_share(matrix: Array) -> float | None:
    """Mean over non-zero rows (R, C) of the largest entry's share: 0 for equal entries, 1 for one.

    None where a nan, no row or a single column makes it undefined.

    >>> mean_max_share(np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 0.0]]))
    0.5
    """
    if np.isnan(matrix).any():
        return None
    rows = matrix[matrix.sum(1) > 0]
    columns = matrix.shape[1]
    if not len(rows) or columns < 2:
        return None
    return float((np.mean(rows.max(1) / rows.sum(1)) - 1 / columns) / (1 - 1 / columns))


def weighted_max_share(matrix: Array) -> float | None:
    """Return `mean_max_share` with rows (R, C) weighted by their sums.

    A row that holds next to nothing says next to nothing, whatever it holds it of.

    >>> round(weighted_max_share(np.array([[0.5, 0.5], [0.0, 0.01]])) or 0.0, 4)
    0.0099
    """
    columns = matrix.shape[1]
    total = matrix.sum()
    if np.isnan(matrix).any() or total <= 0 or columns < 2:
        return None
    return float((matrix.max(1).sum() / total - 1 / columns) / (1 - 1 / columns))


def carriers(matrix: Array) -> float | None:
    """Number of units (U, F) that are the best of a factor with a non-zero entry; None with nan.

    >>> carriers(np.array([[1.0, 0.5, 0.0], [0.0, 0.25, 0.0]]))
    1.0
    """
    if np.isnan(matrix).any():
        return None
    return float(len(set(matrix.argmax(0)[matrix.max(0) > 0].tolist())))

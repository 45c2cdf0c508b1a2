"""k-nearest-neighbour mutual information between a vector of few dimensions and an integer factor.

Ross 2014 (PLoS ONE 9(2) e87357), the estimator of scikit-learn's `mutual_info_classif`, with the
maximum norm for vectors: I = ψ(n) + <ψ(k_i)> - <ψ(n_class(i))> - <ψ(m_i)>, m_i the points closer
than the k-th neighbour within the class of i, in nats.
"""

import numpy as np
from numpy.typing import NDArray

from vae_granularity.metrics.core import inactive
from vae_granularity.metrics.core.inputs import Array, Codes

FEW = 500  # rows up to which scipy counts as fast as scikit-learn, whose import takes longer


def standardize(latents: Array, other: Array | None = None) -> tuple[Array, NDArray[np.bool_]]:
    """Latents (n, D) of mean 0 and deviation 1, constant ones 0, and which ones are active (D,).

    Other latents (m, D) are returned instead, measured by these.
    """
    centre = latents.mean(0)
    centred = (latents if other is None else other) - centre
    spread = (latents - centre).std(0)
    alive = inactive.active(latents)
    return np.where(alive, centred / np.where(alive, spread, 1.0), 0.0), alive


def mutual_information(x: Array, codes: Codes, num_neighbors: int) -> float:
    """Mutual information in nats of x (n, d) and codes (n,) from 0, each occurring twice or more.

    >>> round(mutual_information(np.array([[0.0], [0.1], [5.0], [5.1]]), np.arange(4) // 2, 1), 2)
    0.83
    """
    from scipy.special import digamma

    n = len(x)
    counts = np.bincount(codes)[codes]
    neighbors = np.minimum(num_neighbors, counts - 1)
    radius = np.empty(n)
    distance_to_kth = _kth_distance_line if x.shape[1] == 1 else _kth_distance
    for value in np.unique(codes):
        members = codes == value
        radius[members] = distance_to_kth(x[members], min(num_neighbors, int(members.sum()) - 1))
    closer = _count_closer_line(x[:, 0], radius) if x.shape[1] == 1 else _count_closer(x, radius)
    value = digamma(n) + np.mean(digamma(neighbors)) - np.mean(digamma(counts))
    value -= np.mean(digamma(closer))
    return max(0.0, float(value))


def _kth_distance(x: Array, k: int) -> Array:
    from scipy.spatial import KDTree

    return KDTree(x).query(x, k=k + 1, p=np.inf)[0][:, k]


def _count_closer(x: Array, radius: Array) -> Codes:
    if len(x) <= FEW:
        from scipy.spatial import KDTree

        return KDTree(x).query_ball_point(x, np.nextafter(radius, 0), p=np.inf, return_length=True)
    # It counts whole branches, scipy's visits each point: three times as fast here.
    from sklearn.neighbors import KDTree

    tree = KDTree(x, metric="chebyshev", leaf_size=15)
    return tree.query_radius(x, np.nextafter(radius, 0), count_only=True)


def _kth_distance_line(x: Array, k: int) -> Array:
    """The k nearest on a line: the best of the k + 1 sorted windows that hold the point."""
    order = np.argsort(x[:, 0])
    line = x[order, 0]
    padded = np.concatenate((np.full(k, -np.inf), line, np.full(k, np.inf)))
    n = len(line)
    windows = (
        np.maximum(line - padded[k - j : k - j + n], padded[2 * k - j : 2 * k - j + n] - line)
        for j in range(k + 1)
    )
    result = np.empty(n)
    result[order] = np.minimum.reduce(list(windows))
    return result


def _count_closer_line(x: Array, radius: Array) -> Codes:
    """Points at a distance below the radius, the point itself included."""
    line = np.sort(x)
    last = len(line) - 1
    low = np.searchsorted(line, x - radius, side="right")
    high = np.searchsorted(line, x + radius, side="left") - 1
    # x ± radius is rounded; the k-th neighbour lies exactly on the border and must stay outside, as
    # its own difference says.
    low = low + (x - line[np.minimum(low, last)] >= radius)
    high = high - (line[np.maximum(high, 0)] - x >= radius)
    low = low - ((low > 0) & (x - line[np.maximum(low - 1, 0)] < radius))
    high = high + ((high < last) & (line[np.minimum(high + 1, last)] - x < radius))
    return high - low + 1

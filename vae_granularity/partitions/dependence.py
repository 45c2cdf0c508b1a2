"""Find groups of latent dimensions: the partition that gathers most dependence."""

from itertools import chain

import numpy as np

from vae_granularity.metrics.core.histogram import discretize, mutual_information
from vae_granularity.partition import LatentPartition


def pairwise_mutual_information(z: np.ndarray, num_bins: int = 12) -> np.ndarray:
    """Estimate the mutual information of each pair of columns of z (n, D), in nats.

    Returns a symmetric matrix (D, D) with a diagonal of 0.

    Histograms of equal counts, so that it depends on ranks alone, less their bias under
    independence, (bins - 1)²/2n (Miller 1955).
    """
    bins = discretize(z.astype(np.float64), num_bins, "quantile")
    mi = mutual_information(bins, bins)
    mi = np.maximum(0.0, (mi + mi.T) / 2 - (num_bins - 1) ** 2 / (2 * len(z)))
    np.fill_diagonal(mi, 0.0)
    return mi


def equal_groups(
    mi: np.ndarray, current: LatentPartition, tolerance: float = 0.01
) -> LatentPartition:
    """Return the partition that holds most pairwise dependence mi (D, D) inside its groups.

    The groups have the sizes of those of `current`. Searched by exchanging the best pair of
    dimensions until none gains, once from `current` and once from a greedy start; `current` stays
    unless something is better by more than `tolerance`, so that an estimate without structure does
    not shuffle the dimensions.
    """
    candidates = [_exchange(mi, _owners(current)), _exchange(mi, _greedy(mi, current.sizes))]
    best = max(candidates, key=lambda owner: _inside(mi, owner))
    gain = _inside(mi, best) - _inside(mi, _owners(current))
    return _canonical(best) if gain > tolerance else current


def free_groups(mi: np.ndarray, threshold: float) -> LatentPartition:
    """Join groups while their mean pairwise mutual information mi (D, D) is above `threshold`.

    Agglomerative clustering with average linkage.

    >>> free_groups(np.array([[0.0, 0.0, 0.7], [0.0, 0.0, 0.0], [0.7, 0.0, 0.0]]), 0.05).groups
    ((0, 2), (1,))
    """
    owner = np.arange(len(mi))
    while owner.max() > 0:
        share = np.eye(owner.max() + 1)[owner]
        share /= share.sum(0)
        linkage = np.triu(share.T @ mi @ share, 1) - np.tri(share.shape[1])
        i, j = np.unravel_index(linkage.argmax(), linkage.shape)
        if linkage[i, j] <= threshold:
            break
        owner[owner == j] = i
        owner[owner > j] -= 1
    return _canonical(owner)


def _owners(partition: LatentPartition) -> np.ndarray:
    """Return the number of each dimension's group, (D,)."""
    dims = list(chain.from_iterable(partition.groups))
    return np.repeat(np.arange(partition.num_groups), partition.sizes)[np.argsort(dims)]


def _inside(mi: np.ndarray, owner: np.ndarray) -> float:
    return float(mi[owner[:, None] == owner[None, :]].sum() / 2)


def _greedy(mi: np.ndarray, sizes: tuple[int, ...]) -> np.ndarray:
    """Build groups from the strongest free pair, each filled with what depends most on it."""
    owner = np.full(len(mi), -1)
    for g in sorted(range(len(sizes)), key=lambda g: -sizes[g]):
        free = np.flatnonzero(owner < 0)
        strongest = mi[np.ix_(free, free)].max(1).argmax()
        owner[free[strongest]] = g
        while (owner == g).sum() < sizes[g]:
            free = np.flatnonzero(owner < 0)
            members = np.flatnonzero(owner == g)
            owner[free[mi[np.ix_(free, members)].sum(1).argmax()]] = g
    return owner


def _exchange(mi: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """Exchange the two dimensions that gain most until none gains.

    The dependence inside groups rises with every exchange and is bounded, so this ends.
    """
    owner = owner.copy()
    while True:
        onehot = np.eye(owner.max() + 1)[owner]  # (D, G)
        to_group = mi @ onehot  # (D, G) dependence of each dimension on each group
        to_own = to_group[np.arange(len(mi)), owner]
        to_other = to_group[:, owner]  # (D, D): of dimension i on the group of j
        gain = to_other + to_other.T - to_own[:, None] - to_own[None, :] - 2 * mi
        gain[owner[:, None] == owner[None, :]] = 0.0
        i, j = np.unravel_index(gain.argmax(), gain.shape)
        if gain[i, j] <= 1e-12:
            return owner
        owner[[i, j]] = owner[[j, i]]


def _canonical(owner: np.ndarray) -> LatentPartition:
    """Return the partition with its groups in the order of their first dimension."""
    groups = (tuple(np.flatnonzero(owner == g).tolist()) for g in np.unique(owner))
    return LatentPartition(tuple(sorted(groups)))

"""Mutual information between units of latents (a dimension, or a group of up to ten) and factors,
from rows.

k-NN on a group's joint vector loses what one of its dimensions holds among others that hold
nothing: shares of 0.98, 0.44, 0.23, 0.12, 0.06 at γ = 1, 2, 3, 5, 10. A group is therefore
projected first.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vae_granularity.metrics.core import histogram
from vae_granularity.metrics.core.discriminants import readings
from vae_granularity.metrics.core.inputs import Array, Codes, TooLittleData
from vae_granularity.metrics.core.knn import mutual_information, standardize

ROWS_PER_VALUE = 20  # below, discriminants are learned from fewer than ten rows a value
NUM_AXES = 2  # discriminants that nearest neighbours see at once
NULL_DRAWS = 2  # factors dealt at random, behind the correction of a search

# (factor, dimensions) to nats; (factor, size of a group) to what is found where nothing is
Known = dict[tuple[int, tuple[int, ...] | int], float]


def mutual_information_matrix(
    latents: Array,
    groups: Sequence[Sequence[int]],
    factors: Codes,
    *,
    num_neighbors: int = 10,
    seed: int = 0,
    known: Known | None = None,
) -> Array:
    """Mutual information in nats of every unit and factor: latents (n, D), groups of dimensions,
    factors (n, F) to (G, F).

    One dimension: k-NN (Ross 2014). More: the largest of lower bounds, see `_of_group`; nan where a
    factor has fewer than 20 rows a value. Dimensions are standardised; dead ones are left out of
    their unit, a unit of dead ones has 0. Noise of relative size 1e-10 breaks ties, drawn anew for
    every factor and dimension in the order of scikit-learn calls under numpy's global seed; it does
    not depend on the groups.

    Args:
        known: what earlier calls on the same rows found, by factor and dimensions; filled here.

    Raises:
        TooLittleData: a factor has no value that occurs twice.
    """
    z, alive = standardize(latents)
    rng = np.random.RandomState(seed)
    matrix = np.zeros((len(groups), factors.shape[1]))
    known = {} if known is None else known
    live = [tuple(d for d in group if alive[d]) for group in groups]
    for f, factor in enumerate(factors.T):
        distinct = z + 1e-10 * rng.standard_normal(z.T.shape).T
        codes = np.unique(factor, return_inverse=True)[1]
        repeated = np.bincount(codes)[codes] > 1
        if not repeated.any():
            raise TooLittleData(
                f"factors column {f} must have a value that occurs twice for k-NN mutual information, got {len(codes)} values"
            )
        x, codes = distinct[repeated], np.unique(codes[repeated], return_inverse=True)[1]
        for g, dims in enumerate(live):
            if dims and (f, dims) not in known:
                known[f, dims] = _of_unit(x, dims, codes, num_neighbors, seed, known, f)
            matrix[g, f] = known[f, dims] if dims else 0.0
    return matrix


def missing(matrix: Array | None) -> dict[str, str]:
    """Why entries of a matrix of groups are missing, for a protocol; nothing where none is."""
    if matrix is None or not np.isnan(matrix).any():
        return {}
    return {"missing": f"groups need {ROWS_PER_VALUE} rows for each value of a factor"}


def _of_unit(
    x: Array,
    dims: tuple[int, ...],
    codes: Codes,
    num_neighbors: int,
    seed: int,
    known: Known,
    f: int,
) -> float:
    """A dimension as it is; a group less what the same search finds in a factor dealt at random."""
    if len(dims) == 1:
        return mutual_information(x[:, list(dims)], codes, num_neighbors)
    if len(codes) < ROWS_PER_VALUE * (codes.max() + 1):
        return np.nan
    for d in dims:
        if (f, (d,)) not in known:
            known[f, (d,)] = mutual_information(x[:, [d]], codes, num_neighbors)
    group = x[:, list(dims)]
    if (f, len(dims)) not in known:  # it depends on the size alone, not on what the group holds
        rng = np.random.default_rng(seed)
        dealt = (rng.permutation(codes) for _ in range(NULL_DRAWS))
        known[f, len(dims)] = float(
            np.mean(
                [
                    max(
                        _of_group(group, null, num_neighbors, seed),
                        *(
                            mutual_information(group[:, [i]], null, num_neighbors)
                            for i in range(len(dims))
                        ),
                    )
                    for null in dealt
                ]
            )
        )
    best = max(_of_group(group, codes, num_neighbors, seed), *(known[f, (d,)] for d in dims))
    return max(0.0, best - known[f, len(dims)])


def _of_group(x: Array, codes: Codes, num_neighbors: int, seed: int) -> float:
    """The largest of several estimates that err downwards: x (n, d > 1), codes (n,) from 0.

    A pair's joint vector; one and two quadratic discriminants, learned on half of the rows, under
    nearest neighbours on the other; the entropy less the held-out log-loss of a Gaussian classifier
    in all linear discriminants, which sees values spread over many dimensions.
    """
    found = [mutual_information(x, codes, num_neighbors)] if x.shape[1] == 2 else []
    linear = readings(x, codes, seed, products=False)
    found.append(
        float(histogram.entropies(codes[:, None])[0] - np.mean([r.log_loss for r in linear]))
    )
    quadratic = list(readings(x, codes, seed, products=True))
    for axes in range(1, min(NUM_AXES, quadratic[0].axes.shape[1]) + 1):
        halves = [_repeated(reading.axes[:, :axes], reading.codes) for reading in quadratic]
        if all(len(part) for _, part in halves):
            found.append(np.mean([mutual_information(*half, num_neighbors) for half in halves]))
    return max(0.0, *map(float, found))


def _repeated(x: Array, codes: Codes) -> tuple[Array, Codes]:
    """The rows whose value occurs twice, values renumbered."""
    rows = np.bincount(codes)[codes] > 1
    return x[rows], np.unique(codes[rows], return_inverse=True)[1]

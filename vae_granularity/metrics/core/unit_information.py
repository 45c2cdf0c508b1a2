"""Mutual information between units of latents (a dimension, or a group of up to ten) and factors.

k-NN on a group's joint vector loses what one of its dimensions holds among others that hold
nothing: shares of 0.98, 0.44, 0.23, 0.12, 0.06 at γ = 1, 2, 3, 5, 10. A group is therefore
projected first, on discriminants: directions in which the values of a factor differ most, learned
on one half of the rows and read off the other.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from vae_granularity.errors import integer
from vae_granularity.metrics.core import histogram, inactive
from vae_granularity.metrics.core.inputs import (
    ROWS_PER_VALUE,
    Array,
    Codes,
    FactorKinds,
    LabelledSample,
    TooLittleData,
    labelled_sample,
)
from vae_granularity.metrics.core.knn import mutual_information, standardize

NUM_AXES = 2  # discriminants that nearest neighbours see at once
NULL_DRAWS = 2  # factors dealt at random, behind the correction of a search
RIDGE = 1e-3  # share of the mean variance inside a value that keeps its covariance invertible
ROWS_PER_PRODUCT = 4  # rows a feature from which products of dimensions are features too

# (factor, dimensions) to nats; (factor, size of a group) to what is found where nothing is
Known = dict[tuple[int, tuple[int, ...] | int], float]


def knn_sample(
    latents: Any, factors: Any, num_neighbors: int, kl: Any = None, factor_kinds: FactorKinds = None
) -> LabelledSample:
    """Return a checked sample of more rows than neighbours, latents 0 where inactive by kl (D,).

    Raises:
        ArgumentError: bad tables or kl; num_neighbors below 1.
        TooLittleData: too few rows, or no factor varies.
    """
    rows = integer("num_neighbors", num_neighbors, 1) + 1
    sample = labelled_sample(latents, factors, min_rows=rows, factor_kinds=factor_kinds)
    return replace(sample, latents=inactive.silenced(sample.latents, kl))


def mutual_information_matrix(
    sample: LabelledSample,
    groups: Sequence[Sequence[int]],
    num_neighbors: int = 10,
    seed: int = 0,
    known: Known | None = None,
) -> Array:
    """Mutual information in nats, (G, F), of every unit of latents and factor of a sample.

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
    z, alive = standardize(sample.latents)
    rng = np.random.RandomState(seed)
    matrix = np.zeros((len(groups), sample.factors.shape[1]))
    known = {} if known is None else known
    live = [tuple(dims) for dims in inactive.active_groups(groups, alive)]
    for f, factor in enumerate(sample.factors.T):
        distinct = z + 1e-10 * rng.standard_normal(z.T.shape).T
        codes = np.unique(factor, return_inverse=True)[1]
        x, repeated = _repeated(distinct, codes)
        if not len(x):
            raise TooLittleData(
                f"factors column {f} must have a value that occurs twice for k-NN mutual"
                f" information, got {len(codes)} values"
            )
        of_factor = _OfFactor(x, repeated, num_neighbors, seed, known, f)
        for g, dims in enumerate(live):
            if dims and (f, dims) not in known:
                known[f, dims] = of_factor.unit(dims)
            matrix[g, f] = known[f, dims] if dims else 0.0
    return matrix


def missing(matrix: Array | None) -> dict[str, str]:
    """Why entries of a matrix of groups are missing, for a protocol; nothing where none is.

    >>> missing(np.array([[0.5, np.nan]]))
    {'missing': 'groups need 20 rows for each value of a factor'}
    """
    if matrix is None or not np.isnan(matrix).any():
        return {}
    return {"missing": f"groups need {ROWS_PER_VALUE} rows for each value of a factor"}


class _OfFactor(NamedTuple):
    """Rows x (n, D) with codes (n,) of factor f, and what is known of all factors."""

    x: Array
    codes: Codes
    num_neighbors: int
    seed: int
    known: Known
    f: int

    def unit(self, dims: tuple[int, ...]) -> float:
        """A dimension as it is; a group less what the same search finds in random factors."""
        if len(dims) == 1:
            return self._line(dims[0], self.codes)
        if len(self.codes) < ROWS_PER_VALUE * (self.codes.max() + 1):
            return np.nan
        for d in dims:
            if (self.f, (d,)) not in self.known:
                self.known[self.f, (d,)] = self._line(d, self.codes)
        group, size = self.x[:, list(dims)], (self.f, len(dims))
        if size not in self.known:  # it depends on the size alone, not on what the group holds
            rng = np.random.default_rng(self.seed)
            nulls = (rng.permutation(self.codes) for _ in range(NULL_DRAWS))
            found = [max(self._group(group, n), *(self._line(d, n) for d in dims)) for n in nulls]
            self.known[size] = float(np.mean(found))
        alone = (self.known[self.f, (d,)] for d in dims)
        return max(0.0, max(self._group(group, self.codes), *alone) - self.known[size])

    def _line(self, d: int, codes: Codes) -> float:
        return mutual_information(self.x[:, [d]], codes, self.num_neighbors)

    def _group(self, x: Array, codes: Codes) -> float:
        """The largest of several estimates that err downwards: x (n, d > 1), codes (n,) from 0.

        A pair's joint vector; one and two quadratic discriminants, learned on half of the rows,
        under nearest neighbours on the other; the entropy less the held-out log-loss of a Gaussian
        classifier in all linear discriminants, which sees values spread over many dimensions.
        """
        k = self.num_neighbors
        found = [mutual_information(x, codes, k)] if x.shape[1] == 2 else []
        losses = [r.log_loss for r in _readings(x, codes, self.seed, products=False)]
        found.append(float(histogram.entropies(codes[:, None])[0] - np.mean(losses)))
        quadratic = list(_readings(x, codes, self.seed, products=True))
        for axes in range(1, min(NUM_AXES, quadratic[0].axes.shape[1]) + 1):
            halves = [_repeated(reading.axes[:, :axes], reading.codes) for reading in quadratic]
            if all(len(part) for _, part in halves):
                found.append(float(np.mean([mutual_information(*half, k) for half in halves])))
        return max(0.0, *found)


def _repeated(x: Array, codes: Codes) -> tuple[Array, Codes]:
    """The rows whose value occurs twice, values renumbered."""
    rows = np.bincount(codes)[codes] > 1
    return x[rows], np.unique(codes[rows], return_inverse=True)[1]


class _Reading(NamedTuple):
    """One half of the rows as the other half sees it."""

    axes: Array  # (m, r) coordinates along the discriminants, the most telling first
    codes: Codes  # (m,)
    log_loss: float  # nats, of a Gaussian classifier in these coordinates


def _readings(x: Array, codes: Codes, seed: int, *, products: bool) -> Iterator[_Reading]:
    """Each half of rows x (n, d), codes (n,) through Fisher's discriminants of the other.

    What is read off a held-out row cannot tell more of its value than the row does, so neither
    coordinates nor classifier gain information in expectation, whatever d. The halves are drawn
    within each value. With `products`, squares and products of dimensions are features beside them
    (where rows suffice): a radius, a spread, a sign that two dimensions share.
    """
    order = np.lexsort((np.random.default_rng(seed).random(len(codes)), codes))
    half = np.empty(len(codes), dtype=bool)
    half[order] = np.arange(len(codes)) % 2 == 0
    i, j = np.triu_indices(x.shape[1])
    if products and ROWS_PER_PRODUCT * (x.shape[1] + len(i)) <= len(x) // 2:
        x = np.hstack((x, x[:, i] * x[:, j]))
    for train in (half, ~half):
        yield _read(x[train], codes[train], x[~train], codes[~train])


def _read(x: Array, codes: Codes, other: Array, other_codes: Codes) -> _Reading:
    counts = np.bincount(codes, minlength=int(max(codes.max(), other_codes.max())) + 1)
    centre, spread = x.mean(0), x.std(0)
    spread[spread == 0] = 1.0
    x, other = (x - centre) / spread, (other - centre) / spread
    members = (codes[:, None] == np.arange(len(counts))).astype(np.float64)
    means = (members.T @ x) / np.maximum(counts, 1)[:, None]
    axes = _axes(x - means[codes], means * np.sqrt(counts / len(x))[:, None])
    axes = axes[:, : max(1, len(counts) - 1)]
    seen, centres = other @ axes, means @ axes
    distance = (seen**2).sum(1)[:, None] - 2 * seen @ centres.T + (centres**2).sum(1)
    # Half a row for a value that the half lacks, so that its log is finite.
    log_q = np.log(np.maximum(counts, 0.5) / len(x)) - distance / 2
    log_q -= np.logaddexp.reduce(log_q, axis=1, keepdims=True)
    loss = -float(log_q[np.arange(len(other_codes)), other_codes].mean())
    return _Reading(seen, other_codes, loss)


def _axes(inside: Array, between: Array) -> Array:
    """Directions (p, p) of largest variance between (K, p) over that inside (n, p) the values."""
    within = inside.T @ inside / len(inside)
    within += np.eye(len(within)) * max(RIDGE * np.trace(within) / len(within), 1e-12)
    whiten = np.linalg.inv(np.linalg.cholesky(within)).T
    return whiten @ np.linalg.eigh(whiten.T @ (between.T @ between) @ whiten)[1][:, ::-1]

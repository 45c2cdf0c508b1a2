"""Find the optimum for each value of the first parameter, and how far it moves with the seeds."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vae_granularity.analysis.points import Array, Surface

Path = NDArray[np.int64]

MIN_POINTS = 3
PERMUTATIONS = 499
MIN_SHIFT = 2  # places: neighbours of an optimum may be about as good
SWEEPS = 50  # of alternating least squares
CHUNK = 20  # draws at a time: what they need stays in the cache


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Optimum of each row of a surface, as a place on the grid of the second parameter."""

    surface: Surface
    rows: Path  # (k,) rows of the surface that have enough points; the others are left out
    best: Path  # (k,) place of the optimum among the m values of y
    low: Path  # (k,) first and
    high: Path  # (k,) last place of y that the row has
    draws: Path  # (R, k) the optimum under resampled seeds
    flat: Array  # (k,) chance of means as far from level as the row's if y changes nothing in it
    # (k,) whether the places beside the optimum have enough seeds, too: a place without runs is
    # not a bad one, and the optimum may lie there.
    enclosed: NDArray[np.bool_]
    # (k, m, S) larger is better, without seed effects, nan where a point has too few seeds
    values: Array

    @property
    def best_value(self) -> Array:
        """(k,) mean at the optimum."""
        return self.surface.mean[self.rows, self.best]

    @property
    def on_edge(self) -> NDArray[np.bool_]:
        """(k,) whether the optimum is the first or the last value that was tried."""
        return self._on_edge(self.best)

    def only(self, rows: NDArray[np.bool_]) -> Trajectory:
        """Return the same with some of its rows (k,) alone."""
        names = ("rows", "best", "low", "high", "flat", "enclosed", "values")
        chosen = {name: getattr(self, name)[rows] for name in names}
        return replace(self, **chosen, draws=self.draws[:, rows])

    @property
    def edge_share(self) -> float:
        """Share of the resamplings with more than half of the optima on the edge."""
        return float((self._on_edge(self.draws).sum(-1) > len(self.rows) / 2).mean())

    def _on_edge(self, paths: Path) -> NDArray[np.bool_]:
        return (paths == self.low) | (paths == self.high)

    def parallel_as_good(self, path: Path, chance: float = 0.05) -> int | None:
        """Return a shift of `path` (k,) by two places or more that seeds cannot tell from it, or
        None.

        Two equal peaks look like one optimum where all rows are trained with the same seeds: what
        a seed does at a place, it does in every row, and all rows pick the same peak. So the sums
        over rows are compared by a t test whose error comes from seeds as a whole (a seed's
        contributions to all rows are added before they are squared), with the degrees of freedom
        of the point with the fewest seeds. A shift counts where it stays on the grid, at points
        with enough seeds, in more than half of the rows.
        """
        from scipy.stats import t

        finite = np.isfinite(self.values)
        count = finite.sum(-1)
        divisor = np.maximum(count, 1)
        means = np.where(finite, self.values, 0.0).sum(-1) / divisor
        deviations = np.where(finite, self.values - means[..., None], 0.0)
        # Each seed's share of the error of a point's mean, scaled so that the squares add up to the
        # variance that the mean has.
        stretch = np.sqrt(count / np.maximum(count - 1, 1)) / divisor
        seed_errors = deviations * stretch[..., None]
        num_rows, num_places = count.shape
        rows = np.arange(num_rows)
        for shift in range(1 - num_places, num_places):
            if abs(shift) < MIN_SHIFT:
                continue
            inside = (path + shift >= 0) & (path + shift < num_places)
            other = np.clip(path + shift, 0, num_places - 1)
            measured = inside & (count[rows, path] > 1) & (count[rows, other] > 1)
            if measured.sum() <= num_rows / 2:
                continue
            points = (rows[measured], path[measured])
            shifted = (rows[measured], other[measured])
            ahead = float((means[points] - means[shifted]).sum())
            difference = (seed_errors[points] - seed_errors[shifted]).sum(0)
            error = float(np.sqrt((difference**2).sum()))
            free = int(min(count[points].min(), count[shifted].min())) - 1
            if ahead <= float(t.isf(chance / 2, free)) * error:
                return shift
        return None


def make_trajectory(
    surface: Surface,
    *,
    maximise: bool = True,
    min_seeds: int = 3,
    draws: int = 400,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> Trajectory:
    """Return the optimum of every row by the means over seeds, and under resamplings of the seeds.

    With it the chance that each row is no more than level. What a seed adds to all points alike
    (its split, its first weights) moves no optimum and is removed first.

    Points with fewer than `min_seeds` seeds cannot be resampled and are left out, then rows with
    fewer than `MIN_POINTS` points: they have no inside. Where such a point lies beside the optimum
    of a row, the row is not `enclosed`.
    """
    usable = surface.count >= min_seeds
    rows = np.flatnonzero(usable.sum(1) >= MIN_POINTS)
    sign = 1.0 if maximise else -1.0
    values = np.where(
        usable[rows, :, None], sign * without_seed_effects(surface.values)[rows], np.nan
    )
    usable = usable[rows]
    if not len(rows):
        no_places = np.zeros(0, dtype=np.int64)
        return Trajectory(
            surface,
            rows,
            best=no_places,
            low=no_places,
            high=no_places,
            draws=np.zeros((draws, 0), dtype=np.int64),
            flat=np.zeros(0),
            enclosed=np.zeros(0, dtype=np.bool_),
            values=values,
        )
    count = np.isfinite(values).sum(-1)
    means = np.where(usable, np.nansum(values, -1) / np.maximum(count, 1), -np.inf)
    best = means.argmax(1)
    columns = np.arange(usable.shape[1])
    rng = np.random.default_rng(seed)
    # Outside of the grid there is nothing to be measured.
    padded = np.pad(usable, ((0, 0), (1, 1)), constant_values=True)
    numbers = np.arange(len(rows))
    return Trajectory(
        surface,
        rows,
        best=best,
        low=usable.argmax(1),
        high=np.where(usable, columns, -1).max(1),
        draws=resampled_means(values, draws, rng).argmax(-1),
        flat=flatness(values, permutations, rng),
        enclosed=padded[numbers, best] & padded[numbers, best + 2],
        values=values,
    )


def without_seed_effects(values: Array) -> Array:
    """Return values (n, m, S) less the seed effects of the additive model point + seed.

    Fitted by least squares; nan stays nan.
    """
    finite = np.isfinite(values)
    filled = np.where(finite, values, 0.0)
    per_point = finite.sum(-1)
    per_seed = finite.sum((0, 1))
    effect = np.zeros(values.shape[-1])
    missing = (per_point[per_point > 0] < values.shape[-1]).any()
    # Alternating least squares; exact at once where nothing is missing.
    for _ in range(SWEEPS if missing else 1):
        point = ((filled - finite * effect).sum(-1)) / np.maximum(per_point, 1)
        effect = ((filled - finite * point[..., None]).sum((0, 1))) / np.maximum(per_seed, 1)
        effect -= effect.mean()
    return values - effect


def resampled_means(values: Array, draws: int, rng: np.random.Generator) -> Array:
    """Return means (R, n, m) over resampled seeds; -inf where a point has no values.

    Seeds are shared: a run of seed 3 at one point and one at another begin with the same weights
    and see the same batches. So a seed is drawn as a whole. Its deviations have two parts. The mean
    over rows (a profile over the places of y that the seed has in every row) is weighted by one
    number for the seed. The rest is weighted by one number for the seed and the row, in all places
    of the row alike. Weights are exponential, of mean 1 (Bayesian bootstrap, Rubin 1981): a point
    that only some seeds have shares the weights of those with all other points, and has no draw
    without a seed.

    Deviations are stretched by sqrt((S + 1) / (S - 1)): weights over S values spread their mean too
    little by that.

    Args:
        values: (n, m, S), nan where a seed is missing.
    """
    finite = np.isfinite(values)
    count = finite.sum(-1)
    divisor = np.maximum(count, 1)
    mean = np.where(finite, values, 0.0).sum(-1) / divisor
    deviations = np.where(finite, values - mean[..., None], 0.0)
    profiles = deviations.sum(0) / np.maximum(finite.sum(0), 1)  # (m, S)
    shared = np.where(finite, profiles, 0.0)
    # At a point without some of the seeds, the others spread around their own mean.
    shared = np.where(finite, shared - (shared.sum(-1) / divisor)[..., None], 0.0)
    weights = rng.exponential(size=(values.shape[-1], draws))
    weights_of_rows = rng.exponential(size=(len(values), values.shape[-1], draws))
    shifts = _weighted_means(shared, finite, weights)
    shifts += _weighted_means(deviations - shared, finite, weights_of_rows)
    stretch = np.sqrt((count + 1) / np.maximum(count - 1, 1))
    resampled = mean[..., None] + stretch[..., None] * shifts
    return np.where(count[..., None] > 0, resampled, -np.inf).transpose(2, 0, 1)


def _weighted_means(deviations: Array, finite: NDArray[np.bool_], weights: Array) -> Array:
    """Return means (n, m, R) of deviations (n, m, S), 0 where a seed is missing.

    Args:
        finite: (n, m, S) whether a point has a seed.
        weights: (S, R) or (n, S, R).
    """
    if finite.all():
        return deviations @ (weights / weights.sum(-2, keepdims=True))
    total = finite.astype(np.float64) @ weights
    return (deviations @ weights) / np.where(total > 0, total, 1.0)


def flatness(values: Array, permutations: int, rng: np.random.Generator) -> Array:
    """Return (n,) for each row the chance of means as far from level if y changes nothing in it.

    A permutation test: the values that a seed has in a row change places among themselves, so
    neither the noise's distribution nor what a seed adds to a row matters.

    Args:
        values: (n, m, S), nan where a seed is missing.
    """
    if not permutations:
        return np.ones(len(values))
    blocks = values.transpose(0, 2, 1)  # (n, S, m): what changes places lies together
    finite = np.isfinite(blocks)
    filled = np.where(finite, blocks, 0.0)
    per_block = np.maximum(finite.sum(-1), 1)
    per_point = np.maximum(finite.sum(-2), 1)
    filled -= np.where(finite, filled.sum(-1, keepdims=True) / per_block[..., None], 0.0)

    def squares_between_points(arranged: Array) -> Array:
        return (arranged.sum(-2) ** 2 / per_point).sum(-1)

    # Missing values keep their places: they are packed last, and put back after the others are
    # permuted.
    order = np.argsort(~finite, axis=-1, kind="stable")
    packed = np.take_along_axis(filled, order, -1)
    back = np.argsort(order, axis=-1)
    missing = np.where(np.take_along_axis(finite, order, -1), 0.0, 1.0)
    # Rounding must not make a permutation that changes nothing count as smaller.
    measured = squares_between_points(filled) * (1 - 1e-9)
    reached = np.ones(len(values))
    for start in range(0, permutations, CHUNK):
        shape = (min(CHUNK, permutations - start), *finite.shape)
        if missing.any():
            permuted = (rng.random(shape) + missing).argsort(-1)
            arranged = np.take_along_axis(np.broadcast_to(packed, shape), permuted, -1)
            arranged = np.take_along_axis(arranged, np.broadcast_to(back, shape), -1)
        else:
            arranged = rng.permuted(np.broadcast_to(filled, shape), axis=-1)
        reached += (squares_between_points(arranged) >= measured).sum(0)
    return reached / (permutations + 1)

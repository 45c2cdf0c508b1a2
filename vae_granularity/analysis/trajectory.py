"""Where the optimum lies for each value of the first parameter, and how much that moves with the
seeds that happened to be drawn.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vae_granularity.analysis.points import Array, Surface

Path = NDArray[np.int64]

MIN_POINTS = 3
PERMUTATIONS = 499
SWEEPS = 50  # of alternating least squares
CHUNK = 20  # draws at a time: what they need stays in the cache


@dataclass(frozen=True, eq=False)
class Trajectory:
    """The optimum of each row of a surface, as a place on the grid of the second parameter."""

    surface: Surface
    rows: Path  # (k,) rows of the surface that have enough points; the others are left out
    best: Path  # (k,) place of the optimum among the m values of y
    low: Path  # (k,) first and
    high: Path  # (k,) last place of y that the row has
    draws: Path  # (R, k) the optimum under resampled seeds
    flat: Array  # (k,) chance of means as far from level as the row's if y changes nothing in it

    @property
    def best_value(self) -> Array:
        """(k,) mean at the optimum."""
        return self.surface.mean[self.rows, self.best]

    @property
    def on_edge(self) -> NDArray[np.bool_]:
        """(k,) whether the optimum is the first or the last value that was tried."""
        return self._on_edge(self.best)

    def only(self, rows: NDArray[np.bool_]) -> Trajectory:
        """The same with some of its rows (k,) alone."""
        of_rows = ("rows", "best", "low", "high", "flat")
        kept = {name: getattr(self, name)[rows] for name in of_rows}
        return replace(self, **kept, draws=self.draws[:, rows])

    @property
    def edge_share(self) -> float:
        """Share of the resamplings with more than half of the optima on the edge."""
        return float((self._on_edge(self.draws).sum(-1) > len(self.rows) / 2).mean())

    def _on_edge(self, paths: Path) -> NDArray[np.bool_]:
        return (paths == self.low) | (paths == self.high)


def make_trajectory(
    surface: Surface,
    *,
    maximise: bool = True,
    min_seeds: int = 3,
    draws: int = 400,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> Trajectory:
    """The optimum of every row by the means over seeds, and under `draws` resamplings of the seeds;
    and how likely each row is no more than level.

    What a seed adds to all points alike (its split, its first weights) moves no optimum and is
    removed first.
    Points with fewer than `min_seeds` seeds cannot be resampled and are left out, then rows with
    fewer than `MIN_POINTS` points: they have no inside.
    """
    usable = surface.count >= min_seeds
    rows = np.flatnonzero(usable.sum(1) >= MIN_POINTS)
    sign = 1.0 if maximise else -1.0
    values = np.where(
        usable[rows, :, None], sign * without_seed_effects(surface.values)[rows], np.nan
    )
    usable = usable[rows]
    if not len(rows):
        nothing, none = np.zeros(0, dtype=np.int64), np.zeros((draws, 0), dtype=np.int64)
        return Trajectory(surface, rows, nothing, nothing, nothing, none, np.zeros(0))
    count = np.isfinite(values).sum(-1)
    means = np.where(usable, np.nansum(values, -1) / np.maximum(count, 1), -np.inf)
    columns, rng = np.arange(usable.shape[1]), np.random.default_rng(seed)
    return Trajectory(
        surface,
        rows,
        best=means.argmax(1),
        low=usable.argmax(1),
        high=np.where(usable, columns, -1).max(1),
        draws=resampled_means(values, draws, rng).argmax(-1),
        flat=flatness(values, permutations, rng),
    )


def without_seed_effects(values: Array) -> Array:
    """Values (n, m, S) less the seed effects of the additive model point + seed, fitted by least
    squares; nan stays nan.
    """
    known = np.isfinite(values)
    filled, per_point, per_seed = np.where(known, values, 0.0), known.sum(-1), known.sum((0, 1))
    effect = np.zeros(values.shape[-1])
    missing = (per_point[per_point > 0] < values.shape[-1]).any()
    for _ in range(SWEEPS if missing else 1):  # exact at once where nothing is missing
        point = ((filled - known * effect).sum(-1)) / np.maximum(per_point, 1)
        effect = ((filled - known * point[..., None]).sum((0, 1))) / np.maximum(per_seed, 1)
        effect -= effect.mean()
    return values - effect


def resampled_means(values: Array, draws: int, rng: np.random.Generator) -> Array:
    """Means (R, n, m) over seeds drawn with replacement within each point; -inf where a point has
    no values.

    Deviations are stretched by sqrt(S / (S - 1)): resampling S values spreads their mean too little
    by that.

    Args:
        values: (n, m, S), nan where a seed is missing.
    """
    known = np.isfinite(values)
    count = known.sum(-1)
    with_runs = count > 0
    filled = np.where(known, values, 0.0)
    mean = filled.sum(-1) / np.maximum(count, 1)
    stretch = np.sqrt(count / np.maximum(count - 1, 1))[..., None]
    deviation = np.where(known, values - mean[..., None], 0.0) * stretch
    # Known values first, so that the drawn places 0 … count - 1 are theirs.
    order = np.argsort(~known, axis=-1, kind="stable")
    deviation = np.take_along_axis(deviation, order, -1)
    seeds = values.shape[-1]
    within = np.arange(seeds) < count[..., None]
    whole = within.all()
    first = seeds * np.arange(count.size).reshape(*count.shape, 1)  # place of a point's first one
    sums = np.empty((draws, *count.shape))
    for start in range(0, draws, CHUNK):
        shape = (min(CHUNK, draws - start), *values.shape)
        places = (rng.random(shape) * count[..., None]).astype(np.int64)
        drawn = deviation.take(places + first)
        drawn = drawn if whole else drawn * within
        sums[start : start + len(places)] = drawn.sum(-1)
    return np.where(with_runs, mean + sums / np.maximum(count, 1), -np.inf)


def flatness(values: Array, permutations: int, rng: np.random.Generator) -> Array:
    """(n,) for each row the chance of means as far from level if the second parameter changes
    nothing in it.

    A permutation test: the values that a seed has in a row change places among themselves, so
    neither the noise's distribution nor what a seed adds to a row matters.

    Args:
        values: (n, m, S), nan where a seed is missing.
    """
    if not permutations:
        return np.ones(len(values))
    blocks = values.transpose(0, 2, 1)  # (n, S, m): what changes places lies together
    known = np.isfinite(blocks)
    filled = np.where(known, blocks, 0.0)
    per_block, per_point = np.maximum(known.sum(-1), 1), np.maximum(known.sum(-2), 1)
    filled -= np.where(known, filled.sum(-1, keepdims=True) / per_block[..., None], 0.0)

    def between(arranged: Array) -> Array:
        return (arranged.sum(-2) ** 2 / per_point).sum(-1)

    # Missing values keep their places: they are packed last, and put back after the others are
    # dealt.
    order = np.argsort(~known, axis=-1, kind="stable")
    packed, back = np.take_along_axis(filled, order, -1), np.argsort(order, axis=-1)
    missing = np.where(np.take_along_axis(known, order, -1), 0.0, 1.0)
    whole = not missing.any()
    found, reached = between(filled) * (1 - 1e-9), np.ones(len(values))
    for start in range(0, permutations, CHUNK):
        shape = (min(CHUNK, permutations - start), *known.shape)
        if whole:
            arranged = rng.permuted(np.broadcast_to(filled, shape), axis=-1)
        else:
            dealt = (rng.random(shape) + missing).argsort(-1)
            arranged = np.take_along_axis(np.broadcast_to(packed, shape), dealt, -1)
            arranged = np.take_along_axis(arranged, np.broadcast_to(back, shape), -1)
        reached += (between(arranged) >= found).sum(0)
    return reached / (permutations + 1)

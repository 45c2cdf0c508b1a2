"""Where the optimum lies for each value of the first parameter, and how much that moves with the
seeds that happened to be drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vae_granularity.analysis.points import Array, Surface

Path = NDArray[np.int64]

MIN_POINTS = 3
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

    @property
    def best_value(self) -> Array:
        """(k,) mean at the optimum."""
        return self.surface.mean[self.rows, self.best]

    @property
    def on_edge(self) -> NDArray[np.bool_]:
        """(k,) whether the optimum is the first or the last value that was tried."""
        return (self.best == self.low) | (self.best == self.high)


def make_trajectory(
    surface: Surface, *, maximise: bool = True, min_seeds: int = 3, draws: int = 400, seed: int = 0
) -> Trajectory:
    """The optimum of every row by the means over seeds, and under `draws` resamplings of the seeds.

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
        nothing = np.zeros(0, dtype=np.int64)
        return Trajectory(
            surface, rows, nothing, nothing, nothing, np.zeros((draws, 0), dtype=np.int64)
        )
    count = np.isfinite(values).sum(-1)
    means = np.where(usable, np.nansum(values, -1) / np.maximum(count, 1), -np.inf)
    columns = np.arange(usable.shape[1])
    return Trajectory(
        surface,
        rows,
        best=means.argmax(1),
        low=usable.argmax(1),
        high=np.where(usable, columns, -1).max(1),
        draws=resampled_means(values, draws, np.random.default_rng(seed)).argmax(-1),
    )


def without_seed_effects(values: Array) -> Array:
    """Values (n, m, S) less the seed effects of the additive model point + seed, fitted by least
    squares; nan stays nan.
    """
    known = np.isfinite(values)
    filled, per_point, per_seed = np.where(known, values, 0.0), known.sum(-1), known.sum((0, 1))
    effect = np.zeros(values.shape[-1])
    for _ in range(
        SWEEPS if (per_point[per_point > 0] < values.shape[-1]).any() else 1
    ):  # exact at once where nothing is missing
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
    deviation = (
        np.where(known, values - mean[..., None], 0.0)
        * np.sqrt(count / np.maximum(count - 1, 1))[..., None]
    )
    # Known values first, so that the drawn places 0 … count - 1 are theirs.
    order = np.argsort(~known, axis=-1, kind="stable")
    deviation = np.take_along_axis(deviation, order, -1)
    seeds = values.shape[-1]
    within = np.arange(seeds) < count[..., None]
    sums = np.empty((draws, *count.shape))
    for start in range(0, draws, CHUNK):
        places = (rng.random((min(CHUNK, draws - start), *values.shape)) * count[..., None]).astype(
            np.int64
        )
        drawn = np.take_along_axis(
            np.broadcast_to(deviation, places.shape), np.minimum(places, seeds - 1), -1
        )
        sums[start : start + len(places)] = (drawn * within).sum(-1)
    return np.where(with_runs, mean + sums / np.maximum(count, 1), -np.inf)

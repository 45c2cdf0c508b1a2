"""Which shape of a trajectory the data support, how surely, and in words. Nothing is asserted that resampled seeds do not bear out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from vae_granularity.analysis.labels import name_of, value_label
from vae_granularity.analysis.shapes import LINE, MONOTONE, SIGMA, Fit, V, best_fit, fits
from vae_granularity.analysis.trajectory import MIN_POINTS, Trajectory

EDGE, NOT_ENOUGH = "edge", "not enough runs"
MIN_PLACES = 5  # two sides of two steps: below, a V cannot be told from a line
MIN_SUPPORT = 0.8  # share of resamplings that must show the shape
MAX_SQUARES = 2 * SIGMA**2  # mean squared residual, grid steps squared, above which no shape fits
NO_SHAPE = "none of them"


@dataclass(frozen=True, eq=False)
class Verdict:
    """What a trajectory looks like."""

    shape: str  # line, monotone, V, inverted V, edge, not enough runs
    sentence: str
    support: dict[str, float]  # shape to share of the resamplings
    fit: Fit | None  # of the trajectory of the means; None without one
    places: np.ndarray  # (k,) rows that the fit was made at


def judge(trajectory: Trajectory, *, min_seeds: int = 3) -> Verdict:
    """The verdict on a trajectory.

    - `not enough runs`: fewer than five values of the first parameter have three points of three seeds, or no shape holds in 80 % of
      the resamplings;
    - `edge`: at more than half of the places the optimum is the first or last value tried, so the true one may lie outside;
    - `V`, `inverted V`, `line` (level or sloped), `monotone`: the shape of the best criterion, for the means and for 80 % of the
      resamplings. A line is monotone too, so where lines and steps share the support, the verdict is monotone.
    """
    surface = trajectory.surface
    x, y = name_of(surface.x_name), name_of(surface.y_name)
    places = trajectory.rows.astype(np.float64)
    if len(places) < MIN_PLACES:
        why = (
            f"not enough runs to tell: {len(places)} of {len(surface.x)} values of {x} have {MIN_POINTS} or more values of {y} with "
            f"{min_seeds} or more seeds each; a shape needs {MIN_PLACES}"
        )
        return Verdict(NOT_ENOUGH, why, {}, None, places)
    fit = best_fit(places, trajectory.best)
    support = _support(trajectory, places)
    edges = int(trajectory.on_edge.sum())
    if edges > len(places) / 2:
        tried = f"for {edges} of {len(places)} values of {x} the best {y} is the first or the last one tried"
        return Verdict(EDGE, f"the optimum sits on the edge of the grid: {tried}", support, fit, places)
    shape = fit.shape if _mean_square(fit) <= MAX_SQUARES else NO_SHAPE
    shares = support if shape != MONOTONE else support | {MONOTONE: support.get(MONOTONE, 0.0) + support.get(LINE, 0.0)}
    if shape == LINE and support.get(LINE, 0.0) < MIN_SUPPORT <= support.get(LINE, 0.0) + support.get(MONOTONE, 0.0):
        shape, shares = MONOTONE, {**support, MONOTONE: support.get(LINE, 0.0) + support.get(MONOTONE, 0.0)}
        fit = next(other for other in fits(places, trajectory.best) if other.shape == MONOTONE)
    if shares.get(shape, 0.0) < MIN_SUPPORT or shape == NO_SHAPE:
        found = ", ".join(f"{name} {share:.0%}" for name, share in sorted(support.items(), key=lambda item: -item[1]))
        why = f"not enough runs to tell: no shape holds in {MIN_SUPPORT:.0%} of the resampled seeds ({found})"
        return Verdict(NOT_ENOUGH, why, support, fit, places)
    return Verdict(shape, f"{_words(shape, fit, trajectory)} ({shares[shape]:.0%} of the resampled seeds agree)", support, fit, places)


def _support(trajectory: Trajectory, places: np.ndarray) -> dict[str, float]:
    """Share of the resamplings in which each shape fits best."""
    paths, counts = np.unique(trajectory.draws, axis=0, return_counts=True)
    total: Counter[str] = Counter()
    for path, count in zip(paths, counts, strict=True):
        fit = best_fit(places, path)
        total[fit.shape if _mean_square(fit) <= MAX_SQUARES else NO_SHAPE] += int(count)
    return {shape: count / len(trajectory.draws) for shape, count in total.items()}


def _mean_square(fit: Fit) -> float:
    return fit.squares / len(fit.fitted)


def _words(shape: str, fit: Fit, trajectory: Trajectory) -> str:
    surface = trajectory.surface
    x, y = name_of(surface.x_name), name_of(surface.y_name)
    if fit.turn is not None:
        turn = value_label(surface.x_name, surface.x[round(fit.turn)])
        ways = "falls, then rises" if shape == V else "rises, then falls"
        return f"{shape}: the best {y} {ways} with {x}, turning at {x} = {turn}"
    if shape == LINE and abs(fit.rise) < SIGMA:
        return f"line: the best {y} does not move with {x}"
    way = "rises" if fit.rise > 0 else "falls"
    return f"{shape}: the best {y} {way} with {x}"

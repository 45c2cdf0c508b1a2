"""Which shape of a trajectory the data support, how surely, and in words. Nothing is asserted that
resampled seeds do not bear out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vae_granularity.analysis.page.labels import name_of, value_label
from vae_granularity.analysis.shapes import LINE, MONOTONE, SIGMA, V, best, fits
from vae_granularity.analysis.trajectory import MIN_POINTS, Trajectory

EDGE, NOT_ENOUGH = "edge", "not enough runs"
MIN_PLACES = 5  # two sides of two steps: below, a V cannot be told from a line
MIN_SUPPORT = 0.8  # share of resamplings that must show the shape
MAX_CHANCE = 0.05  # of a row as far from level: above, its optimum is taken for chance
# Mean squared residual, grid steps squared, above which no shape fits; a guess among three places
# has 2/3.
MAX_SQUARES = 0.3
NO_SHAPE = "none of them"


@dataclass(frozen=True, eq=False)
class Curve:
    """A shape fitted to one trajectory."""

    shape: str
    fitted: np.ndarray  # (k,) grid steps
    turn: float | None = None  # place of the tip of a V


@dataclass(frozen=True, eq=False)
class Verdict:
    """What a trajectory looks like."""

    shape: str  # line, monotone, V, inverted V, edge, not enough runs
    sentence: str
    support: dict[str, float]  # shape to share of the resamplings
    curve: Curve | None  # of the trajectory of the means; None where none fits
    places: np.ndarray  # (k,) rows that the fit was made at


def judge(
    trajectory: Trajectory,
    *,
    min_seeds: int = 3,
    max_chance: float = MAX_CHANCE,
    min_support: float = MIN_SUPPORT,
) -> Verdict:
    """The verdict on a trajectory.

    One rule for all of them: what is said holds of the means and of 80 % of the resamplings, at
    five places or more where the second parameter matters beyond what seeds do by chance. Rows in
    which it may not (permutation test, 5 %, see `flatness`) have no optimum to speak of and are
    left out: their places fall on the edge by chance, and with three seeds the resamplings repeat
    it.

    - `edge`: at more than half of the places the optimum is the first or last value tried, so the
      true one may lie outside; nothing else is said where the means show that;
    - `V`, `inverted V`, `line` (level or sloped), `monotone`: the shape of the best criterion. A
      sloped line is monotone too, so where lines and steps of one direction share the support, the
      verdict is monotone;
    - `not enough runs`: anything else.

    False where something else is true, or nothing: in at most 5 % of the simulations of each kind
    in experiments/verdicts. That holds for one look at given runs; who looks again after adding
    runs asks more of each look by `max_chance` and `min_support` (see `deciding`).
    """
    surface, usable = trajectory.surface, len(trajectory.rows)
    x, y = name_of(surface.x_name), name_of(surface.y_name)
    trajectory = trajectory.only(trajectory.flat <= max_chance)
    places = trajectory.rows.astype(np.float64)
    flat = usable - len(places)
    aside = f"; left out: {flat} at which seeds cannot tell whether {y} matters" if flat else ""
    if len(places) < MIN_PLACES:
        why = (
            f"{NOT_ENOUGH} to tell: {usable} of {len(surface.x)} values of {x} have {MIN_POINTS} "
            f"or more values of {y} with {min_seeds} or more seeds each{aside}; "
            f"a shape needs {MIN_PLACES}"
        )
        return Verdict(NOT_ENOUGH, why, {}, None, places)
    curves = _curves(places, trajectory.best)
    shapes, ways = resampled_shapes(places, trajectory.draws)
    names, counts = np.unique(shapes, return_counts=True)
    support = {str(n): float(c) / len(shapes) for n, c in zip(names, counts, strict=True)}
    support[EDGE] = trajectory.edge_share
    curve, share = _borne_out(curves, shapes, ways, min_support) if curves else (None, 0.0)
    shape, words = (curve.shape, _words(curve, trajectory)) if curve else (NOT_ENOUGH, "")
    missing = f"no shape holds in {min_support:.0%} of the resampled seeds"
    edges = int(trajectory.on_edge.sum())
    if edges > len(places) / 2:
        shape, share = EDGE, support[EDGE]
        missing = f"the means put the optimum on the edge, {share:.0%} of the resampled seeds agree"
        words = (
            f"the optimum sits on the edge of the grid: for {edges} of {len(places)} values of {x} "
            f"the best {y} is the first or the last one tried"
        )
    if share >= min_support:
        agree = f"{words} ({share:.0%} of the resampled seeds agree){aside}"
        return Verdict(shape, agree, support, curve, places)
    order = sorted(support.items(), key=lambda item: -item[1])
    found = ", ".join(f"{name} {part:.0%}" for name, part in order if part)
    why = f"{NOT_ENOUGH} to tell: {missing} ({found}){aside}"
    return Verdict(NOT_ENOUGH, why, support, next(iter(curves.values()), None), places)


def _curves(places: np.ndarray, path: np.ndarray) -> dict[str, Curve]:
    """The shapes that fit one trajectory, the best one first, with the monotone curve always among
    them; none if none fits.
    """
    found = fits(places, path[None])
    chosen = found[int(best(found)[0])]
    if chosen.squares[0] / len(path) > MAX_SQUARES:
        return {}
    monotone = next(fit for fit in found if fit.shape == MONOTONE)
    return {fit.shape: Curve(fit.shape, fit.fitted[0], fit.turn) for fit in (chosen, monotone)}


def resampled_shapes(places: np.ndarray, draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of resamplings (R, k), each (R,): the shape that fits best, `NO_SHAPE` where none does, and
    the way it goes.
    """
    found = fits(places, draws)
    chosen = best(found), np.arange(len(draws))
    shapes = np.array([fit.shape for fit in found])[chosen[0]]
    squares = np.stack([fit.squares for fit in found])[chosen]
    ways = np.stack([_way(fit.fitted) for fit in found])[chosen]
    return np.where(squares / len(places) <= MAX_SQUARES, shapes, NO_SHAPE), ways


def _borne_out(
    curves: dict[str, Curve], shapes: np.ndarray, ways: np.ndarray, min_support: float
) -> tuple[Curve, float]:
    """The curve to be named, and the share of the resamplings of its shape; of those without a turn
    only such as go its way count.
    """
    curve = next(iter(curves.values()))
    if curve.turn is not None:
        return curve, float((shapes == curve.shape).mean())
    lines = float(((shapes == LINE) & (ways == _way(curve.fitted))).mean())
    if curve.shape == LINE and lines >= min_support:
        return curve, lines
    monotone = curves[MONOTONE]
    goes = (ways == _way(monotone.fitted)) & (ways != 0)
    return monotone, float((np.isin(shapes, (LINE, MONOTONE)) & goes).mean())


def _way(fitted: np.ndarray) -> np.ndarray:
    """1, -1 or 0 for curves (..., k) that rise, fall or end where they began, within `SIGMA`
    steps.
    """
    rise = fitted[..., -1] - fitted[..., 0]
    return np.sign(np.where(np.abs(rise) < SIGMA, 0.0, rise))


def _words(curve: Curve, trajectory: Trajectory) -> str:
    surface = trajectory.surface
    x, y = name_of(surface.x_name), name_of(surface.y_name)
    if curve.turn is not None:
        turn = value_label(surface.x_name, surface.x[round(curve.turn)])
        ways = "falls, then rises" if curve.shape == V else "rises, then falls"
        return f"{curve.shape}: the best {y} {ways} with {x}, turning at {x} = {turn}"
    rise = curve.fitted[-1] - curve.fitted[0]
    if curve.shape == LINE and abs(rise) < SIGMA:
        return f"line: the best {y} does not move with {x}"
    return f"{curve.shape}: the best {y} {'rises' if rise > 0 else 'falls'} with {x}"

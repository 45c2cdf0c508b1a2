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
# Found by simulation (experiments/verdicts): the largest criterion, for each place, by which a
# resampled trajectory without a shape counts, and the share of the resamplings on the edge above
# which no other shape is said.
MAX_CRITERION, MAX_EDGE = 0.9, 0.4


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
    # (2, k) places of y of a path and of a parallel one that seeds cannot tell from it, where only
    # that keeps the shape from being said; the second may leave the grid.
    rivals: np.ndarray | None = None


def judge(trajectory: Trajectory, *, min_seeds: int = 3, max_chance: float = MAX_CHANCE) -> Verdict:
    """The verdict on a trajectory.

    One rule for all of them: what is said holds of the means and of 80 % of the resamplings, at
    five places or more where the second parameter matters beyond what seeds do by chance. Rows in
    which it may not (permutation test, 5 %, see `flatness`) have no optimum to speak of and are
    left out: their places fall on the edge by chance, and with three seeds the resamplings repeat
    it. So are rows in which a neighbour of the optimum has too few seeds: the optimum may lie
    there. What is said must be better than the same path two or more places away
    (`Trajectory.parallel_as_good`, 5 %): seeds are shared by all rows, which pick one of two equal
    peaks together.

    - `edge`: at more than half of the places the optimum is the first or last value tried, so the
      true one may lie outside; nothing else is said where the means show that;
    - `V`, `inverted V`, `line` (level or sloped), `monotone`: the shape of the best criterion;
      resamplings count by how well theirs describes them (`resampled_shapes`). A sloped line is
      monotone too, so where lines and steps of one direction share the support, the verdict is
      monotone. None of them where `edge` holds in 40 % of the resamplings;
    - `not enough runs`: anything else.

    False where something else is true, or nothing: in at most 5 % of the simulations of each kind
    in experiments/verdicts. That holds for one look at given runs; who looks again after adding
    runs asks more of each look by `max_chance` (see `deciding`).
    """
    surface, usable = trajectory.surface, len(trajectory.rows)
    x, y = name_of(surface.x_name), name_of(surface.y_name)
    clear = trajectory.flat <= max_chance
    open_rows = int((clear & ~trajectory.enclosed).sum())
    aside = _left_out(int((~clear).sum()), open_rows, y, min_seeds)
    trajectory = trajectory.only(clear & trajectory.enclosed)
    places = trajectory.rows.astype(np.float64)
    if len(places) < MIN_PLACES:
        why = (
            f"{NOT_ENOUGH} to tell: {usable} of {len(surface.x)} values of {x} have {MIN_POINTS} "
            f"or more values of {y} with {min_seeds} or more seeds each{aside}; "
            f"a shape needs {MIN_PLACES}"
        )
        return Verdict(NOT_ENOUGH, why, {}, None, places)
    curves = _curves(places, trajectory.best)
    drawn = resampled_shapes(places, trajectory.draws)
    support = {str(name): drawn.share(drawn.shapes == name) for name in np.unique(drawn.shapes)}
    support[EDGE] = trajectory.edge_share
    curve, share = _borne_out(curves, drawn) if curves else (None, 0.0)
    shape, words = (curve.shape, _words(curve, trajectory)) if curve else (NOT_ENOUGH, "")
    missing = f"no shape holds in {MIN_SUPPORT:.0%} of the resampled seeds"
    if support[EDGE] > MAX_EDGE:
        share, missing = 0.0, "the optimum may sit on the edge of the grid"
    edges = int(trajectory.on_edge.sum())
    if edges > len(places) / 2:
        shape, share = EDGE, support[EDGE]
        missing = f"the means put the optimum on the edge, {share:.0%} of the resampled seeds agree"
        words = (
            f"the optimum sits on the edge of the grid: for {edges} of {len(places)} values of {x} "
            f"the best {y} is the first or the last one tried"
        )
    rivals = None
    if share >= MIN_SUPPORT:
        path = trajectory.best
        if shape != EDGE and curve is not None:
            path = np.clip(np.rint(curve.fitted).astype(np.int64), 0, len(surface.y) - 1)
        shift = trajectory.parallel_as_good(path)
        if shift is not None:
            share = 0.0
            rivals = np.stack([path, path + shift])
            side = "above" if shift > 0 else "below"
            missing = (
                f"seeds cannot tell this path from the one {abs(shift)} places {side} it "
                f"(t test over seeds, all values of {x} together)"
            )
    if share >= MIN_SUPPORT:
        agree = f"{words} ({share:.0%} of the resampled seeds agree){aside}"
        return Verdict(shape, agree, support, curve, places)
    order = sorted(support.items(), key=lambda item: -item[1])
    found = ", ".join(f"{name} {part:.0%}" for name, part in order if part)
    why = f"{NOT_ENOUGH} to tell: {missing} ({found}){aside}"
    curve = next(iter(curves.values()), None)
    return Verdict(NOT_ENOUGH, why, support, curve, places, rivals)


def _left_out(flat: int, open_rows: int, y: str, min_seeds: int) -> str:
    """Return why rows are left out, in words; empty where none is."""
    reasons = []
    if flat:
        reasons.append(f"{flat} at which seeds cannot tell whether {y} matters")
    if open_rows:
        reasons.append(
            f"{open_rows} at which a neighbour of the best {y} has fewer than {min_seeds} seeds"
        )
    return f"; left out: {', '.join(reasons)}" if reasons else ""


def _curves(places: np.ndarray, path: np.ndarray) -> dict[str, Curve]:
    """The shapes that fit one trajectory, the best one first, with the monotone curve among them
    where it applies; none if none fits.
    """
    found = fits(places, path[None])
    chosen = found[int(best(found)[0])]
    if chosen.squares[0] / len(path) > MAX_SQUARES:
        return {}
    monotone = [fit for fit in found if fit.shape == MONOTONE and np.isfinite(fit.squares[0])]
    return {fit.shape: Curve(fit.shape, fit.fitted[0], fit.turn) for fit in (chosen, *monotone)}


@dataclass(frozen=True, eq=False)
class Resampled:
    """What R resampled trajectories look like."""

    shapes: np.ndarray  # (R,) the shape that fits best, `NO_SHAPE` where none does
    ways: np.ndarray  # (R,) 1, -1 or 0: it rises, falls, or ends where it began
    weights: np.ndarray  # (R,) of sum 1

    def share(self, which: np.ndarray) -> float:
        """The share of some of them (R,) bool, by weight."""
        return float(self.weights[which].sum())


def resampled_shapes(places: np.ndarray, draws: np.ndarray) -> Resampled:
    """The shapes of resampled trajectories `draws` (R, k), and how much each counts.

    One that its shape describes badly is mostly noise of single rows, and a shape other than level
    is less likely beforehand: each counts by exp(-c), where c is the criterion of its shape, with
    the same price for all shapes but level. Where the truth is known that finds more shapes and
    hardly more false ones (experiments/verdicts).
    """
    found = fits(places, draws)
    chosen = best(found), np.arange(len(draws))
    squares = np.stack([fit.squares for fit in found])[chosen]
    parameters = np.stack([fit.parameters for fit in found])[chosen]
    criterion = squares / SIGMA**2 + np.minimum(parameters, 2) * np.log(len(places))
    described = squares / len(places) <= MAX_SQUARES
    # Where most have no shape, the few that have one are chance.
    limit = np.where(described, np.inf, MAX_CRITERION * len(places))
    weights = np.exp(-np.minimum(criterion, limit))
    shapes = np.where(described, np.array([fit.shape for fit in found])[chosen[0]], NO_SHAPE)
    ways = np.stack([_way(fit.fitted) for fit in found])[chosen]
    return Resampled(shapes, ways, weights / weights.sum())


def _borne_out(curves: dict[str, Curve], drawn: Resampled) -> tuple[Curve, float]:
    """The curve to be named, and the share of the resamplings of its shape; of those without a turn
    only such as go its way count.
    """
    curve = next(iter(curves.values()))
    if curve.turn is not None:
        return curve, drawn.share(drawn.shapes == curve.shape)
    lines = drawn.share((drawn.shapes == LINE) & (drawn.ways == _way(curve.fitted)))
    if MONOTONE not in curves or (curve.shape == LINE and lines >= MIN_SUPPORT):
        return curve, lines
    monotone = curves[MONOTONE]
    goes = (drawn.ways == _way(monotone.fitted)) & (drawn.ways != 0)
    return monotone, drawn.share(np.isin(drawn.shapes, (LINE, MONOTONE)) & goes)


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

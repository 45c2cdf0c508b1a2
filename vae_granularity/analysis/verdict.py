"""Judge the shape of a trajectory: nothing is said that resampled seeds do not bear out."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from vae_granularity.analysis.labels import name_of, value_label
from vae_granularity.analysis.shapes import LINE, MONOTONE, SIGMA, V, best_fit, fits
from vae_granularity.analysis.trajectory import MIN_POINTS, Trajectory

EDGE = "edge"
NOT_ENOUGH = "not enough runs"
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
MAX_CRITERION = 0.9
MAX_EDGE = 0.4


@dataclass(frozen=True, eq=False)
class Curve:
    """Shape fitted to one trajectory."""

    shape: str
    fitted: np.ndarray  # (k,) grid steps
    turn: float | None = None  # place of the tip of a V


@dataclass(frozen=True, eq=False)
class Verdict:
    """Shape of a trajectory, as far as the seeds bear it out."""

    shape: str  # line, monotone, V, inverted V, edge, not enough runs
    sentence: str
    support: dict[str, float]  # shape to share of the resamplings
    curve: Curve | None  # of the trajectory of the means; None where none fits
    places: np.ndarray  # (k,) rows that the fit was made at
    # (2, k) places of y of a path and of a parallel one that seeds cannot tell from it, where only
    # that keeps the shape from being said; the second may leave the grid.
    rivals: np.ndarray | None = None


def judge(trajectory: Trajectory, *, min_seeds: int = 3, max_chance: float = MAX_CHANCE) -> Verdict:
    """Return the verdict on a trajectory.

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
    surface = trajectory.surface
    usable = len(trajectory.rows)
    clear = trajectory.flat <= max_chance
    num_open = int((clear & ~trajectory.enclosed).sum())
    y = name_of(surface.y_name)
    left_out = _left_out_words(int((~clear).sum()), num_open, y, min_seeds)
    trajectory = trajectory.only(clear & trajectory.enclosed)
    places = trajectory.rows.astype(np.float64)
    if len(places) < MIN_PLACES:
        sentence = (
            f"{NOT_ENOUGH} to tell: {usable} of {len(surface.x)} values of "
            f"{name_of(surface.x_name)} have {MIN_POINTS} or more values of {y} with {min_seeds} "
            f"or more seeds each{left_out}; a shape needs {MIN_PLACES}"
        )
        return Verdict(NOT_ENOUGH, sentence, {}, None, places)
    curves = _curves(places, trajectory.best)
    resampled = resampled_shapes(places, trajectory.draws)
    support = {str(name): resampled.share_of(str(name)) for name in np.unique(resampled.shapes)}
    support[EDGE] = trajectory.edge_share
    claim = _claim(trajectory, curves, resampled)
    rivals = None
    if claim.share >= MIN_SUPPORT:
        claim, rivals = _compare_with_parallels(claim, trajectory)
    if claim.share >= MIN_SUPPORT:
        sentence = f"{claim.words} ({claim.share:.0%} of the resampled seeds agree){left_out}"
        return Verdict(claim.shape, sentence, support, claim.curve, places)
    order = sorted(support.items(), key=lambda item: -item[1])
    shares = ", ".join(f"{name} {share:.0%}" for name, share in order if share)
    sentence = f"{NOT_ENOUGH} to tell: {claim.objection} ({shares}){left_out}"
    curve = next(iter(curves.values()), None)
    return Verdict(NOT_ENOUGH, sentence, support, curve, places, rivals)


@dataclass(frozen=True, eq=False)
class _Claim:
    """Shape that the means show, before it is known whether the seeds bear it out."""

    shape: str
    words: str
    share: float  # of the resamplings that agree; 0 where something else speaks against it
    objection: str  # in words, to be said where the share is too small
    curve: Curve | None


def _claim(trajectory: Trajectory, curves: dict[str, Curve], resampled: Resampled) -> _Claim:
    """Return the shape of the means with the share of the resamplings that agree."""
    surface = trajectory.surface
    num_places = len(trajectory.rows)
    curve, share = _supported_curve(curves, resampled) if curves else (None, 0.0)
    edges = int(trajectory.on_edge.sum())
    if edges > num_places / 2:
        share = trajectory.edge_share
        words = (
            f"the optimum sits on the edge of the grid: for {edges} of {num_places} values of "
            f"{name_of(surface.x_name)} the best {name_of(surface.y_name)} is the first or the "
            "last one tried"
        )
        objection = (
            f"the means put the optimum on the edge, {share:.0%} of the resampled seeds agree"
        )
        return _Claim(EDGE, words, share, objection, curve)
    objection = f"no shape holds in {MIN_SUPPORT:.0%} of the resampled seeds"
    if trajectory.edge_share > MAX_EDGE:
        share = 0.0
        objection = "the optimum may sit on the edge of the grid"
    if curve is None:
        return _Claim(NOT_ENOUGH, "", share, objection, None)
    return _Claim(curve.shape, _curve_words(curve, trajectory), share, objection, curve)


def _compare_with_parallels(
    claim: _Claim, trajectory: Trajectory
) -> tuple[_Claim, np.ndarray | None]:
    """Return the claim, with share 0 and both paths if a parallel path may be as good."""
    path = trajectory.best
    if claim.shape != EDGE and claim.curve is not None:
        last = len(trajectory.surface.y) - 1
        path = np.clip(np.rint(claim.curve.fitted).astype(np.int64), 0, last)
    shift = trajectory.parallel_as_good(path)
    if shift is None:
        return claim, None
    side = "above" if shift > 0 else "below"
    objection = (
        f"seeds cannot tell this path from the one {abs(shift)} places {side} it "
        f"(t test over seeds, all values of {name_of(trajectory.surface.x_name)} together)"
    )
    return replace(claim, share=0.0, objection=objection), np.stack([path, path + shift])


def _left_out_words(flat: int, open_rows: int, y: str, min_seeds: int) -> str:
    """Return the reasons why rows are left out, in words; empty where none is."""
    reasons = []
    if flat:
        reasons.append(f"{flat} at which seeds cannot tell whether {y} matters")
    if open_rows:
        reasons.append(
            f"{open_rows} at which a neighbour of the best {y} has fewer than {min_seeds} seeds"
        )
    return f"; left out: {', '.join(reasons)}" if reasons else ""


def _curves(places: np.ndarray, path: np.ndarray) -> dict[str, Curve]:
    """Return the shape that fits one trajectory best, then the monotone curve where it applies.

    None if no shape fits.
    """
    shapes = fits(places, path[None])
    best = shapes[int(best_fit(shapes)[0])]
    if best.squares[0] / len(path) > MAX_SQUARES:
        return {}
    monotone = [fit for fit in shapes if fit.shape == MONOTONE and np.isfinite(fit.squares[0])]
    return {fit.shape: Curve(fit.shape, fit.fitted[0], fit.turn) for fit in (best, *monotone)}


@dataclass(frozen=True, eq=False)
class Resampled:
    """Shapes of R resampled trajectories."""

    shapes: np.ndarray  # (R,) the shape that fits best, `NO_SHAPE` where none does
    directions: np.ndarray  # (R,) 1, -1 or 0: it rises, falls, or ends where it began
    weights: np.ndarray  # (R,) of sum 1

    def share(self, chosen: np.ndarray) -> float:
        """Return the share of some of them (R,) bool, by weight."""
        return float(self.weights[chosen].sum())

    def share_of(self, shape: str) -> float:
        """Return the share of a shape, by weight."""
        return self.share(self.shapes == shape)


def resampled_shapes(places: np.ndarray, draws: np.ndarray) -> Resampled:
    """Return the shapes of resampled trajectories `draws` (R, k), and how much each counts.

    One that its shape describes badly is mostly noise of single rows, and a shape other than level
    is less likely beforehand: each counts by exp(-c), where c is the criterion of its shape, with
    the same price for all shapes but level. Where the truth is known that finds more shapes and
    hardly more false ones (experiments/verdicts).
    """
    shapes = fits(places, draws)
    best = best_fit(shapes)
    chosen = (best, np.arange(len(draws)))
    squares = np.stack([fit.squares for fit in shapes])[chosen]
    parameters = np.stack([fit.parameters for fit in shapes])[chosen]
    criterion = squares / SIGMA**2 + np.minimum(parameters, 2) * np.log(len(places))
    described = squares / len(places) <= MAX_SQUARES
    # Where most have no shape, the few that have one are chance.
    limit = np.where(described, np.inf, MAX_CRITERION * len(places))
    weights = np.exp(-np.minimum(criterion, limit))
    names = np.array([fit.shape for fit in shapes])[best]
    directions = np.stack([_direction(fit.fitted) for fit in shapes])[chosen]
    return Resampled(
        np.where(described, names, NO_SHAPE), directions, weights=weights / weights.sum()
    )


def _supported_curve(curves: dict[str, Curve], resampled: Resampled) -> tuple[Curve, float]:
    """Return the curve to be named, and the share of the resamplings of its shape.

    Of those without a turn only such as go in its direction count.
    """
    curve = next(iter(curves.values()))
    if curve.turn is not None:
        return curve, resampled.share_of(curve.shape)
    directions = resampled.directions
    same_direction = directions == _direction(curve.fitted)
    lines = resampled.share((resampled.shapes == LINE) & same_direction)
    if MONOTONE not in curves or (curve.shape == LINE and lines >= MIN_SUPPORT):
        return curve, lines
    monotone = curves[MONOTONE]
    same_direction = (directions == _direction(monotone.fitted)) & (directions != 0)
    is_monotone = np.isin(resampled.shapes, (LINE, MONOTONE))
    return monotone, resampled.share(is_monotone & same_direction)


def _direction(fitted: np.ndarray) -> np.ndarray:
    """Return 1, -1 or 0 for curves (..., k) that rise, fall or end within `SIGMA` of the start."""
    rise = fitted[..., -1] - fitted[..., 0]
    return np.sign(np.where(np.abs(rise) < SIGMA, 0.0, rise))


def _curve_words(curve: Curve, trajectory: Trajectory) -> str:
    surface = trajectory.surface
    x = name_of(surface.x_name)
    y = name_of(surface.y_name)
    if curve.turn is not None:
        turn = value_label(surface.x_name, surface.x[round(curve.turn)])
        course = "falls, then rises" if curve.shape == V else "rises, then falls"
        return f"{curve.shape}: the best {y} {course} with {x}, turning at {x} = {turn}"
    rise = curve.fitted[-1] - curve.fitted[0]
    if curve.shape == LINE and abs(rise) < SIGMA:
        return f"line: the best {y} does not move with {x}"
    return f"{curve.shape}: the best {y} {'rises' if rise > 0 else 'falls'} with {x}"

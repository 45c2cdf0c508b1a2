"""What a deciding sweep has measured so far, which points still compete, and what may be added."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import f, t

from vae_granularity.analysis.points import Array, Surface, spread_out
from vae_granularity.analysis.trajectory import without_seed_effects
from vae_granularity.runs.interval import PRIOR

# Standard errors behind the best: above, a point gets no further seeds, until it is closer again.
HOPELESS = 2.5


@dataclass(frozen=True)
class Addition:
    """Further seeds at one place of the lattice, and why."""

    row: int  # place of x
    column: int  # place of y
    seeds: int  # how many more
    why: str


@dataclass(frozen=True, eq=False)
class Measured:
    """Values on the lattice of all that may be tried; larger is better."""

    surface: Surface  # (n, m, S), nan where nothing was measured
    asked: NDArray[np.int64]  # (n, m) seeds that were asked for; a failed run is asked and unknown

    @cached_property
    def values(self) -> Array:
        """(n, m, S) less what a seed adds to all points alike."""
        return without_seed_effects(self.surface.values)

    @cached_property
    def means(self) -> Array:
        """(n, m); -inf where nothing is known."""
        count = self.surface.count
        return np.where(count > 0, np.nansum(self.values, -1) / np.maximum(count, 1), -np.inf)

    @cached_property
    def spreads(self) -> Array:
        """(n, m) standard deviation of a run at each point, moderated: a mean of the point's own
        variance and that of all points, which counts for `PRIOR` degrees of freedom (Smyth 2004).
        """
        known, count = np.isfinite(self.values), self.surface.count
        centred = np.where(known, self.values - self.means[..., None], 0.0)
        squares, free = (centred**2).sum(-1), np.maximum(count - 1, 0)
        seeds = int(known.any((0, 1)).sum())
        # Seed effects are fitted too: what they take is given back.
        lost = free.sum() / max(free.sum() - max(seeds - 1, 0), 1)
        squares = squares * lost
        overall = squares.sum() / max(free.sum(), 1)
        return np.sqrt((squares + PRIOR * overall) / (free + PRIOR))

    @property
    def errors(self) -> Array:
        """(n, m) standard error of each mean; infinite where nothing is known."""
        count = self.surface.count
        return np.where(count > 0, self.spreads / np.sqrt(np.maximum(count, 1)), np.inf)

    @cached_property
    def level_chances(self) -> Array:
        """(n,) for each row the chance of means as far from level if y changes nothing in it.

        The F test of the points in the model point + seed of that row, against its own spread or
        that of all rows, whichever is larger: the few seeds of a row that is quiet by chance would
        show an optimum where there is none. `trajectory.flatness` permutes instead: exact for any
        noise, but blind with the few and unequal seeds of a sweep that is going on.
        """
        tests = [_between_points(row) for row in self.surface.values]
        free = sum(test.free for test in tests)
        overall = sum(test.squares for test in tests) / max(free, 1)
        return np.array([test.chance(overall) for test in tests])

    @property
    def tried(self) -> NDArray[np.bool_]:
        """(n, m) whether seeds were asked for."""
        return self.asked > 0

    @property
    def failed(self) -> NDArray[np.bool_]:
        """(n, m) whether seeds were asked for and none gave a value."""
        return self.tried & (self.surface.count == 0)

    def behind(self, row: int | None = None) -> Array:
        """Standard errors by which each point lies behind the best of its row (m,), or of all
        (n, m): 0 at the best, infinite where nothing is known.
        """
        means = self.means if row is None else self.means[row]
        errors = self.errors if row is None else self.errors[row]
        best = np.unravel_index(means.argmax(), means.shape)
        if not np.isfinite(means[best]):
            return np.full(means.shape, np.inf)
        with np.errstate(invalid="ignore"):
            apart = (means[best] - means) / np.maximum(np.hypot(errors, errors[best]), 1e-300)
        apart[best] = 0.0
        return np.where(np.isfinite(means), apart, np.inf)

    def more(self, wanted: Iterable[Sequence[int]], limit: int, why: str) -> list[Addition]:
        """What brings points, each (row, column, seeds), to so many seeds, `limit` at most; nothing
        for those that have them.
        """
        further = [(i, j, min(upto, limit) - int(self.asked[i, j])) for i, j, upto in wanted]
        return [Addition(i, j, seeds, why) for i, j, seeds in further if seeds > 0]


class _BetweenPoints(NamedTuple):
    """What an F test of the points of a row needs, in the model point + seed."""

    between: float = 0.0  # sum of squares that the points explain
    points: int = 0
    squares: float = 0.0  # what is left
    free: int = 0  # its degrees of freedom

    def chance(self, overall: float) -> float:
        """Of points as far apart, where the spread is `overall` (a mean square) or larger."""
        if self.points < 2 or self.free < 1:
            return 1.0
        spread = max(self.squares / self.free, overall)
        if spread <= 1e-12 * (self.between + self.squares):
            return 0.0 if self.between > 0 else 1.0
        return float(f.sf(self.between / (self.points - 1) / spread, self.points - 1, self.free))


def _between_points(values: Array) -> _BetweenPoints:
    known = np.isfinite(values)  # (m, S)
    points, seeds = int(known.any(1).sum()), int(known.any(0).sum())
    free = int(known.sum()) - points - seeds + 1
    if points < 2 or free < 1:
        return _BetweenPoints()
    if known.all():
        point_means, seed_means = values.mean(1, keepdims=True), values.mean(0)
        between = seeds * float(((point_means - values.mean()) ** 2).sum())
        left = float(((values - point_means - seed_means + values.mean()) ** 2).sum())
        return _BetweenPoints(between, points, left, free)
    numbers, (point, seed) = values[known], np.nonzero(known)
    with_seeds = np.eye(values.shape[1])[seed]
    with_points = np.concatenate([with_seeds, np.eye(len(values))[point]], axis=1)
    without_points, squares = (_residual(design, numbers) for design in (with_seeds, with_points))
    return _BetweenPoints(max(without_points - squares, 0.0), points, squares, free)


def chances_as_good(values: Array) -> Array:
    """Two-sided p (n, m) that a point is as good as the one of the best mean, which itself has 1;
    0 where nothing is known.

    t tests of differences in the model point + seed of all values (n, m, S), nan where a seed is
    missing; of its spread over all points or over the two compared the larger is taken, so that
    a quiet rest does not make a noisy pair sure.
    """
    flat = values.reshape(-1, values.shape[-1])
    known = np.isfinite(flat)
    there = np.flatnonzero(known.any(1))
    point, seed = np.nonzero(known[there])
    point_columns = np.eye(len(there))[point]
    design = np.concatenate([point_columns, np.eye(flat.shape[1])[seed]], axis=1)
    free = len(point) - np.linalg.matrix_rank(design)
    found = np.zeros(len(flat))
    if not len(there) or free < 1:
        found[there] = 1.0
        return found.reshape(values.shape[:2])
    numbers = flat[there][known[there]]
    inverse = np.linalg.pinv(design)  # (columns, N)
    effects = (inverse @ numbers)[: len(there)]
    squares = (numbers - design @ (inverse @ numbers)) ** 2
    best = int(effects.argmax())
    weights = inverse[: len(there)] - inverse[best]  # of each difference, (points, N)
    count = point_columns.sum(0)
    variance = squares.sum() / free
    own = (squares @ point_columns) * len(point) / free  # sums that are right on average
    pair = (own + own[best]) / (count + count[best])
    spread = np.sqrt((weights**2).sum(1) * np.maximum(variance, pair))
    with np.errstate(invalid="ignore", divide="ignore"):
        chance = 2 * t.sf((effects[best] - effects) / spread, free)
    found[there] = np.where(np.arange(len(there)) == best, 1.0, np.nan_to_num(chance, nan=1.0))
    return found.reshape(values.shape[:2])


def _residual(design: Array, numbers: Array) -> float:
    """The sum of squares that a least-squares fit leaves."""
    fitted = design @ np.linalg.lstsq(design, numbers, rcond=None)[0]
    return float(((numbers - fitted) ** 2).sum())


def coarse(length: int) -> list[int]:
    """Every other place, five at most and three at least: where the search along y begins.

    >>> coarse(5), coarse(12)
    ([0, 2, 4], [0, 3, 6, 8, 11])
    """
    return spread_out(length, max(3, min(5, length // 2 + 1)))


def between(place: int, tried: Iterable[int], length: int) -> list[int]:
    """Untried places halfway from `place` to the next tried ones, or the end, on either side.

    >>> between(4, [0, 4, 5], 9), between(0, [0, 1], 9)
    ([2], [])
    """
    others = [t for t in tried if t != place]
    left = max((t for t in others if t < place), default=-1)
    right = min((t for t in others if t > place), default=length)
    found = []
    if place - left > 1:
        found.append((left + place) // 2 if left >= 0 else (place - 1) // 2)
    if right - place > 1:
        found.append((place + right + 1) // 2 if right < length else (place + length) // 2)
    return found


def affordable(
    wanted: Sequence[Addition], costs: Array, left: float
) -> tuple[list[Addition], float]:
    """The first of some additions that fit into what is left of the budget, and their cost.

    Args:
        costs: (n, m) of a run at each point, in the budget's unit.
    """
    bought, total = [], 0.0
    for one in wanted:
        cost = float(costs[one.row, one.column])
        fit = min(one.seeds, int((left - total) / cost + 1e-9)) if cost > 0 else one.seeds
        if fit > 0:
            bought.append(Addition(one.row, one.column, fit, one.why))
            total += fit * cost
    return bought, total

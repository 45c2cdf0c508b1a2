"""Measured values of a deciding sweep: points that still compete, and runs that may be added."""

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
GIVE_UP_SE = 2.5


@dataclass(frozen=True)
class Addition:
    """Further seeds at one place of the lattice, and the reason for them."""

    row: int  # place of x
    column: int  # place of y
    seeds: int  # to be added
    reason: str


@dataclass(frozen=True, eq=False)
class Measured:
    """Values on the lattice of all that may be tried; larger is better."""

    surface: Surface  # (n, m, S), nan where nothing was measured
    requested: NDArray[np.int64]  # (n, m) seeds, those of failed runs among them

    @cached_property
    def values(self) -> Array:
        """(n, m, S) less what a seed adds to all points alike."""
        return without_seed_effects(self.surface.values)

    @cached_property
    def means(self) -> Array:
        """(n, m); -inf where nothing was measured."""
        count = self.surface.count
        return np.where(count > 0, np.nansum(self.values, -1) / np.maximum(count, 1), -np.inf)

    @cached_property
    def spreads(self) -> Array:
        """(n, m) standard deviation of a run at each point, moderated.

        A mean of the point's own variance and that of all points, which counts for `PRIOR` degrees
        of freedom (Smyth 2004).
        """
        finite = np.isfinite(self.values)
        centred = np.where(finite, self.values - self.means[..., None], 0.0)
        free = np.maximum(self.surface.count - 1, 0)
        seeds = int(finite.any((0, 1)).sum())
        # Seed effects are fitted too: what they take is given back.
        correction = free.sum() / max(free.sum() - max(seeds - 1, 0), 1)
        squares = (centred**2).sum(-1) * correction
        overall = squares.sum() / max(free.sum(), 1)
        return np.sqrt((squares + PRIOR * overall) / (free + PRIOR))

    @property
    def errors(self) -> Array:
        """(n, m) standard error of each mean; infinite where nothing was measured."""
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
        tests = [_variance_between_points(row) for row in self.surface.values]
        free = sum(test.free for test in tests)
        overall = sum(test.squares for test in tests) / max(free, 1)
        return np.array([test.chance(overall) for test in tests])

    @property
    def tried(self) -> NDArray[np.bool_]:
        """(n, m) whether seeds were requested."""
        return self.requested > 0

    @property
    def failed(self) -> NDArray[np.bool_]:
        """(n, m) whether seeds were requested and none gave a value."""
        return self.tried & (self.surface.count == 0)

    def behind(self, row: int | None = None) -> Array:
        """Return the standard errors by which each point lies behind the best.

        Of a row (m,), or of all rows (n, m): 0 at the best, infinite where nothing was measured.
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

    def raise_seeds(
        self, targets: Iterable[Sequence[int]], limit: int, reason: str
    ) -> list[Addition]:
        """Return the additional seeds that bring points to their targets, at most to `limit`.

        Args:
            targets: row, column and number of seeds of each point; one that has them gets none.
        """
        additions = []
        for row, column, seeds in targets:
            missing = min(seeds, limit) - int(self.requested[row, column])
            if missing > 0:
                additions.append(Addition(row, column, missing, reason))
        return additions


class _PointVariance(NamedTuple):
    """Sums of squares for an F test of the points of a row, in the model point + seed."""

    between: float = 0.0  # that the points explain
    points: int = 0
    squares: float = 0.0  # that remain
    free: int = 0  # degrees of freedom of what remains

    def chance(self, overall: float) -> float:
        """Return the chance of points as far apart, if the mean square is `overall` or larger."""
        if self.points < 2 or self.free < 1:
            return 1.0
        spread = max(self.squares / self.free, overall)
        if spread <= 1e-12 * (self.between + self.squares):
            return 0.0 if self.between > 0 else 1.0
        return float(f.sf(self.between / (self.points - 1) / spread, self.points - 1, self.free))


def _variance_between_points(values: Array) -> _PointVariance:
    finite = np.isfinite(values)  # (m, S)
    points = int(finite.any(1).sum())
    seeds = int(finite.any(0).sum())
    free = int(finite.sum()) - points - seeds + 1
    if points < 2 or free < 1:
        return _PointVariance()
    if finite.all():
        # Balanced: the sums have a closed form.
        point_means = values.mean(1, keepdims=True)
        residuals = values - point_means - values.mean(0) + values.mean()
        between = seeds * float(((point_means - values.mean()) ** 2).sum())
        return _PointVariance(between, points, float((residuals**2).sum()), free)
    numbers = values[finite]
    point, seed = np.nonzero(finite)
    seed_columns = np.eye(values.shape[1])[seed]
    point_columns = np.eye(len(values))[point]
    squares_of_seeds = _residual_squares(seed_columns, numbers)
    squares = _residual_squares(np.concatenate([seed_columns, point_columns], axis=1), numbers)
    return _PointVariance(max(squares_of_seeds - squares, 0.0), points, squares, free)


def _residual_squares(design: Array, numbers: Array) -> float:
    """Return the sum of squares that remains after a least-squares fit."""
    fitted = design @ np.linalg.lstsq(design, numbers, rcond=None)[0]
    return float(((numbers - fitted) ** 2).sum())


def chances_as_good(values: Array) -> Array:
    """Return the two-sided p (n, m) that a point is as good as the one of the best mean.

    The best itself has 1, a point without values 0. t tests of differences in the model point +
    seed of all values (n, m, S), nan where a seed is missing; of its spread over all points or over
    the two compared the larger is taken, so that a quiet rest does not make a noisy pair sure.
    """
    flat = values.reshape(-1, values.shape[-1])
    finite = np.isfinite(flat)
    measured = np.flatnonzero(finite.any(1))
    point, seed = np.nonzero(finite[measured])
    point_columns = np.eye(len(measured))[point]
    design = np.concatenate([point_columns, np.eye(flat.shape[1])[seed]], axis=1)
    free = len(point) - np.linalg.matrix_rank(design)
    chances = np.zeros(len(flat))
    if not len(measured) or free < 1:
        chances[measured] = 1.0
        return chances.reshape(values.shape[:2])
    numbers = flat[measured][finite[measured]]
    inverse = np.linalg.pinv(design)  # (columns, N)
    effects = (inverse @ numbers)[: len(measured)]
    squares = (numbers - design @ (inverse @ numbers)) ** 2
    best = int(effects.argmax())
    weights = inverse[: len(measured)] - inverse[best]  # of each difference, (points, N)
    count = point_columns.sum(0)
    variance = squares.sum() / free
    # Sums of each point that are right on average.
    point_squares = (squares @ point_columns) * len(point) / free
    pair = (point_squares + point_squares[best]) / (count + count[best])
    spread = np.sqrt((weights**2).sum(1) * np.maximum(variance, pair))
    with np.errstate(invalid="ignore", divide="ignore"):
        chance = 2 * t.sf((effects[best] - effects) / spread, free)
    is_best = np.arange(len(measured)) == best
    chances[measured] = np.where(is_best, 1.0, np.nan_to_num(chance, nan=1.0))
    return chances.reshape(values.shape[:2])


def coarse(length: int) -> list[int]:
    """Return every other place, five at most and three at least, to begin the search along y.

    >>> coarse(5), coarse(12)
    ([0, 2, 4], [0, 3, 6, 8, 11])
    """
    return spread_out(length, max(3, min(5, length // 2 + 1)))


def between(place: int, tried: Iterable[int], length: int) -> list[int]:
    """Return untried places halfway from `place` to the next tried ones, or the end, on each side.

    >>> between(4, [0, 4, 5], 9), between(0, [0, 1], 9)
    ([2], [])
    """
    others = [other for other in tried if other != place]
    below = max((other for other in others if other < place), default=-1)
    above = min((other for other in others if other > place), default=length)
    halfway = []
    if place - below > 1:
        halfway.append((below + place) // 2 if below >= 0 else (place - 1) // 2)
    if above - place > 1:
        halfway.append((place + above + 1) // 2 if above < length else (place + length) // 2)
    return halfway


def affordable(requests: Sequence[Addition], costs: Array, remaining: float) -> list[Addition]:
    """Return the first of some additions that fit into what remains of the budget.

    Args:
        costs: (n, m) of a run at each point, in the budget's unit.
    """
    additions = []
    total = 0.0
    for request in requests:
        cost = float(costs[request.row, request.column])
        seeds = request.seeds
        if cost > 0:
            seeds = min(seeds, int((remaining - total) / cost + 1e-9))
        if seeds > 0:
            additions.append(Addition(request.row, request.column, seeds, request.reason))
            total += seeds * cost
    return additions

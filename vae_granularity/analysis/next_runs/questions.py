"""Questions to a deciding sweep: which point is the best, and whether one of two is better.

Each question says which runs it needs before it is looked at, answers, and says which runs would
settle what its answer leaves open. The shape of a trajectory is in `trajectory_question`.
"""

from dataclasses import dataclass, field
from typing import ClassVar, Protocol

import numpy as np
from scipy.stats import norm

from vae_granularity.analysis.labels import name_of, values_label
from vae_granularity.analysis.next_runs.measured import (
    GIVE_UP_SE,
    Addition,
    Measured,
    between,
    chances_as_good,
    coarse,
)
from vae_granularity.analysis.points import Array
from vae_granularity.analysis.verdict import NOT_ENOUGH
from vae_granularity.runs.interval import student_reach


@dataclass(frozen=True)
class Answer:
    """Result of a look at the runs."""

    decided: bool
    shape: str  # a verdict's, or best, difference, not enough runs
    sentence: str
    support: dict[str, float] = field(default_factory=dict)


class Question(Protocol):
    """Question of a deciding sweep; all methods are pure functions of what is measured."""

    # True: a look's level is the error that it may spend (Bonferroni), as for t tests of few seeds,
    # whose looks are not those of a normal mean. False: that of a group-sequential bound.
    union_bound: ClassVar[bool]

    def prepare(self, measured: Measured) -> list[Addition]:
        """Return the runs needed before the question can be looked at; the most urgent first."""
        ...

    def look(self, measured: Measured, level: float) -> Answer:
        """Return the answer where a look may err with chance `level`."""
        ...

    def sharpen(self, measured: Measured, level: float) -> list[Addition]:
        """Return the fewest runs expected to settle an open answer, the most useful first."""
        ...


@dataclass(frozen=True)
class BestQuestion:
    """Find the best point of all, on one axis (a single row) or two.

    Along each axis one peak is assumed, as by `TrajectoryQuestion`. The best point is named where
    it beats every other one in a two-sided test at the look's level; so the error is that of a
    single test, however many points there are (Gutmann and Maymin 1987). The tests are t tests of
    the model point + seed.
    """

    union_bound: ClassVar[bool] = True

    first_seeds: int = 2
    min_seeds: int = 3
    max_seeds: int = 10
    give_up_se: float = GIVE_UP_SE

    def prepare(self, measured: Measured) -> list[Addition]:
        num_x, num_y = measured.requested.shape
        start = [(row, column) for row in coarse(num_x) for column in coarse(num_y)]
        untried = [point for point in start if not measured.tried[point]]
        if untried:
            return [Addition(*point, self.first_seeds, "coarse start") for point in untried]
        behind = measured.behind()
        if not np.isfinite(behind).any():
            return []
        row, column = map(int, np.unravel_index(behind.argmin(), behind.shape))
        neighbours = [(row, other) for other in gaps(measured.tried[row], column)]
        neighbours += [(other, column) for other in gaps(measured.tried[:, column], row)]
        if neighbours:
            reason = "beside the best so far"
            return [Addition(*point, self.first_seeds, reason) for point in neighbours]
        # Twice as far as for a trajectory: a look must not depend on a few lucky seeds.
        competing = np.argwhere(behind < 2 * self.give_up_se).tolist()
        targets = [(row, column, self.min_seeds) for row, column in competing]
        return measured.raise_seeds(targets, self.max_seeds, "competes for the best")

    def look(self, measured: Measured, level: float) -> Answer:
        chances = chances_as_good(measured.surface.values)
        finite = np.isfinite(measured.means)
        if not finite.any():
            return Answer(False, NOT_ENOUGH, f"{NOT_ENOUGH} to tell: no run has a value")
        row, column = map(int, np.unravel_index(measured.means.argmax(), chances.shape))
        point = _point_label(measured, row, column)
        # The largest chance, 1, is that of the best point itself.
        others = np.sort(chances[finite])[::-1][1:]
        if len(others) and (others < level).all():
            worse = f"every other point tried is worse (p ≤ {others.max():.2g} each)"
            edge = _edge_words(measured, row, column)
            return Answer(True, "best", f"best: {point}; {worse}{edge}")
        sentence = (
            f"{NOT_ENOUGH} to tell: {point} is ahead in {measured.surface.value_name}, "
            f"and {(others >= level).sum()} other points may be as good"
        )
        return Answer(False, NOT_ENOUGH, sentence)

    def sharpen(self, measured: Measured, level: float) -> list[Addition]:
        means = measured.means
        best = np.unravel_index(means.argmax(), means.shape)
        if not np.isfinite(means[best]):
            return []
        as_good = chances_as_good(measured.surface.values) >= level
        rivals = np.argwhere(np.isfinite(means) & as_good).tolist()
        rivals.sort(key=lambda point: -means[tuple(point)])
        second = max((means[r, c] for r, c in rivals if (r, c) != best), default=-np.inf)
        bound = float(norm.isf(max(level, 1e-4) / 2))
        targets = []
        for row, column in rivals:
            rival_mean = second if (row, column) == best else means[row, column]
            gap = max(means[best] - rival_mean, 1e-12)
            needed = 2 * (measured.spreads[row, column] * bound / gap) ** 2
            targets.append((row, column, target_seeds(needed, measured.requested[row, column])))
        return measured.raise_seeds(targets, self.max_seeds, "competes for the best")


@dataclass(frozen=True)
class DifferenceQuestion:
    """Find whether the first of two points is better than the second by more than `larger_than`.

    A surface of one row and two places. The paired differences over seeds; decided where their
    Student interval at the look's level lies on one side of `larger_than`.
    """

    union_bound: ClassVar[bool] = True

    larger_than: float = 0.0
    first_seeds: int = 3
    max_seeds: int = 10

    def prepare(self, measured: Measured) -> list[Addition]:
        targets = [(0, 0, self.first_seeds), (0, 1, self.first_seeds)]
        return measured.raise_seeds(targets, self.first_seeds, "coarse start")

    def look(self, measured: Measured, level: float) -> Answer:
        differences = self._differences(measured)
        count = len(differences)
        if count < 2 or level <= 0:
            sentence = f"{NOT_ENOUGH} to tell: {count} seeds have both points"
            return Answer(False, NOT_ENOUGH, sentence)
        half = float(student_reach(differences.std(ddof=1), count, level))
        low = differences.mean() - half
        high = differences.mean() + half
        first = _point_label(measured, 0, 0)
        second = _point_label(measured, 0, 1)
        interval = f"{first} less {second}: {low:.3g} to {high:.3g} ({count} seeds)"
        if low <= self.larger_than <= high:
            return Answer(False, NOT_ENOUGH, f"{NOT_ENOUGH} to tell: {interval}")
        side = "larger" if low > self.larger_than else "smaller"
        sentence = f"difference: {side} than {self.larger_than:g}; {interval}"
        return Answer(True, "difference", sentence)

    def sharpen(self, measured: Measured, level: float) -> list[Addition]:
        differences = self._differences(measured)
        gap = 1e-12
        spread = 1.0
        if len(differences) > 1:
            gap = max(abs(differences.mean() - self.larger_than), gap)
            spread = float(differences.std(ddof=1))
        needed = (float(norm.isf(max(level, 1e-4) / 2)) * spread / gap) ** 2
        seeds = target_seeds(needed, measured.requested.max())
        reason = "the interval of the difference holds the limit"
        return measured.raise_seeds([(0, 0, seeds), (0, 1, seeds)], self.max_seeds, reason)

    @staticmethod
    def _differences(measured: Measured) -> Array:
        """Return the differences of the seeds that have both points."""
        differences = measured.surface.values[0, 0] - measured.surface.values[0, 1]
        return differences[np.isfinite(differences)]


def target_seeds(needed: float, requested: int) -> int:
    """Return the seeds that a point is brought to: one more at least, twice as many at most.

    >>> target_seeds(2.5, 3), target_seeds(4.5, 3), target_seeds(100.0, 3)
    (4, 5, 6)
    """
    return int(min(max(np.ceil(needed), requested + 1), 2 * requested))


def gaps(tried: np.ndarray, place: int) -> list[int]:
    """Return the untried places halfway to the next tried ones, of a mask of the tried ones."""
    return between(place, np.flatnonzero(tried).tolist(), len(tried))


def _point_label(measured: Measured, row: int, column: int) -> str:
    surface = measured.surface
    x = f"{values_label(surface.x_name, [surface.x[row]])}, " if surface.x_name else ""
    return x + values_label(surface.y_name, [surface.y[column]])


def _edge_words(measured: Measured, row: int, column: int) -> str:
    """Return a note on the axes at whose ends a point lies; empty where it lies inside."""
    surface = measured.surface
    names = []
    if len(surface.x) > 1 and row in (0, len(surface.x) - 1):
        names.append(name_of(surface.x_name))
    if len(surface.y) > 1 and column in (0, len(surface.y) - 1):
        names.append(name_of(surface.y_name))
    return f"; it lies on the edge of the range of {' and '.join(names)}" if names else ""

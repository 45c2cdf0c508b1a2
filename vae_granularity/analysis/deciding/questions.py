"""Questions that runs can answer: what each needs before it is looked at, and what sharpens it."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import ClassVar, Protocol

import numpy as np
from scipy.stats import norm

from vae_granularity.analysis import trajectory
from vae_granularity.analysis.deciding.measured import (
    HOPELESS,
    Addition,
    Measured,
    between,
    chances_as_good,
    coarse,
)
from vae_granularity.analysis.page.labels import name_of, values_label
from vae_granularity.analysis.points import Array, spread_out
from vae_granularity.analysis.verdict import (
    MIN_PLACES,
    MIN_SUPPORT,
    NOT_ENOUGH,
    Verdict,
    judge,
    resampled_shapes,
)
from vae_granularity.runs.interval import student_reach

LEAST_BLAME = 0.15  # rows that move less often where the shape is another are sure enough


@dataclass(frozen=True)
class Answer:
    """What a look at the runs says."""

    decided: bool
    shape: str  # a verdict's, or best, difference, not enough runs
    sentence: str
    support: dict[str, float] = field(default_factory=dict)


class Question(Protocol):
    """What a deciding sweep asks; all methods are pure functions of what is measured."""

    # Whether a look's level is what it may spend (Bonferroni), as for t tests of few seeds, whose
    # looks are not those of a normal mean; else that of a group-sequential bound.
    union_bound: ClassVar[bool]

    def prepare(self, measured: Measured) -> list[Addition]:
        """What has to be run before the question can be looked at; the most urgent first."""
        ...

    def look(self, measured: Measured, level: float) -> Answer:
        """The answer where a look may err with chance `level`."""
        ...

    def sharpen(self, measured: Measured, level: float) -> list[Addition]:
        """The smallest addition expected to settle what a look left open, most useful first."""
        ...


@dataclass(frozen=True)
class Trajectory:
    """The shape of the best y over x: the verdicts of `analysis.verdict`, at places of the lattice.

    Along y one peak is assumed: the search halves the gaps beside the best value of each row.
    A look at level p asks for p where a single look asks for 5 %: that is the chance at which the
    rows may be level.
    """

    union_bound: ClassVar[bool] = False

    first_seeds: int = 2
    min_seeds: int = 3  # of a point that competes for the optimum of its row
    max_seeds: int = 10
    hopeless: float = HOPELESS
    num_bootstrap: int = 400

    def prepare(self, measured: Measured) -> list[Addition]:
        n, m = measured.asked.shape
        rows = np.flatnonzero(measured.tried.any(1)).tolist()
        if not rows:
            return self._first((i, j) for i in spread_out(n, MIN_PLACES) for j in coarse(m))
        return [one for row in rows for one in self._prepare_row(measured, row)]

    def _first(
        self, places: Iterable[tuple[int, int]], why: str = "coarse start"
    ) -> list[Addition]:
        return [Addition(i, j, self.first_seeds, why) for i, j in places]

    def _prepare_row(self, measured: Measured, row: int) -> list[Addition]:
        tried, y = measured.tried[row], name_of(measured.surface.y_name)
        missing = [(row, j) for j in coarse(len(tried)) if not tried[j]]
        if missing:
            return self._first(missing)
        behind = measured.behind(row)
        if not np.isfinite(behind).any():
            return []  # all failed
        gaps = [(row, j) for j in _gaps(tried, int(behind.argmin()))]
        if gaps:
            return self._first(gaps, f"beside the best {y} so far")
        best = int(behind.argmin())
        beside = [j for j in (best - 1, best + 1) if 0 <= j < len(tried)]
        # A row whose optimum has a neighbour with too few seeds is left out of the verdict.
        short = measured.more(
            [(row, j, self.first_seeds) for j in beside],
            self.max_seeds,
            f"beside the best {y} so far",
        )
        if short:
            return short
        competing = np.flatnonzero(behind < self.hopeless).tolist()
        wanted = [(row, j, self.min_seeds) for j in competing]
        return measured.more(wanted, self.max_seeds, f"competes for the best {y}")

    def look(self, measured: Measured, level: float) -> Answer:
        verdict = self._judge(measured, level)
        return Answer(verdict.shape != NOT_ENOUGH, verdict.shape, verdict.sentence, verdict.support)

    def _judge(self, measured: Measured, level: float) -> Verdict:
        return judge(self._trajectory(measured), min_seeds=self.first_seeds, max_chance=level)

    def _seeds_of_rivals(self, measured: Measured, level: float) -> list[Addition]:
        """Return one more seed at the points of a path and of a parallel one that only seeds cannot
        tell from it; the fewest seeds of these points decide that test.
        """
        verdict = self._judge(measured, level)
        if verdict.rivals is None:
            return []
        rows = verdict.places.astype(np.int64).tolist()
        num_y = measured.asked.shape[1]
        points = [
            (row, place)
            for row, places in zip(rows, verdict.rivals.T.tolist(), strict=True)
            for place in places
            if 0 <= place < num_y and measured.surface.count[row, place] > 0
        ]
        fewest = min(int(measured.surface.count[point]) for point in points)
        wanted = [
            (row, place, int(measured.asked[row, place]) + 1)
            for row, place in points
            if measured.surface.count[row, place] == fewest
        ]
        return measured.more(wanted, self.max_seeds, "a path beside it may be as good")

    def _trajectory(self, measured: Measured) -> trajectory.Trajectory:
        found = trajectory.make_trajectory(
            measured.surface,
            min_seeds=self.first_seeds,
            draws=self.num_bootstrap,
            permutations=0,  # chances of level rows come from the F test
        )
        return replace(found, flat=measured.level_chances[found.rows])

    def _unsettling(self, measured: Measured, level: float) -> dict[int, float]:
        """For each row with an optimum how often it moves where the resampled shape is another
        than the most frequent one: what seeds there can change.
        """
        found = self._trajectory(measured)
        found = found.only((found.flat <= level) & found.enclosed)
        if len(found.rows) < MIN_PLACES:
            return {}
        drawn = resampled_shapes(found.rows.astype(np.float64), found.draws)
        names = np.unique(drawn.shapes)
        likeliest = max(names, key=lambda name: drawn.share(drawn.shapes == name))
        odd = drawn.shapes != likeliest
        moved = found.draws != found.best
        share = moved[odd].mean(0) if odd.any() else moved.mean(0)
        return dict(zip(found.rows.tolist(), share.tolist(), strict=True))

    def sharpen(self, measured: Measured, level: float) -> list[Addition]:
        rivals = self._seeds_of_rivals(measured, level)
        if rivals:
            return rivals
        rows = np.flatnonzero(measured.tried.any(1)).tolist()
        clear = [row for row in rows if measured.level_chances[row] <= level]
        unsettling = self._unsettling(measured, level)
        found = []
        for row in sorted(rows, key=lambda row: -unsettling.get(row, 1.0)):
            if unsettling.get(row, 1.0) >= LEAST_BLAME:
                found += self._seeds_of_row(measured, row, level, row in clear)
        if len(clear) < MIN_PLACES or not found:
            found += self._new_rows(measured, rows)
        return found or self._one_more(measured, rows)

    def _seeds_of_row(
        self, measured: Measured, row: int, level: float, clear: bool
    ) -> list[Addition]:
        """Seeds at the points that may be the best of their row, as many as should tell them apart;
        where the row may be level, at all its points.
        """
        behind, y = measured.behind(row), name_of(measured.surface.y_name)
        means, spreads, asked = measured.means[row], measured.spreads[row], measured.asked[row]
        if not clear:
            known = np.flatnonzero(np.isfinite(behind)).tolist()
            wanted = [(row, j, int(asked[known].min()) + 1) for j in known]
            return measured.more(
                wanted, self.max_seeds, f"seeds cannot tell whether {y} matters here"
            )
        competing = np.flatnonzero(behind < self.hopeless).tolist()
        if len(competing) < 2:
            return []
        best = int(means.argmax())
        second = int(np.where(np.arange(len(means)) == best, -np.inf, means).argmax())
        sure, wanted = float(norm.isf((1 - MIN_SUPPORT) / 2)), []
        for j in competing:
            rival = second if j == best else best
            gap = max(abs(means[j] - means[rival]), 1e-12)
            needed = (spreads[j] ** 2 + spreads[rival] ** 2) * (sure / gap) ** 2
            wanted.append((row, j, _upto(needed, asked[j])))
        return measured.more(wanted, self.max_seeds, f"competes for the best {y}")

    def _new_rows(self, measured: Measured, rows: list[int]) -> list[Addition]:
        n, m = measured.asked.shape
        unused = [row for row in range(n) if row not in rows]
        if not unused:
            return []
        apart = max(unused, key=lambda row: (min(abs(row - r) for r in rows), -row))
        x = name_of(measured.surface.x_name)
        why = f"another {x}: too few of those tried show an optimum"
        return self._first(((apart, j) for j in coarse(m)), why)

    def _one_more(self, measured: Measured, rows: list[int]) -> list[Addition]:
        wanted = []
        for row in rows:
            behind = measured.behind(row)
            usable = measured.tried[row] & ~measured.failed[row]
            if np.isfinite(behind).any():
                best = int(behind.argmin())
                near = (best, best - 1, best + 1)
                beside = [j for j in near if 0 <= j < len(usable) and usable[j]]
                wanted += [(row, j, int(measured.asked[row, j]) + 1) for j in beside]
        return measured.more(wanted, self.max_seeds, "the shape is unsure")


@dataclass(frozen=True)
class Best:
    """Which point is the best of all, on one axis (a single row) or two.

    Along each axis one peak is assumed, as by `Trajectory`. The best point is named where it beats
    every other one in a two-sided test at the look's level; so the error is that of a single test,
    however many points there are (Gutmann and Maymin 1987). The tests are t tests of the model
    point + seed.
    """

    union_bound: ClassVar[bool] = True

    first_seeds: int = 2
    min_seeds: int = 3
    max_seeds: int = 10
    hopeless: float = HOPELESS

    def prepare(self, measured: Measured) -> list[Addition]:
        n, m = measured.asked.shape
        start = [(i, j) for i in coarse(n) for j in coarse(m) if not measured.tried[i, j]]
        if start:
            return [Addition(i, j, self.first_seeds, "coarse start") for i, j in start]
        behind = measured.behind()
        if not np.isfinite(behind).any():
            return []
        row, column = (int(i) for i in np.unravel_index(behind.argmin(), behind.shape))
        beside = [(row, c) for c in _gaps(measured.tried[row], column)]
        beside += [(r, column) for r in _gaps(measured.tried[:, column], row)]
        if beside:
            return [Addition(r, c, self.first_seeds, "beside the best so far") for r, c in beside]
        competing = np.argwhere(behind < 2 * self.hopeless).tolist()  # no look hangs on luck
        wanted = [(r, c, self.min_seeds) for r, c in competing]
        return measured.more(wanted, self.max_seeds, "competes for the best")

    def look(self, measured: Measured, level: float) -> Answer:
        surface, chances = measured.surface, chances_as_good(measured.surface.values)
        if not np.isfinite(measured.means).any():
            return Answer(False, NOT_ENOUGH, f"{NOT_ENOUGH} to tell: no run has a value")
        row, column = map(int, np.unravel_index(measured.means.argmax(), chances.shape))
        point = _point_label(measured, row, column)
        rest = np.sort(chances[np.isfinite(measured.means)])[::-1][1:]  # the largest, 1, is its own
        if len(rest) and (rest < level).all():
            text = f"best: {point}; every other point tried is worse (p ≤ {rest.max():.2g} each)"
            return Answer(True, "best", text + _edges(measured, row, column))
        near = int((rest >= level).sum())
        text = f"{NOT_ENOUGH} to tell: {point} is ahead in {surface.value_name}, and {near} other"
        return Answer(False, NOT_ENOUGH, f"{text} points may be as good")

    def sharpen(self, measured: Measured, level: float) -> list[Addition]:
        chances, means = chances_as_good(measured.surface.values), measured.means
        best = np.unravel_index(means.argmax(), means.shape)
        if not np.isfinite(means[best]):
            return []
        sure, wanted = float(norm.isf(max(level, 1e-4) / 2)), []
        rivals = np.argwhere(np.isfinite(means) & (chances >= level)).tolist()
        others = [means[r, c] for r, c in rivals if (r, c) != best]
        for r, c in sorted(rivals, key=lambda place: -means[tuple(place)]):
            rival = means[r, c] if (r, c) != best else max(others, default=-np.inf)
            gap = max(means[best] - rival, 1e-12)
            needed = 2 * (measured.spreads[r, c] * sure / gap) ** 2
            wanted.append((r, c, _upto(needed, measured.asked[r, c])))
        return measured.more(wanted, self.max_seeds, "competes for the best")


@dataclass(frozen=True)
class Difference:
    """Whether the first of two points is better than the second by more than `larger_than`.

    A surface of one row and two places. The paired differences over seeds; decided where their
    Student interval at the look's level lies on one side of `larger_than`.
    """

    union_bound: ClassVar[bool] = True

    larger_than: float = 0.0
    first_seeds: int = 3
    max_seeds: int = 10

    def prepare(self, measured: Measured) -> list[Addition]:
        least = self.first_seeds
        return measured.more([(0, 0, least), (0, 1, least)], least, "coarse start")

    def look(self, measured: Measured, level: float) -> Answer:
        pairs = self._pairs(measured)
        if len(pairs) < 2 or level <= 0:
            text = f"{NOT_ENOUGH} to tell: {len(pairs)} seeds have both points"
            return Answer(False, NOT_ENOUGH, text)
        first, second = (_point_label(measured, 0, j) for j in (0, 1))
        half = float(student_reach(pairs.std(ddof=1), len(pairs), level))
        low, high = pairs.mean() - half, pairs.mean() + half
        says = f"{first} less {second}: {low:.3g} to {high:.3g} ({len(pairs)} seeds)"
        if low > self.larger_than or high < self.larger_than:
            side = "larger" if low > self.larger_than else "smaller"
            text = f"difference: {side} than {self.larger_than:g}; {says}"
            return Answer(True, "difference", text)
        return Answer(False, NOT_ENOUGH, f"{NOT_ENOUGH} to tell: {says}")

    def sharpen(self, measured: Measured, level: float) -> list[Addition]:
        pairs, gap, spread = self._pairs(measured), 1e-12, 1.0
        if len(pairs) > 1:
            gap = max(abs(pairs.mean() - self.larger_than), gap)
            spread = float(pairs.std(ddof=1))
        needed = (float(norm.isf(max(level, 1e-4) / 2)) * spread / gap) ** 2
        upto = _upto(needed, measured.asked.max())
        why = "the interval of the difference holds the limit"
        return measured.more([(0, 0, upto), (0, 1, upto)], self.max_seeds, why)

    @staticmethod
    def _pairs(measured: Measured) -> Array:
        found = measured.surface.values[0, 0] - measured.surface.values[0, 1]
        return found[np.isfinite(found)]


def _upto(needed: float, have: int) -> int:
    """The seeds that a point is brought to: as needed, one more at least, twice as many at most."""
    return int(min(max(np.ceil(needed), have + 1), 2 * have))


def _gaps(tried: np.ndarray, place: int) -> list[int]:
    return between(place, np.flatnonzero(tried).tolist(), len(tried))


def _point_label(measured: Measured, row: int, column: int) -> str:
    surface = measured.surface
    x = f"{values_label(surface.x_name, [surface.x[row]])}, " if surface.x_name else ""
    return x + values_label(surface.y_name, [surface.y[column]])


def _edges(measured: Measured, row: int, column: int) -> str:
    surface = measured.surface
    at = [(surface.x_name, row, len(surface.x)), (surface.y_name, column, len(surface.y))]
    on = [name_of(name) for name, place, n in at if n > 1 and place in (0, n - 1)]
    return f"; it lies on the edge of the range of {' and '.join(on)}" if on else ""

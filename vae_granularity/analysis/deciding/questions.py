"""Questions that runs can answer: what each needs before it is looked at, and what sharpens it."""

from dataclasses import dataclass, field, replace
from typing import ClassVar, Protocol

import numpy as np
from scipy.stats import norm, t

from vae_granularity.analysis import trajectory
from vae_granularity.analysis.deciding.measured import (
    HOPELESS,
    Addition,
    Measured,
    between,
    chances_as_good,
    coarse,
    spread_out,
)
from vae_granularity.analysis.deciding.spending import ALPHA
from vae_granularity.analysis.page.labels import name_of, value_label
from vae_granularity.analysis.points import Array
from vae_granularity.analysis.verdict import (
    MIN_PLACES,
    MIN_SUPPORT,
    NOT_ENOUGH,
    Verdict,
    judge,
    resampled_shapes,
)

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
    A look at level p asks for p where a single look asks for 5 %: rows may be level by chance p,
    and the shape may be missing in 20 % · p / 5 % of the resampled seeds.
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
            return [
                Addition(i, j, self.first_seeds, "coarse start")
                for i in spread_out(n, MIN_PLACES)
                for j in coarse(m)
            ]
        return [one for row in rows for one in self._prepare_row(measured, row)]

    def _prepare_row(self, measured: Measured, row: int) -> list[Addition]:
        m = measured.asked.shape[1]
        tried = np.flatnonzero(measured.tried[row]).tolist()
        missing = [j for j in coarse(m) if j not in tried]
        if missing:
            return [Addition(row, j, self.first_seeds, "coarse start") for j in missing]
        behind = measured.behind(row)
        if not np.isfinite(behind).any():
            return []  # all failed
        best = int(behind.argmin())
        gaps = between(best, tried, m)
        if gaps:
            why = f"beside the best {self._y(measured)} so far"
            return [Addition(row, j, self.first_seeds, why) for j in gaps]
        why = f"competes for the best {self._y(measured)}"
        competing = np.flatnonzero(behind < self.hopeless)
        few = [measured.more(row, int(j), self.min_seeds, self.max_seeds, why) for j in competing]
        return [one for some in few for one in some]

    def look(self, measured: Measured, level: float) -> Answer:
        verdict = self._verdict(measured, level)
        return Answer(verdict.shape != NOT_ENOUGH, verdict.shape, verdict.sentence, verdict.support)

    def _verdict(self, measured: Measured, level: float) -> Verdict:
        return judge(
            self._trajectory(measured),
            min_seeds=self.first_seeds,
            max_chance=level,
            min_support=self._support(level),
        )

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
        found = found.only(found.flat <= level)
        if len(found.rows) < MIN_PLACES:
            return {}
        shapes, _ = resampled_shapes(found.rows.astype(np.float64), found.draws)
        names, counts = np.unique(shapes, return_counts=True)
        odd = shapes != names[counts.argmax()]
        moved = found.draws != found.best
        share = moved[odd].mean(0) if odd.any() else moved.mean(0)
        return dict(zip(found.rows.tolist(), share.tolist(), strict=True))

    def _support(self, level: float) -> float:
        return 1 - (1 - MIN_SUPPORT) * level / ALPHA

    def sharpen(self, measured: Measured, level: float) -> list[Addition]:
        rows = np.flatnonzero(measured.tried.any(1)).tolist()
        clear = [row for row in rows if measured.level_chances[row] <= level]
        unsettling = self._unsettling(measured, level)
        order = sorted(rows, key=lambda row: -unsettling.get(row, 1.0))
        found = []
        for row in order:
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
        behind, y = measured.behind(row), self._y(measured)
        known = np.isfinite(behind)
        competing = np.flatnonzero(behind < self.hopeless if clear else known)
        if clear and len(competing) < 2:
            return []
        means, spreads, asked = measured.means[row], measured.spreads[row], measured.asked[row]
        best = int(means.argmax())
        sure = float(norm.isf((1 - self._support(level)) / 2))
        if not clear:
            why = f"seeds cannot tell whether {y} matters here"
            upto = int(asked[competing].min()) + 1
            return [
                o for j in competing for o in measured.more(row, int(j), upto, self.max_seeds, why)
            ]
        second = int(np.where(np.arange(len(means)) == best, -np.inf, means).argmax())
        why, found = f"competes for the best {y}", []
        for j in competing.tolist():
            rival = second if j == best else best
            gap = max(abs(means[j] - means[rival]), 1e-12)
            needed = (spreads[j] ** 2 + spreads[rival] ** 2) * (sure / gap) ** 2
            have = int(asked[j])
            upto = int(min(max(np.ceil(needed), have + 1), 2 * have))
            found += measured.more(row, j, upto, self.max_seeds, why)
        return found

    def _new_rows(self, measured: Measured, rows: list[int]) -> list[Addition]:
        n, m = measured.asked.shape
        unused = [row for row in range(n) if row not in rows]
        if not unused:
            return []
        x = name_of(measured.surface.x_name)
        apart = max(unused, key=lambda row: (min(abs(row - r) for r in rows), -row))
        why = f"another {x}: too few of those tried show an optimum"
        return [Addition(apart, j, self.first_seeds, why) for j in coarse(m)]

    def _one_more(self, measured: Measured, rows: list[int]) -> list[Addition]:
        found = []
        for row in rows:
            behind = measured.behind(row)
            if not np.isfinite(behind).any():
                continue
            best = int(behind.argmin())
            for j in (best, best - 1, best + 1):
                if 0 <= j < len(behind) and measured.tried[row, j]:
                    upto = int(measured.asked[row, j]) + 1
                    found += measured.more(row, j, upto, self.max_seeds, "the shape is unsure")
        return found

    @staticmethod
    def _y(measured: Measured) -> str:
        return name_of(measured.surface.y_name)


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
        grid = [(i, j) for i in coarse(n) for j in coarse(m)]
        start = [(i, j) for i, j in grid if not measured.tried[i, j]]
        if start:
            return [Addition(i, j, self.first_seeds, "coarse start") for i, j in start]
        behind = measured.behind()
        if not np.isfinite(behind).any():
            return []
        i, j = np.unravel_index(behind.argmin(), behind.shape)
        row, column = int(i), int(j)
        beside = [(row, c) for c in _gaps(measured.tried[row], column)]
        beside += [(r, column) for r in _gaps(measured.tried[:, column], row)]
        if beside:
            return [Addition(r, c, self.first_seeds, "beside the best so far") for r, c in beside]
        few = []
        for r, c in np.argwhere(behind < 2 * self.hopeless).tolist():  # no look hangs on luck
            few += measured.more(r, c, self.min_seeds, self.max_seeds, "competes for the best")
        return few

    def look(self, measured: Measured, level: float) -> Answer:
        surface, chances = measured.surface, self._chances(measured)
        if not np.isfinite(measured.means).any():
            return Answer(False, NOT_ENOUGH, f"{NOT_ENOUGH} to tell: no run has a value")
        best = np.unravel_index(measured.means.argmax(), chances.shape)
        point = _point_label(measured, *map(int, best))
        others = chances[np.isfinite(measured.means)]
        rest = np.sort(others)[::-1][1:]  # the largest, 1, is its own
        if len(rest) and (rest < level).all():
            edge = _edges(measured, *map(int, best))
            text = f"best: {point}; every other point tried is worse (p ≤ {rest.max():.2g} each)"
            return Answer(True, "best", text + edge)
        near = int((rest >= level).sum())
        text = f"{NOT_ENOUGH} to tell: {point} is ahead in {surface.value_name}, and {near} other"
        return Answer(False, NOT_ENOUGH, f"{text} points may be as good")

    def sharpen(self, measured: Measured, level: float) -> list[Addition]:
        chances, means, spreads = self._chances(measured), measured.means, measured.spreads
        best = np.unravel_index(means.argmax(), means.shape)
        if not np.isfinite(means[best]):
            return []
        sure, found = float(norm.isf(max(level, 1e-4) / 2)), []
        rivals = np.argwhere(np.isfinite(means) & (chances >= level)).tolist()
        for r, c in sorted(rivals, key=lambda place: -means[tuple(place)]):
            gap = means[best] - means[r, c]
            have = int(measured.asked[r, c])
            if (r, c) == best:
                gap = means[best] - max(
                    (means[tuple(q)] for q in rivals if tuple(q) != best), default=-np.inf
                )
            needed = 2 * (spreads[r, c] * sure / max(gap, 1e-12)) ** 2
            upto = int(min(max(np.ceil(needed), have + 1), 2 * have))
            found += measured.more(r, c, upto, self.max_seeds, "competes for the best")
        return found

    @staticmethod
    def _chances(measured: Measured) -> Array:
        """(n, m) two-sided p that each point is as good as the best, which itself has 1."""
        return chances_as_good(measured.surface.values)


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
        why = "coarse start"
        return [o for j in (0, 1) for o in measured.more(0, j, self.first_seeds, 10**9, why)]

    def look(self, measured: Measured, level: float) -> Answer:
        pairs = self._pairs(measured)
        first, second = (_point_label(measured, 0, j) for j in (0, 1))
        if len(pairs) < 2 or level <= 0:
            text = f"{NOT_ENOUGH} to tell: {len(pairs)} seeds have both points"
            return Answer(False, NOT_ENOUGH, text)
        half = float(t.isf(level / 2, len(pairs) - 1) * pairs.std(ddof=1) / np.sqrt(len(pairs)))
        low, high = pairs.mean() - half, pairs.mean() + half
        says = f"{first} less {second}: {low:.3g} to {high:.3g} ({len(pairs)} seeds)"
        if low > self.larger_than or high < self.larger_than:
            side = "larger" if low > self.larger_than else "smaller"
            text = f"difference: {side} than {self.larger_than:g}; {says}"
            return Answer(True, "difference", text)
        return Answer(False, NOT_ENOUGH, f"{NOT_ENOUGH} to tell: {says}")

    def sharpen(self, measured: Measured, level: float) -> list[Addition]:
        pairs = self._pairs(measured)
        have = int(measured.asked.max())
        gap = max(abs(pairs.mean() - self.larger_than), 1e-12) if len(pairs) > 1 else 1e-12
        spread = float(pairs.std(ddof=1)) if len(pairs) > 1 else 1.0
        needed = (norm.isf(max(level, 1e-4) / 2) * spread / gap) ** 2
        upto = int(min(max(np.ceil(needed), have + 1), 2 * have))
        why = "the interval of the difference holds the limit"
        each = [measured.more(0, j, upto, self.max_seeds, why) for j in (0, 1)]
        return [one for some in each for one in some]

    @staticmethod
    def _pairs(measured: Measured) -> Array:
        found = measured.surface.values[0, 0] - measured.surface.values[0, 1]
        return found[np.isfinite(found)]


def _gaps(tried: np.ndarray, place: int) -> list[int]:
    return between(place, np.flatnonzero(tried).tolist(), len(tried))


def _point_label(measured: Measured, row: int, column: int) -> str:
    surface = measured.surface
    parts = [(surface.y_name, surface.y[column])]
    if surface.x_name:
        parts.insert(0, (surface.x_name, surface.x[row]))
    return ", ".join(f"{name_of(name)} = {value_label(name, value)}" for name, value in parts)


def _edges(measured: Measured, row: int, column: int) -> str:
    surface = measured.surface
    at = [(surface.x_name, row, len(surface.x)), (surface.y_name, column, len(surface.y))]
    on = [name_of(name) for name, place, n in at if n > 1 and place in (0, n - 1)]
    return f"; it lies on the edge of the range of {' and '.join(on)}" if on else ""

"""Questions that runs can answer: what each needs before it is looked at, and what sharpens it."""

from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from scipy.stats import norm, t

from vae_granularity.analysis import trajectory
from vae_granularity.analysis.deciding.measured import (
    HOPELESS,
    PRIOR,
    Addition,
    Measured,
    between,
    coarse,
    spread_out,
)
from vae_granularity.analysis.deciding.spending import ALPHA
from vae_granularity.analysis.page.labels import name_of, value_label
from vae_granularity.analysis.verdict import (
    EDGE,
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
        return Answer(
            verdict.shape != NOT_ENOUGH, verdict.shape, verdict.sentence, verdict.support
        )

    def _verdict(self, measured: Measured, level: float) -> Verdict:
        return judge(
            self._trajectory(measured),
            min_seeds=self.first_seeds,
            max_chance=level,
            min_support=self._support(level),
        )

    def _trajectory(self, measured: Measured) -> trajectory.Trajectory:
        found = trajectory.make_trajectory(
            measured.surface, min_seeds=self.first_seeds, draws=self.num_bootstrap
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
        competing = np.flatnonzero(behind < self.hopeless) if clear else np.flatnonzero(known)
        if clear and len(competing) < 2:
            return []
        means, spreads, asked = measured.means[row], measured.spreads[row], measured.asked[row]
        best = int(means.argmax())
        sure = float(norm.isf((1 - self._support(level)) / 2))
        if not clear:
            why = f"seeds cannot tell whether {y} matters here"
            upto = int(asked[competing].min()) + 1
            return [o for j in competing for o in measured.more(row, j, upto, self.max_seeds, why)]
        found = []
        for j in competing:
            other = best if j != best else int(np.where(np.arange(len(means)) == best, -np.inf, means).argmax())
            gap = max(means[best] - means[other if j == best else j], 1e-12)
            needed = (spreads[j] ** 2 + spreads[other] ** 2) * (sure / gap) ** 2
            have = int(asked[j])
            if needed > have or behind[j] < sure:
                upto = int(min(max(np.ceil(needed), have + 1), 2 * have))
                why = f"competes for the best {y}"
                found += measured.more(row, int(j), upto, self.max_seeds, why)
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

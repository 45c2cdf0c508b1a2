"""Question of a deciding sweep for the shape of a trajectory: the best y over x."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from scipy.stats import norm

from vae_granularity.analysis.labels import name_of
from vae_granularity.analysis.next_runs.measured import GIVE_UP_SE, Addition, Measured, coarse
from vae_granularity.analysis.next_runs.questions import Answer, gaps, target_seeds
from vae_granularity.analysis.points import spread_out
from vae_granularity.analysis.trajectory import Trajectory, make_trajectory
from vae_granularity.analysis.verdict import (
    MIN_PLACES,
    MIN_SUPPORT,
    NOT_ENOUGH,
    Verdict,
    judge,
    resampled_shapes,
)

MIN_BLAME = 0.15  # rows that move less often where the shape is another are sure enough


@dataclass(frozen=True)
class TrajectoryQuestion:
    """Find the shape of the best y over x: the verdicts of `analysis.verdict`, on the lattice.

    Along y one peak is assumed: the search halves the gaps beside the best value of each row.
    A look at level p asks for p where a single look asks for 5 %: that is the chance at which the
    rows may be level.
    """

    union_bound: ClassVar[bool] = False

    first_seeds: int = 2
    min_seeds: int = 3  # of a point that competes for the optimum of its row
    max_seeds: int = 10
    give_up_se: float = GIVE_UP_SE
    num_bootstrap: int = 400

    def prepare(self, measured: Measured) -> list[Addition]:
        num_x, num_y = measured.requested.shape
        rows = np.flatnonzero(measured.tried.any(1)).tolist()
        if not rows:
            start = [
                (row, column) for row in spread_out(num_x, MIN_PLACES) for column in coarse(num_y)
            ]
            return self._first_seeds_at(start)
        additions = []
        for row in rows:
            additions += self._prepare_row(measured, row)
        return additions

    def look(self, measured: Measured, level: float) -> Answer:
        verdict = self._judge(measured, level)
        return Answer(verdict.shape != NOT_ENOUGH, verdict.shape, verdict.sentence, verdict.support)

    def sharpen(self, measured: Measured, level: float) -> list[Addition]:
        # While a parallel path may be as good, no seeds of single rows settle the shape.
        rivals = self._seeds_of_rivals(measured, level)
        if rivals:
            return rivals
        rows = np.flatnonzero(measured.tried.any(1)).tolist()
        clear = [row for row in rows if measured.level_chances[row] <= level]
        blame = self._blame_of_rows(measured, level)
        additions = []
        for row in sorted(rows, key=lambda row: -blame.get(row, 1.0)):
            if blame.get(row, 1.0) >= MIN_BLAME:
                additions += self._seeds_of_row(measured, row, row in clear)
        # Rows that are level for all we know may never show an optimum: another row may.
        if len(clear) < MIN_PLACES or not additions:
            additions += self._new_row(measured, rows)
        return additions or self._one_more_seed(measured, rows)

    def _first_seeds_at(
        self, points: Iterable[tuple[int, int]], reason: str = "coarse start"
    ) -> list[Addition]:
        return [Addition(row, column, self.first_seeds, reason) for row, column in points]

    def _prepare_row(self, measured: Measured, row: int) -> list[Addition]:
        tried = measured.tried[row]
        y = name_of(measured.surface.y_name)
        untried = [(row, column) for column in coarse(len(tried)) if not tried[column]]
        if untried:
            return self._first_seeds_at(untried)
        behind = measured.behind(row)
        if not np.isfinite(behind).any():
            return []  # all failed
        best = int(behind.argmin())
        reason = f"beside the best {y} so far"
        halfway = [(row, column) for column in gaps(tried, best)]
        if halfway:
            return self._first_seeds_at(halfway, reason)
        # A row whose optimum has a neighbour with too few seeds is left out of the verdict.
        neighbours = [column for column in (best - 1, best + 1) if 0 <= column < len(tried)]
        targets = [(row, column, self.first_seeds) for column in neighbours]
        additions = measured.raise_seeds(targets, self.max_seeds, reason)
        if additions:
            return additions
        competing = np.flatnonzero(behind < self.give_up_se).tolist()
        targets = [(row, column, self.min_seeds) for column in competing]
        return measured.raise_seeds(targets, self.max_seeds, f"competes for the best {y}")

    def _judge(self, measured: Measured, level: float) -> Verdict:
        trajectory = self._trajectory(measured)
        return judge(trajectory, min_seeds=self.first_seeds, max_chance=level)

    def _trajectory(self, measured: Measured) -> Trajectory:
        trajectory = make_trajectory(
            measured.surface,
            min_seeds=self.first_seeds,
            draws=self.num_bootstrap,
            permutations=0,  # chances of level rows come from the F test
        )
        return replace(trajectory, flat=measured.level_chances[trajectory.rows])

    def _seeds_of_rivals(self, measured: Measured, level: float) -> list[Addition]:
        """Return one more seed at a path and a parallel one that only seeds cannot tell apart.

        The fewest seeds of their points decide that test, so those points get them.
        """
        verdict = self._judge(measured, level)
        if verdict.rivals is None:
            return []
        count = measured.surface.count
        points = []
        for row, columns in zip(verdict.places.astype(np.int64), verdict.rivals.T, strict=True):
            inside = columns[(columns >= 0) & (columns < count.shape[1])]
            points += [(int(row), int(column)) for column in inside if count[row, column] > 0]
        fewest = min(int(count[point]) for point in points)
        targets = [
            (*point, int(measured.requested[point]) + 1)
            for point in points
            if count[point] == fewest
        ]
        reason = "a path beside it may be as good"
        return measured.raise_seeds(targets, self.max_seeds, reason)

    def _blame_of_rows(self, measured: Measured, level: float) -> dict[int, float]:
        """Return for each row how often its optimum moves in resamplings of another shape.

        Of another than the most frequent shape: that is what seeds in the row can change.
        """
        trajectory = self._trajectory(measured)
        trajectory = trajectory.only((trajectory.flat <= level) & trajectory.enclosed)
        if len(trajectory.rows) < MIN_PLACES:
            return {}
        resampled = resampled_shapes(trajectory.rows.astype(np.float64), trajectory.draws)
        names = np.unique(resampled.shapes)
        likeliest = max(names, key=lambda name: resampled.share(resampled.shapes == name))
        odd = resampled.shapes != likeliest
        moved = trajectory.draws != trajectory.best
        shares = moved[odd].mean(0) if odd.any() else moved.mean(0)
        return dict(zip(trajectory.rows.tolist(), shares.tolist(), strict=True))

    def _seeds_of_row(self, measured: Measured, row: int, clear: bool) -> list[Addition]:
        """Return as many seeds as should tell the points apart that may be the best of their row.

        Where the row may be level, one more at all its points.
        """
        behind = measured.behind(row)
        y = name_of(measured.surface.y_name)
        means = measured.means[row]
        spreads = measured.spreads[row]
        requested = measured.requested[row]
        if not clear:
            finite = np.flatnonzero(np.isfinite(behind)).tolist()
            targets = [(row, column, int(requested[finite].min()) + 1) for column in finite]
            reason = f"seeds cannot tell whether {y} matters here"
            return measured.raise_seeds(targets, self.max_seeds, reason)
        competing = np.flatnonzero(behind < self.give_up_se).tolist()
        if len(competing) < 2:
            return []
        best = int(means.argmax())
        second = int(np.where(np.arange(len(means)) == best, -np.inf, means).argmax())
        bound = float(norm.isf((1 - MIN_SUPPORT) / 2))
        targets = []
        for column in competing:
            rival = second if column == best else best
            gap = max(abs(means[column] - means[rival]), 1e-12)
            needed = (spreads[column] ** 2 + spreads[rival] ** 2) * (bound / gap) ** 2
            targets.append((row, column, target_seeds(needed, requested[column])))
        return measured.raise_seeds(targets, self.max_seeds, f"competes for the best {y}")

    def _new_row(self, measured: Measured, rows: list[int]) -> list[Addition]:
        """Return the first seeds of the untried row farthest from those tried."""
        num_x, num_y = measured.requested.shape
        untried = [row for row in range(num_x) if row not in rows]
        if not untried:
            return []
        farthest = max(untried, key=lambda row: (min(abs(row - other) for other in rows), -row))
        x = name_of(measured.surface.x_name)
        reason = f"another {x}: too few of those tried show an optimum"
        return self._first_seeds_at([(farthest, column) for column in coarse(num_y)], reason)

    def _one_more_seed(self, measured: Measured, rows: list[int]) -> list[Addition]:
        """Return one more seed at the best point of each row and at its neighbours."""
        targets = []
        for row in rows:
            behind = measured.behind(row)
            if not np.isfinite(behind).any():
                continue
            usable = measured.tried[row] & ~measured.failed[row]
            best = int(behind.argmin())
            for column in (best, best - 1, best + 1):
                if 0 <= column < len(usable) and usable[column]:
                    targets.append((row, column, int(measured.requested[row, column]) + 1))
        return measured.raise_seeds(targets, self.max_seeds, "the shape is unsure")

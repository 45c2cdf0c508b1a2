"""One step of a deciding sweep: look at what is measured, or say what to run next, or end."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vae_granularity.analysis.deciding.measured import Addition, Measured, affordable
from vae_granularity.analysis.deciding.questions import Answer, Question
from vae_granularity.analysis.deciding.spending import ALPHA, nominal_level, spent
from vae_granularity.analysis.points import Array


@dataclass(frozen=True)
class Look:
    """What a look at the question costs in error probability."""

    runs: int  # finished until then
    spent: float  # chance of a false answer up to this look
    level: float  # of this look alone


@dataclass(frozen=True)
class Step:
    """What comes next: additions, or an end with the last answer."""

    additions: tuple[Addition, ...]
    look: Look | None = None
    answer: Answer | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more is run: the question is answered, or the budget or seeds are."""
        return not self.additions


def step(
    question: Question,
    measured: Measured,
    looks: Sequence[Look],
    costs: Array,
    *,
    used: float,
    budget: float,
    alpha: float = ALPHA,
    corrected: bool = True,
) -> Step:
    """What a sweep does next, from what it has measured; a pure function.

    A look is taken only where what the question needs is there, or no longer affordable; the last
    one spends all that is left of `alpha`.

    Args:
        looks: those taken before.
        costs: (n, m) expected cost of a run at each point, in the budget's unit.
        used: of the budget.
        corrected: False takes every look at `alpha`, which errs more often; for comparison.
    """
    left, runs = budget - used, int(np.isfinite(measured.surface.values).sum())
    additions = affordable(question.prepare(measured), costs, left)[0]
    if additions:
        return Step(tuple(additions))

    def look_at(fraction: float) -> Look:
        if not corrected:
            return Look(runs, alpha, alpha)
        before = max((one.spent for one in looks), default=0.0)
        until = max(before, spent(fraction, alpha))
        if question.union_bound:
            return Look(runs, until, until - before)
        taken = [*((one.runs, one.spent) for one in looks), (max(runs, 1), until)]
        return Look(runs, until, nominal_level(*zip(*taken, strict=True)))

    look = look_at(used / budget)
    further = affordable(question.sharpen(measured, look.level), costs, left)[0]
    if not further:
        look = look_at(1.0)
    answer = question.look(measured, look.level)
    return Step(() if answer.decided else tuple(further), look, answer)

"""Take the next step of a deciding sweep: look at the question, add runs, or end.

Looking again and again at growing data finds something by chance sooner or later. So each look is
stricter than a single one would be: all looks together err with chance `ALPHA`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr
from scipy.stats import norm

from vae_granularity.analysis.next_runs.measured import Addition, Measured, affordable
from vae_granularity.analysis.next_runs.questions import Answer, Question
from vae_granularity.analysis.points import Array

ALPHA = 0.05  # of all looks together
NEGLIGIBLE = 1e-9  # chance that counts as zero
NODES = 201  # of the numerical integration over a statistic that was not significant yet


@dataclass(frozen=True)
class Look:
    """Error probability that a look at the question costs."""

    runs: int  # finished until then
    spent: float  # chance of a false answer up to this look
    level: float  # of this look alone


@dataclass(frozen=True)
class Step:
    """Additions to be run next, or an end with the last answer."""

    additions: tuple[Addition, ...]
    look: Look | None = None
    answer: Answer | None = None

    @property
    def ended(self) -> bool:
        """Return whether the sweep ends: it is answered, or its budget or seeds are used up."""
        return not self.additions


def next_step(
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
    """Return the next step of a sweep from what it has measured; a pure function.

    A look is taken only where what the question needs is there, or no longer affordable; the last
    one spends all that remains of `alpha`.

    Args:
        looks: those taken before.
        costs: (n, m) expected cost of a run at each point, in the budget's unit.
        used: of the budget.
        corrected: False takes every look at `alpha`, which errs more often; for comparison.
    """
    remaining = budget - used
    preparation = affordable(question.prepare(measured), costs, remaining)
    if preparation:
        return Step(tuple(preparation))
    runs = int(np.isfinite(measured.surface.values).sum())

    def look_at(fraction: float) -> Look:
        if not corrected:
            return Look(runs, alpha, alpha)
        before = max((look.spent for look in looks), default=0.0)
        spent = max(before, allowed_error(fraction, alpha))
        # Tests of few seeds do not follow the normal law that the group-sequential bound needs.
        if question.union_bound:
            return Look(runs, spent, spent - before)
        information = [look.runs for look in looks] + [max(runs, 1)]
        errors = [look.spent for look in looks] + [spent]
        return Look(runs, spent, nominal_level(information, errors))

    look = look_at(used / budget)
    additions = affordable(question.sharpen(measured, look.level), costs, remaining)
    # Nothing more can be run, so this is the last look: it may spend all that remains.
    if not additions:
        look = look_at(1.0)
    answer = question.look(measured, look.level)
    return Step(() if answer.decided else tuple(additions), look, answer)


def allowed_error(fraction: float, alpha: float = ALPHA) -> float:
    """Return the share of `alpha` that may be spent once `fraction` of the budget is: α t².

    Of the power family of Kim and DeMets (1987): early looks decide what is plain, and most remains
    for the last one.

    >>> round(allowed_error(0.5), 4), allowed_error(1.0)
    (0.0125, 0.05)
    """
    return alpha * min(max(fraction, 0.0), 1.0) ** 2


def nominal_level(information: Sequence[float], spent: Sequence[float]) -> float:
    """Return the two-sided level of the last of some looks, at which they spend what they may.

    Group-sequential bounds (Armitage, McPherson and Rowe 1969; Lan and DeMets 1983): for a mean of
    independent normal numbers, looked at as they come in, the chance that any look up to this one
    is significant although nothing is there is the last of `spent`. The level is 0 where the last
    look may spend nothing.

    Args:
        information: at each look, in any unit (such as runs), rising.
        spent: chance of a false alarm up to each look, not falling.

    >>> round(nominal_level([1.0], [0.05]), 4)
    0.05
    """
    return _nominal_level(tuple(map(float, information)), tuple(map(float, spent)))


@cache
def _nominal_level(information: tuple[float, ...], spent: tuple[float, ...]) -> float:
    # Scores S_k ~ N(0, I_k) with independent increments; `mass` lies at `nodes`, the scores of the
    # last look that were not significant.
    nodes = np.zeros(1)
    mass = np.ones(1)
    before = 0.0
    used = 0.0
    level = 0.0
    for current, allowed in zip(information, spent, strict=True):
        chance = allowed - used
        width = float(np.sqrt(max(current - before, 1e-12)))
        bound = _bound(nodes, mass, width, chance, float(np.sqrt(current)))
        level = 0.0 if chance <= NEGLIGIBLE else float(2 * norm.sf(bound / np.sqrt(current)))
        inner = np.linspace(-bound, bound, NODES)
        weights = np.full(NODES, inner[1] - inner[0])
        weights[[0, -1]] /= 2
        density = np.exp(-(((inner[:, None] - nodes) / width) ** 2) / 2) / (
            width * np.sqrt(2 * np.pi)
        )
        mass = density @ mass * weights
        nodes = inner
        before = current
        used = max(used, allowed)
    return level


def _bound(nodes: Array, mass: Array, width: float, chance: float, sd: float) -> float:
    """Return the score that is exceeded for the first time with that chance."""
    if chance <= NEGLIGIBLE:
        return 8.0 * sd

    def excess(bound: float) -> float:
        tails = ndtr((nodes - bound) / width) + ndtr((-bound - nodes) / width)
        return float(mass @ tails) - chance

    return float(np.asarray(brentq(excess, 0.0, 12.0 * sd)))

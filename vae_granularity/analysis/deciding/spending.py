"""How strict each look at growing data has to be, so that all looks together err as one would."""

from collections.abc import Sequence
from functools import cache

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr
from scipy.stats import norm

from vae_granularity.analysis.points import Array

ALPHA = 0.05  # of all looks together
NOTHING = 1e-9  # a chance that is none
NODES = 201  # of the numerical integration over a statistic that went on


def spent(fraction: float, alpha: float = ALPHA) -> float:
    """The part of `alpha` that may be spent when `fraction` of the budget is: α t².

    Of the power family of Kim and DeMets (1987): early looks decide what is plain, and most is left
    for the last one.

    >>> round(spent(0.5), 4), spent(1.0)
    (0.0125, 0.05)
    """
    return alpha * min(max(fraction, 0.0), 1.0) ** 2


def nominal_level(information: Sequence[float], spent: Sequence[float]) -> float:
    """Two-sided level of the last of some looks, at which they spend what they may; 0 if nothing.

    Group-sequential bounds (Armitage, McPherson and Rowe 1969; Lan and DeMets 1983): for a mean of
    independent normal numbers, looked at as they come in, the chance that any look up to this one
    is significant although nothing is there is the last of `spent`.

    Args:
        information: at each look, in any unit (such as runs), rising.
        spent: chance of a false alarm up to each look, not falling.

    >>> round(nominal_level([1.0], [0.05]), 4)
    0.05
    """
    return _nominal_level(tuple(map(float, information)), tuple(map(float, spent)))


@cache
def _nominal_level(information: tuple[float, ...], spent: tuple[float, ...]) -> float:
    # Scores S_k ~ N(0, I_k) with independent increments; `mass` lies at `nodes`, where the score
    # of the last look is that was not significant.
    nodes, mass, before, gone, level = np.zeros(1), np.ones(1), 0.0, 0.0, 0.0
    for now, until in zip(information, spent, strict=True):
        width = float(np.sqrt(max(now - before, 1e-12)))
        bound = _bound(nodes, mass, width, until - gone, float(np.sqrt(now)))
        level = 0.0 if until - gone <= NOTHING else float(2 * norm.sf(bound / np.sqrt(now)))
        inner = np.linspace(-bound, bound, NODES)
        weights = np.full(NODES, inner[1] - inner[0])
        weights[[0, -1]] /= 2
        density = np.exp(-(((inner[:, None] - nodes) / width) ** 2) / 2) / (
            width * np.sqrt(2 * np.pi)
        )
        mass = density @ mass * weights
        nodes, before, gone = inner, now, max(gone, until)
    return level


def _bound(nodes: Array, mass: Array, width: float, chance: float, sd: float) -> float:
    """Where a score is significant with that chance, having gone on until now."""
    if chance <= NOTHING:
        return 8.0 * sd

    def excess(bound: float) -> float:
        tails = ndtr((nodes - bound) / width) + ndtr((-bound - nodes) / width)
        return float(mass @ tails) - chance

    return float(np.asarray(brentq(excess, 0.0, 12.0 * sd)))

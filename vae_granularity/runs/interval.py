"""Mean and confidence interval of a number over seeds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vae_granularity.errors import ArgumentError, number


@dataclass(frozen=True)
class Interval:
    """Mean, standard deviation (n - 1) and confidence interval of `count` values; None where one
    value gives none.
    """

    mean: float
    std: float | None
    low: float | None
    high: float | None
    count: int


def student_reach(std: Any, count: Any, chance: float = 0.05) -> Any:
    """Half of Student's t interval of the mean of `count` values, which misses it with `chance`;
    nan for one value. Element by element for arrays.

    >>> round(float(student_reach(1.0, 4)), 3)
    1.591
    """
    from scipy.stats import t

    return t.isf(chance / 2, count - 1) * std / np.sqrt(count)


def interval(values: Sequence[float], level: float = 0.95) -> Interval:
    """Student's t interval of the mean.

    Raises:
        ArgumentError: no values, values that are not finite, or a level outside (0, 1).
    """
    level = number("level", level, 0, 1)
    if not 0 < level < 1:
        raise ArgumentError(f"level must be in (0, 1), got {level:g}")
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or not x.size or not np.isfinite(x).all():
        raise ArgumentError(f"values must be one or more finite numbers, got {values!r}")
    mean = float(x.mean())
    if x.size == 1:
        return Interval(mean, None, None, None, 1)
    std = float(x.std(ddof=1))
    reach = float(student_reach(std, x.size, 1 - level))
    return Interval(mean, std, mean - reach, mean + reach, int(x.size))

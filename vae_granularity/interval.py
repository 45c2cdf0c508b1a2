"""Student's interval of a mean: of one list of values, or of many means at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vae_granularity.errors import ArgumentError, number


@dataclass(frozen=True)
class Interval:
    """Mean, deviation (n - 1) and confidence interval of `count` values; of one, the mean alone."""

    mean: float
    std: float | None
    low: float | None
    high: float | None
    count: int


def interval(values: Sequence[float], level: float = 0.95) -> Interval:
    """Student's t interval of the mean.

    Raises:
        ArgumentError: no values, values that are not finite, or a level outside (0, 1).

    >>> found = interval([1.0, 3.0])
    >>> found.mean, round(found.high, 2)
    (2.0, 14.71)
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
    reach = float(half_width(std, x.size, level))
    return Interval(mean, std, mean - reach, mean + reach, int(x.size))


def half_width(std: Any, count: Any, level: float = 0.95) -> Any:
    """Half of the interval of means of `count` values of deviation `std`, elementwise.

    >>> round(float(half_width(1.0, 4)), 3)
    1.591
    """
    from scipy.stats import t

    return t.ppf((1 + level) / 2, np.maximum(count - 1, 1)) * std / count**0.5

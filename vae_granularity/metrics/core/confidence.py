"""How sure a score is: its standard error for one model, its spread and interval over seeds."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vae_granularity.errors import ArgumentError, integer, number
from vae_granularity.metrics.core.inputs import Codes
from vae_granularity.metrics.core.result import MetricResult, Scores

BY_CHANCE = ("seed", "found")  # what may differ between results that are averaged


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


def over_seeds(results: Sequence[MetricResult], level: float = 0.95) -> dict[str, Interval | None]:
    """Interval of each score over models that differ in their seed; missing values are left out,
    None where all are.

    Raises:
        ArgumentError: no results, or results of different protocols.
    """
    if not results:
        raise ArgumentError("results must hold at least one result, got none")
    for i, result in enumerate(results):
        if not same_protocol(result.protocol, results[0].protocol):
            raise ArgumentError(
                f"results must have one protocol, got {result.protocol} in results[{i}] and"
                f" {results[0].protocol} in the first"
            )
    known = {
        name: [v for v in (r.scores.get(name) for r in results) if v is not None]
        for r in results
        for name in r.scores
    }
    return {name: interval(values, level) if values else None for name, values in known.items()}


def same_protocol(a: Any, b: Any) -> bool:
    """Whether two protocols are equal but for the seed and for what was found in the data, at any
    depth.
    """
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        keys = (set(a) | set(b)) - set(BY_CHANCE)
        return all(key in a and key in b and same_protocol(a[key], b[key]) for key in keys)
    return bool(a == b)


def error_by_subsampling(
    score: Callable[[Codes], Scores],
    num_rows: int,
    *,
    num_draws: int = 20,
    fraction: float = 0.5,
    seed: int = 0,
) -> Scores:
    """Standard error of scores of a table of n rows, from draws of m = fraction · n rows without
    replacement.

    Valid for smooth estimators on rows (MIG, modularity, InfoM, InfoC, unsupervised), not for
    statistics that divide by a maximum (IRS). Repeating rows, as a bootstrap does, would give k-NN
    mutual information neighbours at distance 0. The spread over draws is scaled by √(m / (n - m))
    (the delete-d jackknife, Shao and Wu 1989); a bias that depends on n is not in it.

    Args:
        score: rows (m,) to scores.

    Raises:
        ArgumentError: fewer than 2 draws, a fraction outside (0, 1), or one that leaves no rows.
    """
    num_rows, num_draws = integer("num_rows", num_rows, 4), integer("num_draws", num_draws, 2)
    m = round(number("fraction", fraction, 0, 1) * num_rows)
    if not 2 <= m < num_rows:
        raise ArgumentError(
            f"fraction must leave between 2 and {num_rows - 1} of {num_rows} rows, got {fraction:g}"
        )
    rng = np.random.default_rng(seed)
    draws = [score(np.sort(rng.choice(num_rows, m, replace=False))) for _ in range(num_draws)]
    return _spread(draws, math.sqrt(m / (num_rows - m)))


def error_by_draws(score: Callable[[int], Scores], *, num_draws: int = 5, seed: int = 0) -> Scores:
    """Standard error of scores that draw from the ground truth (FactorVAE, BetaVAE, or any score of
    a fresh sample): the spread over repeated draws, `score` taking the seed of one.

    Raises:
        ArgumentError: fewer than 2 draws.
    """
    seeds = np.random.SeedSequence(seed).generate_state(integer("num_draws", num_draws, 2))
    return _spread([score(int(s)) for s in seeds], 1.0)


def _spread(draws: Sequence[Scores], scale: float) -> Scores:
    """Standard deviation over draws times `scale`; missing unless every draw has the score."""
    result: Scores = {}
    for name in draws[0]:
        values = [value for value in (draw.get(name) for draw in draws) if value is not None]
        result[name] = float(np.std(values, ddof=1)) * scale if len(values) == len(draws) else None
    return result

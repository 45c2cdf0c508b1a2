"""How sure a score of one model is: its standard error."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from vae_granularity.errors import ArgumentError, integer, number
from vae_granularity.metrics.core.inputs import Codes
from vae_granularity.metrics.core.result import Scores


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

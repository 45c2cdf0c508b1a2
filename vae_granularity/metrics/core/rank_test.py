"""Do two rankings of the same few things agree more than chance would have them?"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np

from vae_granularity.errors import ArgumentError

EXACT = 7  # things up to which all n! orders are counted (5 040)
DRAWS = 9999  # random orders above


@dataclass(frozen=True)
class RankTest:
    """Spearman's rank correlation of n pairs, and its one-sided permutation test."""

    rho: float | None  # None where either side is constant
    p: float  # chance of a correlation as large or larger if the order is arbitrary
    least_p: float  # the smallest p that any order of these values has
    count: int  # n


def rank_test(x: Any, y: Any, *, seed: int = 0) -> RankTest:
    """Does y grow with x? Every order of the values of y is as likely if it does not; all are
    counted for n <= 7, and 9 999 random ones, seeded, above.

    Args:
        x, y: (n,) values; only their ranks count, equal ones share a rank.

    Raises:
        ArgumentError: lengths that differ, fewer than 2 values, or values that are not finite.
    """
    from scipy.stats import rankdata

    a, b = (np.asarray(values, dtype=np.float64) for values in (x, y))
    if a.shape != b.shape or a.ndim != 1 or len(a) < 2 or not np.isfinite([a, b]).all():
        raise ArgumentError(f"x and y must be two or more finite pairs, got x={x!r}, y={y!r}")
    a, b = (rankdata(values) - (len(values) + 1) / 2 for values in (a, b))
    length = float(np.sqrt((a @ a) * (b @ b)))
    if length == 0:
        return RankTest(None, 1.0, 1.0, len(a))
    orders = _orders(len(b), seed)
    by_chance = b[orders] @ a

    def chance(reached: float) -> float:
        return max(float((by_chance >= reached - 1e-9).mean()), 1 / len(orders))

    found, most = float(a @ b), float(np.sort(a) @ np.sort(b))
    return RankTest(found / length, chance(found), chance(most), len(a))


def _orders(n: int, seed: int) -> np.ndarray:
    """(R, n) orders, the given one among them."""
    if n <= EXACT:
        return np.array(list(permutations(range(n))))
    drawn = np.random.default_rng(seed).random((DRAWS, n)).argsort(-1)
    return np.concatenate([np.arange(n)[None], drawn])

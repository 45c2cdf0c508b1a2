"""Codes whose information on a factor is known: a few dimensions hold it, the others are noise."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np


class Code(NamedTuple):
    """Means (n, γ) of narrow posteriors, factor (n,), and the true share of the factor's entropy in
    a sample of them with noise of deviation σ.
    """

    mean: np.ndarray
    factor: np.ndarray
    share: float


def line(size: int) -> np.ndarray:
    """(K, 1, 1): the factor's values evenly on [-1, 1]."""
    return np.linspace(-1, 1, size)[:, None, None]


def angle(size: int) -> np.ndarray:
    """(K, 1, 2): a full turn on the unit circle."""
    turn = 2 * np.pi * np.arange(size) / size
    return np.stack((np.cos(turn), np.sin(turn)), 1)[:, None]


def radius(size: int) -> np.ndarray:
    """(K, 64, 2): circles of radius 1 to 2, at any of 64 angles."""
    return np.linspace(1, 2, size)[:, None, None] * angle(64).transpose(1, 0, 2)


def shared_sign(size: int) -> np.ndarray:
    """(K, 2, 2): (sf, s) with a random sign s: the first dimension alone tells f up to its sign."""
    sign = np.array([-1.0, 1.0])
    value = np.linspace(-1, 1, size)[:, None] * sign
    return np.stack((value, np.broadcast_to(sign, value.shape)), -1)


def mixed(size: int) -> np.ndarray:
    """(K, K, 2): the sum and the difference of two factors, over √2."""
    a, b = np.meshgrid(np.linspace(-1, 1, size), np.linspace(-1, 1, size), indexing="ij")
    return np.stack((a + b, a - b), -1) / np.sqrt(2)


def two(size: int) -> np.ndarray:
    """(K, K, 2): two factors, a dimension each."""
    return mixed(size) @ np.array([[1, 1], [1, -1]]) / np.sqrt(2)


def clusters(size: int) -> np.ndarray:
    """(K, 1, 5): each value at a random place of five dimensions."""
    return np.random.default_rng(5).normal(size=(size, 1, 5))


def parity(size: int) -> np.ndarray:
    """(K, 4, 3): signs of three dimensions whose product is that of f - (K - 1) / 2."""
    first = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]], dtype=float)
    upper = np.where(np.arange(size) < size / 2, -1.0, 1.0)[:, None]
    last = upper * first.prod(1)
    return np.concatenate((np.broadcast_to(first, (size, 4, 2)), last[..., None]), -1)


HELD = {
    "a: one dimension": line,
    "c: angle": angle,
    "d: two factors": two,
    "mixed": mixed,
    "radius": radius,
    "shared sign": shared_sign,
    "clusters": clusters,
    "parity of three": parity,
}
INDEPENDENT = "b: independent"
NAMES = (*list(HELD)[:1], INDEPENDENT, *list(HELD)[1:])
ACCEPTED = NAMES[:4]  # the codes of the acceptance table


def make(name: str, size: int, sigma: float, granularity: int, rows: int, seed: int) -> Code | None:
    """A code in a group of γ dimensions, the rest standard normal; None where γ is too small."""
    rng = np.random.default_rng(seed)
    factor = rng.integers(size, size=rows)
    places = _places(name, size)
    if places.shape[2] > granularity:
        return None
    means = places[factor, rng.integers(places.shape[1], size=rows)]
    rest = rng.normal(size=(rows, granularity - places.shape[2]))
    return Code(np.hstack((means, rest)), factor, true_share(name, size, sigma))


def _places(name: str, size: int) -> np.ndarray:
    """(K, N, d): the means of each value, equally likely, in the dimensions that hold it."""
    return np.zeros((size, 1, 0)) if name == INDEPENDENT else HELD[name](size)


@lru_cache
def true_share(name: str, size: int, sigma: float, draws: int = 4_000) -> float:
    """Share of log K, from exact posteriors of the factor at random points of the code."""
    places = _places(name, size)
    size, nuisance, dim = places.shape
    if dim == 0:
        return 0.0
    rng = np.random.default_rng(1)
    rows = rng.integers(size, size=draws), rng.integers(nuisance, size=draws)
    z = places[rows] + sigma * rng.normal(size=(draws, dim))
    log_p = np.empty((draws, size))
    for value, means in enumerate(places):
        distance = ((z[:, None] - means) ** 2).sum(2)
        log_p[:, value] = np.logaddexp.reduce(-distance / (2 * sigma**2), axis=1)
    log_p -= np.logaddexp.reduce(log_p, axis=1, keepdims=True)
    return 1 + float(log_p[np.arange(draws), rows[0]].mean()) / float(np.log(size))

"""Directions of a vector in which the values of a factor differ most, learned on one half of the
rows and read off the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vae_granularity.metrics.core.inputs import Array, Codes

RIDGE = 1e-3  # share of the mean variance inside a value that keeps its covariance invertible
ROWS_PER_PRODUCT = 4  # rows a feature from which products of dimensions are features too


class Reading(NamedTuple):
    """One half of the rows as the other half sees it."""

    axes: Array  # (m, r) coordinates along the discriminants, the most telling first
    codes: Codes  # (m,)
    log_loss: float  # nats, of a Gaussian classifier in these coordinates


def readings(x: Array, codes: Codes, seed: int, *, products: bool) -> Iterator[Reading]:
    """Each half of the rows through Fisher's discriminants of the other half: x (n, d), codes (n,)
    from 0.

    What is read off a held-out row cannot tell more of its value than the row does, so neither
    coordinates nor classifier gain information in expectation, whatever d. The halves are drawn
    within each value.

    Args:
        products: the squares and products of the dimensions are features beside them (where rows
            suffice): a radius, a spread, a sign that two dimensions share.
    """
    order = np.lexsort((np.random.default_rng(seed).random(len(codes)), codes))
    half = np.empty(len(codes), dtype=bool)
    half[order] = np.arange(len(codes)) % 2 == 0
    i, j = np.triu_indices(x.shape[1])
    if products and ROWS_PER_PRODUCT * (x.shape[1] + len(i)) <= len(x) // 2:
        x = np.hstack((x, x[:, i] * x[:, j]))
    for train in (half, ~half):
        yield _read(x[train], codes[train], x[~train], codes[~train])


def _read(x: Array, codes: Codes, other: Array, other_codes: Codes) -> Reading:
    counts = np.bincount(codes, minlength=int(max(codes.max(), other_codes.max())) + 1)
    centre, spread = x.mean(0), x.std(0)
    spread[spread == 0] = 1.0
    x, other = (x - centre) / spread, (other - centre) / spread
    members = (codes[:, None] == np.arange(len(counts))).astype(np.float64)
    means = (members.T @ x) / np.maximum(counts, 1)[:, None]
    axes = _axes(x - means[codes], means * np.sqrt(counts / len(x))[:, None])
    axes = axes[:, : max(1, len(counts) - 1)]
    seen, centres = other @ axes, means @ axes
    distance = (seen**2).sum(1)[:, None] - 2 * seen @ centres.T + (centres**2).sum(1)
    # Half a row for a value that the half lacks, so that its log is finite.
    log_q = np.log(np.maximum(counts, 0.5) / len(x)) - distance / 2
    log_q -= np.logaddexp.reduce(log_q, axis=1, keepdims=True)
    return Reading(
        seen, other_codes, -float(log_q[np.arange(len(other_codes)), other_codes].mean())
    )


def _axes(inside: Array, between: Array) -> NDArray[np.float64]:
    """Directions (p, p) of largest variance between values over variance inside, the inside
    whitened: inside (n, p), between (K, p).
    """
    within = inside.T @ inside / len(inside)
    within += np.eye(len(within)) * max(RIDGE * np.trace(within) / len(within), 1e-12)
    whiten = np.linalg.inv(np.linalg.cholesky(within)).T
    return whiten @ np.linalg.eigh(whiten.T @ (between.T @ between) @ whiten)[1][:, ::-1]

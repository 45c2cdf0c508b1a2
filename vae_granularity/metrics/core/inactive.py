"""Which latent dimensions hold nothing: the one rule of all scores and of the figures.

A dimension is inactive if it does not vary beyond rounding, or by its posterior. Standardising
makes the ripple of a dead dimension as large as a live one: on MNIST a group with a KL of at most
0.03 nats seemed to hold 1.14 nats about the digit, beside 1.18 for the live group.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vae_granularity.errors import ArgumentError
from vae_granularity.metrics.core.inputs import Array, as_array

KL_THRESHOLD = 0.01  # nats
ROUNDING = 1e-12  # range, relative to the size of the numbers, that rounding alone may give
TAIL = 0.005  # share of the rows on either side that does not decide where outliers begin


def mean_kl(mu: Array, logvar: Array) -> Array:
    """Mean KL(N(mu, exp(logvar)) || N(0, 1)) of each dimension in nats: (n, D) twice to (D,).

    >>> mean_kl(np.array([[0.0, 1.0]]), np.zeros((1, 2))).tolist()
    [0.0, 0.5]
    """
    return 0.5 * np.mean(mu**2 + np.exp(logvar) - logvar - 1, axis=0)


def active(latents: Array, kl: Any = None, *, least_range: float = 0.0) -> NDArray[np.bool_]:
    """(D,) dimensions of latents (n, D) that vary beyond rounding and are not `inactive` by kl.

    Args:
        least_range: share of the widest dimension's range that a dimension's must exceed too, both
            without outliers.

    >>> active(np.array([[0.0, 1.0, 0.0], [0.0, 2.0, 1.0]]), kl=[1.0, 0.5, 0.01]).tolist()
    [False, True, False]
    """
    varies = np.ptp(latents, axis=0) > ROUNDING * np.abs(latents).max(0)
    if least_range > 0:
        spread = typical_range(latents)
        varies &= spread > least_range * spread.max()
    return varies & ~inactive(kl, latents.shape[1])


def typical_range(latents: Array) -> Array:
    """Return the range (D,) of each dimension of latents (n, D) without its outliers.

    Outliers lie further from the middle 99 % of the rows than these are wide: 7.7 deviations from
    the mean of a normal dimension. Without any it is the whole range. A dimension that is constant
    in the middle 99 % has its whole range, too: what it does, it does in the other rows.

    >>> line = np.arange(1000.0)
    >>> typical_range(np.stack((line, np.append(line[1:], 1e6)), axis=1)).tolist()
    [999.0, 998.0]
    """
    inside = _is_inside(latents)
    lowest = np.where(inside, latents, np.inf).min(0)
    highest = np.where(inside, latents, -np.inf).max(0)
    return highest - lowest


def outlying(latents: Array) -> list[int]:
    """Return the dimensions of latents (n, D) that have outliers, for a protocol."""
    return np.flatnonzero((~_is_inside(latents)).any(axis=0)).tolist()


def _is_inside(latents: Array) -> NDArray[np.bool_]:
    """Return which latents (n, D) are no outliers of their dimension, see `typical_range`."""
    low, high = np.quantile(latents, [TAIL, 1 - TAIL], axis=0)
    width = high - low
    return ((latents >= low - width) & (latents <= high + width)) | (width == 0)


def inactive(kl: Any, dim: int) -> NDArray[np.bool_]:
    """(D,) dimensions whose mean KL is at most 0.01 nats; none where kl is None (no posterior).

    Raises:
        ArgumentError: kl is not a finite number for each of the D dimensions.
    """
    if kl is None:
        return np.zeros(dim, dtype=bool)
    values = as_array("kl", kl)
    if values.shape != (dim,) or values.dtype.kind not in "biuf" or not np.isfinite(values).all():
        raise ArgumentError(f"kl must be a finite number for each of the {dim} latents, got {kl!r}")
    return values <= KL_THRESHOLD


def active_groups(groups: Sequence[Sequence[int]], on: NDArray[np.bool_]) -> list[list[int]]:
    """The active dimensions of each group, by the mask `on` (D,); empty for a group without one.

    >>> active_groups([(0, 1), (2,)], np.array([False, True, False]))
    [[1], []]
    """
    return [[d for d in group if on[d]] for group in groups]


def silenced(latents: Array, kl: Any) -> Array:
    """Latents (n, D), 0 where inactive by kl: scores treat those as they treat constants."""
    quiet = inactive(kl, latents.shape[1])
    return np.where(quiet, 0.0, latents) if quiet.any() else latents


def indices(mask: NDArray[np.bool_]) -> list[int]:
    """Dimensions of a mask (D,), for a protocol."""
    return np.flatnonzero(mask).tolist()


def found(kl: Any, dim: int) -> dict[str, list[int]]:
    """What a protocol says of it: the dimensions inactive by kl, nothing where kl is None."""
    return {} if kl is None else {"inactive_kl": indices(inactive(kl, dim))}


def marked(
    labels: Sequence[str], groups: Sequence[Sequence[int]], quiet: Sequence[int]
) -> list[str]:
    """The labels of units, those of units whose dimensions are all inactive with a note.

    >>> marked(["z0", "z1-z2"], [(0,), (1, 2)], [1, 2])
    ['z0', 'z1-z2 (inactive)']
    """
    pairs = zip(labels, groups, strict=True)
    return [f"{a} (inactive)" if set(group) <= set(quiet) else a for a, group in pairs]

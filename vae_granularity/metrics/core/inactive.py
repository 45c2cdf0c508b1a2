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


def mean_kl(mu: Array, logvar: Array) -> Array:
    """Mean KL(N(mu, exp(logvar)) || N(0, 1)) of each dimension in nats: (n, D) twice to (D,).

    >>> mean_kl(np.array([[0.0, 1.0]]), np.zeros((1, 2))).tolist()
    [0.0, 0.5]
    """
    return 0.5 * np.mean(mu**2 + np.exp(logvar) - logvar - 1, axis=0)


def active(latents: Array, kl: Any = None, *, least_range: float = 0.0) -> NDArray[np.bool_]:
    """(D,) dimensions of latents (n, D) that vary beyond rounding and are not `inactive` by kl.

    Args:
        least_range: share of the widest dimension's range that a dimension's must exceed too.

    >>> active(np.array([[0.0, 1.0, 0.0], [0.0, 2.0, 1.0]]), kl=[1.0, 0.5, 0.01]).tolist()
    [False, True, False]
    """
    spread = np.ptp(latents, axis=0)
    varies = (spread > ROUNDING * np.abs(latents).max(0)) & (spread > least_range * spread.max())
    return varies & ~inactive(kl, latents.shape[1])


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

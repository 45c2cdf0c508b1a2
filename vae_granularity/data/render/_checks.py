"""The one check that every renderer makes of its factors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vae_granularity.errors import ArgumentError


def checked_factors(factors: np.ndarray, names: Sequence[str], sizes: Sequence[int]) -> np.ndarray:
    """The factors as an (n, F) int64 array.

    Args:
        factors: (n, F) integers, columns in the order of `names`.
        names: F factor names.
        sizes: F numbers of values.

    Raises:
        ArgumentError: not an (n, F) array of integers, or a value outside [0, size - 1] of its
            factor.
    """
    array = np.asarray(factors)
    if (
        array.ndim != 2
        or array.shape[1] != len(names)
        or not np.issubdtype(array.dtype, np.integer)
    ):
        wanted = f"an (n, {len(names)}) array of integers ({', '.join(names)})"
        raise ArgumentError(f"factors must be {wanted}, got shape {array.shape} of {array.dtype}")
    outside = (array < 0) | (array >= np.asarray(sizes))
    if outside.any():
        row, column = np.argwhere(outside)[0]
        raise ArgumentError(
            f"factor {names[column]} must be in [0, {sizes[column] - 1}], got {array[row, column]} in row {row}"
        )
    return array.astype(np.int64, copy=False)

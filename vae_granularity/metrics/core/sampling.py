"""Draws from the ground truth for the scores that intervene on factors: batches that share the
value of one factor.
"""

from collections.abc import Iterator

import numpy as np

from vae_granularity.errors import ArgumentError
from vae_granularity.metrics.core.inputs import (
    Array,
    Codes,
    Encode,
    FactorSpace,
    TooLittleData,
    real_table,
)

# Rows encoded at once: large enough for an encoder, small enough for the cache and for a GPU.
ROWS = 2**16


def varying_factors(space: FactorSpace, at_least: int = 1) -> list[int]:
    """Factors with two or more values. Raises TooLittleData where there are not `at_least`."""
    varying = [f for f, size in enumerate(space.sizes) if size > 1]
    if len(varying) < at_least:
        wanted = "a factor" if at_least == 1 else f"{at_least} factors"
        raise TooLittleData(
            f"space must have {wanted} with two or more values, got sizes {tuple(space.sizes)}"
        )
    return varying


def encode_rows(encode: Encode, factors: Codes, dim: int | None = None) -> Array:
    """Latents (n, D) of factors (n, F), checked: one row a factor row, finite, `dim` columns where
    given; float32 stays float32.
    """
    latents = real_table(encode(factors), "encode(factors)")
    if len(latents) != len(factors) or (dim is not None and latents.shape[1] != dim):
        wanted = f"{len(factors)} rows" + ("" if dim is None else f" of {dim} latents")
        raise ArgumentError(f"encode(factors) must give {wanted}, got shape {latents.shape}")
    return latents if latents.dtype == np.float32 else latents.astype(np.float64, copy=False)


def grid_sample(encode: Encode, space: FactorSpace, n: int, rng: np.random.Generator) -> Array:
    """Latents (n, D) of n random points of the grid."""
    parts = [
        encode_rows(encode, space.sample(min(ROWS, n - start), rng)) for start in range(0, n, ROWS)
    ]
    return np.concatenate(parts).astype(np.float64, copy=False)


def shared_factor_batches(
    space: FactorSpace,
    num_batches: int,
    batch_size: int,
    rng: np.random.Generator,
    *,
    pairs: bool = False,
) -> Iterator[tuple[Codes, Codes]]:
    """Chunks of (factors (b, batch_size, F), fixed (b,)): batch i shares its value of factor
    fixed[i], all else is random.

    Only factors with two or more values are fixed: the index of the others could not be told from
    any code.

    Args:
        pairs: row j of the first half shares its own value with row j of the second half, in place
            of one value for the whole batch, whose size must then be even.
    """
    varying = np.array(varying_factors(space))
    chunk = max(1, ROWS // batch_size)
    for start in range(0, num_batches, chunk):
        b = min(chunk, num_batches - start)
        fixed = varying[rng.integers(len(varying), size=b)]
        factors = space.sample(b * batch_size, rng).reshape(b, batch_size, -1)
        rows = np.arange(b)
        held = factors[rows, : batch_size // 2 if pairs else 1, fixed]
        factors[rows, :, fixed] = np.tile(held, batch_size // held.shape[1])
        yield factors, fixed

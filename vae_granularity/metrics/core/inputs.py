"""Checks and conversions of what metrics take: latents (n, D) and integer factors (n, F)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vae_granularity.errors import ArgumentError
from vae_granularity.partition import LatentPartition

Array = NDArray[np.float64]
Codes = NDArray[np.int64]
Encode = Callable[[Any], Any]  # factors (n, F) -> latents (n, D)

# Squares and sums of larger numbers overflow float64.
LARGEST = 1e100


class NoGroupForm(ArgumentError):
    """A partition was given to a metric without group form; the message names the one to use."""


class TooLittleData(ArgumentError):
    """Table and options are fine, but there are too few rows for them, or no factor varies."""


class FactorSpace(Protocol):
    """What metrics need of a grid of factors; `vae_granularity.data` has the implementation."""

    @property
    def names(self) -> tuple[str, ...]: ...

    @property
    def sizes(self) -> tuple[int, ...]: ...

    def sample(self, n: int, rng: np.random.Generator) -> NDArray[Any]: ...


@dataclass(frozen=True, eq=False)
class LabelledSample:
    """A checked sample; factors of one value are left out."""

    latents: Array  # (n, D)
    factors: Codes  # (n, F)
    test_latents: Array  # (m, D); m = 0 without a test part
    test_factors: Codes  # (m, F)
    kept_factors: tuple[int, ...]  # column of each factor in the table that was passed
    dropped_factors: tuple[int, ...]

    def protocol(self) -> dict[str, Any]:
        """Sample sizes and dropped factors, for the protocol of a result."""
        test = {"num_test": len(self.test_latents)} if len(self.test_latents) else {}
        kept, dropped = list(self.kept_factors), list(self.dropped_factors)
        sizes = {"num_samples": len(self.latents), **test}
        return {**sizes, "kept_factors": kept, "dropped_factors": dropped}


def as_array(name: str, value: Any) -> NDArray[Any]:
    """A tensor (any device, with or without gradient) or anything array-like as a numpy array."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        if str(value.dtype) == "torch.bfloat16":  # unknown to numpy
            value = value.float()
        return value.numpy()
    try:
        return np.asarray(value)
    except ValueError as error:
        raise ArgumentError(
            f"{name} must be a rectangular array, got {type(value).__name__}: {error}"
        ) from error


def as_latents(latents: Any, name: str = "latents", min_rows: int = 1) -> Array:
    """Latents as float64 (n, D), checked as by `real_table`."""
    return real_table(latents, name, min_rows).astype(np.float64, copy=False)


def real_table(latents: Any, name: str, min_rows: int = 1) -> NDArray[Any]:
    """A table (n, D) of finite numbers in its own dtype.

    Raises:
        ArgumentError: not two-dimensional, not real numbers, no columns, NaN, infinite or beyond
            1e100.
        TooLittleData: no rows, or fewer than `min_rows`.
    """
    array = as_array(name, latents)
    if array.ndim != 2 or array.shape[1] == 0:
        raise ArgumentError(f"{name} must have shape (n, D) with D >= 1, got shape {array.shape}")
    if array.dtype.kind not in "biuf":
        raise ArgumentError(f"{name} must be real numbers, got dtype {array.dtype}")
    if len(array) < max(min_rows, 1):
        raise TooLittleData(f"{name} must have at least {max(min_rows, 1)} rows, got {len(array)}")
    if not max(float(array.max()), -float(array.min())) <= LARGEST:  # nan fails too
        bad = np.flatnonzero(~(np.abs(array.astype(np.float64)) <= LARGEST).all(axis=0))
        raise ArgumentError(
            f"{name} must be finite and at most {LARGEST:g} in size, got NaN, inf or larger in"
            f" columns {bad}"
        )
    return array


def as_factors(factors: Any, rows: int, name: str = "factors", of: str = "latents") -> Codes:
    """Factors as int64 (n, F); a vector of n labels counts as one factor.

    Raises:
        ArgumentError: not integers, no column, or not as many rows as the latents.
    """
    array = as_array(name, factors)
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or array.shape[1] == 0:
        raise ArgumentError(f"{name} must have shape (n, F) with F >= 1, got shape {array.shape}")
    if array.dtype.kind not in "biu":
        raise ArgumentError(f"{name} must be integers, got dtype {array.dtype}")
    if len(array) != rows:
        raise ArgumentError(f"{name} must have as many rows as {of}, got {len(array)} and {rows}")
    return array.astype(np.int64)


def labelled_sample(
    latents: Any, factors: Any, test: Any = None, min_rows: int = 2
) -> LabelledSample:
    """Check a sample and, where given, its test part `(latents, factors)`; drop factors that have
    one value in either part.

    Raises:
        ArgumentError: as `as_latents` and `as_factors`; the parts differ in D or F.
        TooLittleData: too few rows; no factor has two values.
    """
    z = as_latents(latents, min_rows=min_rows)
    f = as_factors(factors, len(z))
    test_z, test_f = z[:0], f[:0]
    if test is not None:
        if not isinstance(test, (tuple, list)) or len(test) != 2:
            raise ArgumentError(
                f"test must be a pair (latents, factors), got {type(test).__name__}"
            )
        test_z = as_latents(test[0], "test latents")
        test_f = as_factors(test[1], len(test_z), "test factors", "test latents")
        if test_z.shape[1] != z.shape[1] or test_f.shape[1] != f.shape[1]:
            raise ArgumentError(
                f"test must have D={z.shape[1]} latents and F={f.shape[1]} factors as the rest, got"
                f" {test_z.shape[1]} and {test_f.shape[1]}"
            )
    varies = (f != f[:1]).any(axis=0)
    if test is not None:
        varies &= (test_f != test_f[:1]).any(axis=0)
    if not varies.any():
        part = "factors" if test is None else "factors and test factors"
        raise TooLittleData(
            f"{part} must hold at least one factor with two or more values, got none among"
            f" {f.shape[1]}"
        )
    kept, dropped = (tuple(int(i) for i in np.flatnonzero(mask)) for mask in (varies, ~varies))
    return LabelledSample(z, f[:, varies], test_z, test_f[:, varies], kept, dropped)


def groups_of(partition: LatentPartition | None, latent_dim: int) -> tuple[tuple[int, ...], ...]:
    """Groups of the partition; single dimensions for None.

    Raises:
        ArgumentError: not a LatentPartition, or one of another number of dimensions.

    >>> groups_of(LatentPartition.from_sizes([2, 1]), 3), groups_of(None, 2)
    (((0, 1), (2,)), ((0,), (1,)))
    """
    if partition is None:
        return tuple((d,) for d in range(latent_dim))
    if not isinstance(partition, LatentPartition):
        raise ArgumentError(f"partition must be a LatentPartition, got {type(partition).__name__}")
    if partition.latent_dim != latent_dim:
        raise ArgumentError(
            f"partition must cover the {latent_dim} latent dimensions of the table, got one of"
            f" {partition.latent_dim}"
        )
    return partition.groups


def unit_sets(
    partition: LatentPartition | None, latent_dim: int
) -> dict[str, tuple[tuple[int, ...], ...]]:
    """Units to score, by what the names of their scores end in: dimensions, groups where given.

    Raises:
        ArgumentError: as `groups_of`.

    >>> unit_sets(LatentPartition.from_sizes([2]), 2)
    {'': ((0,), (1,)), '_group': ((0, 1),)}
    """
    groups, singles = groups_of(partition, latent_dim), groups_of(None, latent_dim)
    return {"": singles} if partition is None else {"": singles, "_group": groups}

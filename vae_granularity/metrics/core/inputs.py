"""Checks and conversions of what metrics take: latents (n, D) and factors (n, F)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from vae_granularity.errors import ArgumentError, choice
from vae_granularity.partition import LatentPartition

Array = NDArray[np.float64]
Codes = NDArray[np.int64]
Encode = Callable[[Any], Any]  # factors (n, F) -> latents (n, D)

# Squares and sums of larger numbers overflow float64.
LARGEST = 1e100

# Kinds of factors. `discrete`: values without an order, which count as they are, however many there
# are. `ordered`: so too, while rows suffice; beyond, as continuous. `continuous`: metrics see its
# rank, and where they need few values the tenth of the ranks that it lies in.
FACTOR_KINDS = ("discrete", "ordered", "continuous")
FactorKinds = str | Sequence[str] | None  # one kind for all factors or one each; None: ordered
QUANTILE_BINS = 10
FEW_VALUES = 20  # so many are never cut into bins
ROWS_PER_VALUE = 20  # below, information on a value is estimated from too few rows


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
    continuous: NDArray[np.bool_]  # (F,) factors whose codes are quantile bins of their ranks
    values: Array  # (n, F) labels as they were passed
    test_values: Array  # (m, F)

    def subset(self, rows: Codes) -> Self:
        """Return the sample of some rows, without the factors of one value among them.

        Raises:
            TooLittleData: no factor has two values among them.
        """
        factors = self.factors[rows]
        varies = (factors != factors[:1]).any(axis=0)
        if not varies.any():
            raise TooLittleData(
                f"factors must hold at least one factor with two or more values among {len(rows)}"
                " rows, got none"
            )
        columns = np.array(self.kept_factors)
        constant = columns[~varies].tolist()
        return replace(
            self,
            latents=self.latents[rows],
            factors=factors[:, varies],
            test_factors=self.test_factors[:, varies],
            kept_factors=tuple(columns[varies].tolist()),
            dropped_factors=tuple(sorted({*self.dropped_factors, *constant})),
            continuous=self.continuous[varies],
            values=self.values[rows][:, varies],
            test_values=self.test_values[:, varies],
        )

    def ranks(self, f: int) -> tuple[Array, Array]:
        """Return the ranks (n,) of factor f, and of the test part (m,) among them, in [0, 1]."""
        values = self.values[:, f]
        return mean_ranks(values, values), mean_ranks(self.test_values[:, f], values)

    def protocol(self, continuous_are: str = "binned") -> dict[str, Any]:
        """Return sample sizes, dropped and continuous factors, for the protocol of a result.

        Args:
            continuous_are: what a metric does with continuous factors, `binned` or `regressed`.
        """
        entries: dict[str, Any] = {"num_samples": len(self.latents)}
        if len(self.test_latents):
            entries["num_test"] = len(self.test_latents)
        entries["kept_factors"] = list(self.kept_factors)
        entries["dropped_factors"] = list(self.dropped_factors)
        if self.continuous.any():
            columns = np.array(self.kept_factors)[self.continuous]
            entries[f"{continuous_are}_factors"] = columns.tolist()
            if continuous_are == "binned":
                entries["quantile_bins"] = QUANTILE_BINS
        return entries


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
    """Return factors of a grid as int64 (n, F); a vector of n labels counts as one factor.

    Raises:
        ArgumentError: not integers, no column, or not as many rows as the latents.
    """
    array = as_labels(factors, rows, name, of)
    if array.dtype.kind == "f":
        raise ArgumentError(f"{name} must be integers, got dtype {array.dtype}")
    return array.astype(np.int64)


def as_labels(factors: Any, rows: int, name: str = "factors", of: str = "latents") -> NDArray[Any]:
    """Return labels (n, F) as int64 or float64; a vector of n labels counts as one factor.

    Raises:
        ArgumentError: not finite numbers, no column, or not as many rows as the latents.
    """
    array = as_array(name, factors)
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or array.shape[1] == 0:
        raise ArgumentError(f"{name} must have shape (n, F) with F >= 1, got shape {array.shape}")
    if array.dtype.kind not in "biuf":
        raise ArgumentError(f"{name} must be integers or real numbers, got dtype {array.dtype}")
    if len(array) != rows:
        raise ArgumentError(f"{name} must have as many rows as {of}, got {len(array)} and {rows}")
    if array.dtype.kind != "f":
        return array.astype(np.int64)
    if not np.isfinite(array).all():
        bad = np.flatnonzero(~np.isfinite(array).all(axis=0))
        raise ArgumentError(f"{name} must be finite, got NaN or inf in columns {bad}")
    return array.astype(np.float64)


def labelled_sample(
    latents: Any,
    factors: Any,
    test: Any = None,
    min_rows: int = 2,
    factor_kinds: FactorKinds = None,
) -> LabelledSample:
    """Check a sample and, where given, its test part `(latents, factors)`; drop factors that have
    one value in either part; cut continuous ones into quantile bins.

    Args:
        factor_kinds: of `FACTOR_KINDS`, one for all factors or one each; None for `ordered`.

    Raises:
        ArgumentError: as `as_latents` and `as_labels`; the parts differ in D or F; no such kind, or
            not one for each factor.
        TooLittleData: too few rows; no factor has two values.
    """
    z = as_latents(latents, min_rows=min_rows)
    labels = as_labels(factors, len(z))
    test_z, test_labels = z[:0], labels[:0]
    if test is not None:
        if not isinstance(test, (tuple, list)) or len(test) != 2:
            raise ArgumentError(
                f"test must be a pair (latents, factors), got {type(test).__name__}"
            )
        test_z = as_latents(test[0], "test latents")
        test_labels = as_labels(test[1], len(test_z), "test factors", "test latents")
        if test_z.shape[1] != z.shape[1] or test_labels.shape[1] != labels.shape[1]:
            raise ArgumentError(
                f"test must have D={z.shape[1]} latents and F={labels.shape[1]} factors as the"
                f" rest, got {test_z.shape[1]} and {test_labels.shape[1]}"
            )
    continuous = continuous_factors(labels, factor_kinds)
    f = np.empty(labels.shape, dtype=np.int64)
    test_f = np.empty(test_labels.shape, dtype=np.int64)
    for column in range(labels.shape[1]):
        values = labels[:, column]
        test_values = test_labels[:, column]
        if continuous[column]:
            f[:, column] = quantile_bins(mean_ranks(values, values))
            test_f[:, column] = quantile_bins(mean_ranks(test_values, values))
        elif "f" in (values.dtype.kind, test_values.dtype.kind):
            both = np.concatenate((values, test_values))
            codes = np.unique(both, return_inverse=True)[1]
            f[:, column] = codes[: len(values)]
            test_f[:, column] = codes[len(values) :]
        else:
            f[:, column] = values
            test_f[:, column] = test_values
    varies = (f != f[:1]).any(axis=0)
    if test is not None:
        varies &= (test_f != test_f[:1]).any(axis=0)
    if not varies.any():
        part = "factors" if test is None else "factors and test factors"
        raise TooLittleData(
            f"{part} must hold at least one factor with two or more values, got none among"
            f" {labels.shape[1]}"
        )
    kept: tuple[int, ...] = tuple(np.flatnonzero(varies).tolist())
    dropped: tuple[int, ...] = tuple(np.flatnonzero(~varies).tolist())
    return LabelledSample(
        latents=z,
        factors=f[:, varies],
        test_latents=test_z,
        test_factors=test_f[:, varies],
        kept_factors=kept,
        dropped_factors=dropped,
        continuous=continuous[varies],
        values=labels[:, varies].astype(np.float64),
        test_values=test_labels[:, varies].astype(np.float64),
    )


def continuous_factors(labels: NDArray[Any], kinds: FactorKinds = None) -> NDArray[np.bool_]:
    """Return which factors (F,) of labels (n, F) are cut into bins.

    None of those declared discrete, nor of those with at most 20 values; every other one declared
    continuous; and those with fewer than 20 rows a value, declared ordered or not at all.

    >>> labels = np.stack((np.arange(100), np.arange(100) % 5), axis=1)
    >>> continuous_factors(labels).tolist(), continuous_factors(labels, "discrete").tolist()
    ([True, False], [False, False])

    Raises:
        ArgumentError: no such kind, or not one for each factor.
    """
    rows, columns = labels.shape
    declared = [kinds or "ordered"] * columns if kinds is None or isinstance(kinds, str) else kinds
    if len(declared) != columns:
        raise ArgumentError(
            f"factor_kinds must have one kind for each of {columns} factors, got {list(declared)}"
        )
    result = np.zeros(columns, dtype=bool)
    for column, kind in enumerate(declared):
        choice("factor_kinds", kind, FACTOR_KINDS)
        num_values = len(np.unique(labels[:, column]))
        is_cut = {
            "discrete": False,
            "ordered": is_sparse(num_values, rows),
            "continuous": num_values > FEW_VALUES,
        }
        result[column] = is_cut[kind]
    return result


def is_sparse(num_values: int, rows: int) -> bool:
    """Return whether a factor has many values, and so few rows that each is seen too seldom.

    >>> is_sparse(40, rows=10_000), is_sparse(40, rows=700), is_sparse(10, rows=100)
    (False, True, False)
    """
    return num_values > FEW_VALUES and num_values * ROWS_PER_VALUE > rows


def mean_ranks(values: NDArray[Any], among: NDArray[Any]) -> Array:
    """Return the ranks of values (m,) among others (n,), in [0, 1]; equal ones share their mean.

    >>> mean_ranks(np.array([5.0, 7.0]), np.array([7.0, 5.0])).tolist()
    [0.25, 0.75]
    """
    line = np.sort(among)
    below = np.searchsorted(line, values, side="left")
    up_to = np.searchsorted(line, values, side="right")
    return (below + up_to) / (2 * len(line))


def quantile_bins(ranks: Array) -> Codes:
    """Return the bin 0..9 of ranks (n,) in [0, 1]: a monotone map of the values changes none.

    >>> quantile_bins(np.array([0.0, 0.25, 1.0])).tolist()
    [0, 2, 9]
    """
    return np.minimum((ranks * QUANTILE_BINS).astype(np.int64), QUANTILE_BINS - 1)


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

"""The grid of generative factors: names, sizes, index ↔ factors, sampling."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import ArrayLike

from vae_granularity.errors import ArgumentError


@dataclass(frozen=True)
class FactorSpace:
    """All combinations of F discrete factors, numbered row-major: the last factor varies fastest.

    Factors of one value stay in the index and are listed in `constant`.

    >>> space = FactorSpace(("shape", "hue"), (3, 10))
    >>> space.size, space.index([[2, 7]]), space.factors([27])
    (30, array([27]), array([[2, 7]]))

    Args:
        twins: (factor, value, other value) whose images are the same, as both ends of a full turn;
            values beyond a factor's size are no part of this grid.

    Raises:
        ArgumentError: no factors, not one size >= 1 for each name, a repeated name, twins of a
            factor that there is not.
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...]
    twins: tuple[tuple[str, int, int], ...] = ()

    def __post_init__(self) -> None:
        names, sizes = tuple(self.names), tuple(int(size) for size in self.sizes)
        object.__setattr__(self, "names", names)
        object.__setattr__(self, "sizes", sizes)
        if not names or len(names) != len(sizes):
            wanted = f"one size for each of the factors {names}"
            raise ArgumentError(f"factor sizes must give {wanted}, got {sizes}")
        if len(set(names)) < len(names):
            raise ArgumentError(f"factor names must differ, got {names}")
        if min(sizes) < 1:
            got = dict(zip(names, sizes, strict=True))
            raise ArgumentError(f"factor sizes must be integers >= 1, got {got}")

        for factor, *_ in self.twins:
            self.position(factor)

    @property
    def num_factors(self) -> int:
        """F."""
        return len(self.sizes)

    @property
    def size(self) -> int:
        """Number of combinations: the product of the sizes."""
        return prod(self.sizes)

    @property
    def varying(self) -> tuple[str, ...]:
        """Names of the factors with more than one value."""
        return tuple(name for name, size in zip(self.names, self.sizes, strict=True) if size > 1)

    @property
    def constant(self) -> tuple[str, ...]:
        """Names of the factors with one value."""
        return tuple(name for name in self.names if name not in self.varying)

    def position(self, factor: str | int) -> int:
        """Column of a factor, given by name or number.

        Raises:
            ArgumentError: there is no such factor.
        """
        if isinstance(factor, str) and factor in self.names:
            return self.names.index(factor)
        if not isinstance(factor, str) and 0 <= factor < self.num_factors:
            return int(factor)
        accepted = f"one of {self.names} or in [0, {self.num_factors - 1}]"
        raise ArgumentError(f"factor must be {accepted}, got {factor!r}")

    def checked(self, factors: ArrayLike) -> np.ndarray:
        """Factor rows (n, F) as int64.

        Raises:
            ArgumentError: not (n, F) integers, or a value outside its factor's range.
        """
        rows, columns = np.asarray(factors), len(self.sizes)
        if rows.ndim != 2 or rows.shape[1] != columns or rows.dtype.kind not in "iu":
            wanted = f"an (n, {columns}) array of integers ({', '.join(self.names)})"
            raise ArgumentError(f"factors must be {wanted}, got shape {rows.shape} of {rows.dtype}")
        outside = (rows < 0) | (rows >= np.asarray(self.sizes))
        if outside.any():
            row, column = np.argwhere(outside)[0]
            accepted = f"{self.names[column]} must be in [0, {self.sizes[column] - 1}]"
            raise ArgumentError(f"factor {accepted}, got {rows[row, column]} in row {row}")
        return rows.astype(np.int64, copy=False)

    def index(self, factors: ArrayLike) -> np.ndarray:
        """Index (n,) int64 of the factor rows (n, F).

        Raises:
            ArgumentError: as `checked`.
        """
        rows = self.checked(factors)
        return np.asarray(np.ravel_multi_index(tuple(rows.T), self.sizes), np.int64)

    def factors(self, index: ArrayLike) -> np.ndarray:
        """Factor rows (n, F) int64 of the indices (n,).

        Raises:
            ArgumentError: an index outside [0, size).
        """
        flat = np.asarray(index, dtype=np.int64)
        if flat.size and (flat.min() < 0 or flat.max() >= self.size):
            got = f"values from {flat.min()} to {flat.max()}"
            raise ArgumentError(f"index must be in [0, {self.size - 1}], got {got}")
        return np.stack(np.unravel_index(flat, self.sizes), axis=-1).astype(np.int64)

    def depicted(self, index: ArrayLike) -> np.ndarray:
        """Indices (n,) of the same pictures, equal for `twins`: the first value stands for both."""
        rows = self.factors(index)
        for factor, value, other in self.twins:
            column = rows[:, self.position(factor)]
            column[column == other] = value
        return self.index(rows)

    def sample(
        self,
        n: int,
        rng: np.random.Generator | np.random.RandomState,
        fixed: Mapping[str | int, int] | None = None,
    ) -> np.ndarray:
        """Rows (n, F) int64 drawn uniformly, factor by factor; then `fixed` ones are overwritten.

        Every factor uses the generator, fixed or not: what the others get does not depend on it.
        """
        draw = rng.integers if isinstance(rng, np.random.Generator) else rng.randint
        rows = np.stack([draw(size, size=n) for size in self.sizes], axis=1).astype(np.int64)
        for factor, value in (fixed or {}).items():
            rows[:, self.position(factor)] = value
        if fixed:
            self.checked(rows[:1])  # a fixed value out of range is refused here
        return rows

    def traverse(self, base: Sequence[int] | np.ndarray, factor: str | int) -> np.ndarray:
        """Rows (size of the factor, F): `base` (F,) with one factor running through its values.

        >>> FactorSpace(("shape", "hue"), (3, 10)).traverse([2, 7], "shape").tolist()
        [[0, 7], [1, 7], [2, 7]]
        """
        column = self.position(factor)
        rows = np.repeat(np.asarray(base, dtype=np.int64)[None], self.sizes[column], axis=0)
        rows[:, column] = np.arange(self.sizes[column])
        return self.checked(rows)

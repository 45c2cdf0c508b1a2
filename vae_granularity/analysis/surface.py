"""A measured number over the grid of two swept parameters, with the spread over seeds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vae_granularity.errors import ArgumentError

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Surface:
    """Values of S seeds at the n × m points of a grid; nan where a seed has no run."""

    x_name: str
    y_name: str
    value_name: str
    x: tuple[Any, ...]  # n values of the first parameter, ascending
    y: tuple[Any, ...]  # m values of the second
    seeds: tuple[int, ...]  # S
    values: Array  # (n, m, S)

    def __post_init__(self) -> None:
        expected = (len(self.x), len(self.y), len(self.seeds))
        if self.values.shape != expected:
            raise ArgumentError(
                f"values must have shape (x, y, seeds) = {expected}, got {self.values.shape}"
            )

    @cached_property
    def count(self) -> NDArray[np.int64]:
        """(n, m) seeds with a value."""
        return np.isfinite(self.values).sum(-1)

    @cached_property
    def mean(self) -> Array:
        """(n, m) mean over seeds; nan where there is no run."""
        total = np.nansum(self.values, -1)
        return np.divide(total, self.count, out=np.full(total.shape, np.nan), where=self.count > 0)

    @cached_property
    def std(self) -> Array:
        """(n, m) standard deviation over seeds (n - 1); nan below two."""
        square = np.nansum((self.values - self.mean[..., None]) ** 2, -1)
        return np.sqrt(
            np.divide(
                square, self.count - 1, out=np.full(square.shape, np.nan), where=self.count > 1
            )
        )

    @property
    def transposed(self) -> Surface:
        """The same numbers with the two parameters exchanged."""
        return Surface(
            self.y_name,
            self.x_name,
            self.value_name,
            self.y,
            self.x,
            self.seeds,
            self.values.transpose(1, 0, 2),
        )


def make_surface(runs: pd.DataFrame, x: str, y: str, value: str, seed: str = "seed") -> Surface:
    """The surface of `value` over the columns `x` and `y` of a table with a row a run; runs of one
    point and seed are averaged.

    Raises:
        ArgumentError: a column that the table does not have.
    """
    for argument, name in (("x", x), ("y", y), ("value", value)):
        if name not in runs:
            raise ArgumentError(
                f"{argument} must be a column of the runs, got {name!r}; there are {', '.join(map(str, runs.columns))}"
            )
    known = runs[runs[value].notna()]
    xs, ys, seeds = (ordered(known[name]) for name in (x, y, seed))
    values = np.full((len(xs), len(ys), len(seeds)), np.nan)
    means = known.groupby([x, y, seed], observed=True, dropna=False)[value].mean()
    places = [{_key(v): i for i, v in enumerate(axis)} for axis in (xs, ys, seeds)]
    for point, number in means.items():
        i, j, s = (place[_key(v)] for place, v in zip(places, point, strict=True))
        values[i, j, s] = number
    return Surface(x, y, value, xs, ys, tuple(int(s) for s in seeds), values)


def ordered(column: pd.Series) -> tuple[Any, ...]:
    """The distinct values of a column: numbers ascending, words alphabetically, a missing value
    (None) first.
    """
    distinct = column.drop_duplicates()
    missing = (None,) if distinct.isna().any() else ()
    values = distinct.dropna().tolist()
    return (*missing, *sorted(values, key=lambda v: (isinstance(v, str), v)))


def _key(value: Any) -> Any:
    return None if value is None or value != value else value

"""Average measured numbers over seeds: mean and interval of points, surfaces of two parameters."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vae_granularity.analysis.labels import is_missing
from vae_granularity.errors import ArgumentError
from vae_granularity.runs.interval import student_reach

Array = NDArray[np.float64]

FAR = 10.0  # typical distances from the median of a point: normal noise has 7 standard deviations


def numbers_of(table: pd.DataFrame) -> list[str]:
    """Return the columns that hold measured numbers: terms, scores, time."""
    measured = [name for name in table.columns if name.startswith(("val/", "test/", "scores/"))]
    # TC within single groups exists for one partition alone and says nothing across points.
    numbers = [name for name in measured if name.count("/") == 1 and table[name].notna().any()]
    return [*numbers, "run.seconds"]


def point_keys(table: pd.DataFrame, parameters: Sequence[str]) -> list[pd.Series]:
    """Return the columns to group runs by point; without parameters all runs are one point."""
    return [table[name] for name in parameters] or [pd.Series(0, index=table.index, name="all")]


def average_seeds(
    table: pd.DataFrame, parameters: Sequence[str], numbers: Sequence[str]
) -> pd.DataFrame:
    """Return a row a point: its parameters, `runs`, the mean of each number and `±<number>`.

    The latter is half of Student's t interval at 95 %; of two runs half their difference, as their
    interval would say nothing; missing where only one run has the number. Missing numbers are left
    out.

    >>> runs = pd.DataFrame({"net.width": [1, 1, 2], "val/kl": [1.0, 3.0, 5.0]})
    >>> average_seeds(runs, ["net.width"], ["val/kl"]).round(2).to_dict("list")
    {'net.width': [1, 2], 'runs': [2, 1], 'val/kl': [2.0, 5.0], '±val/kl': [1.0, nan]}
    """
    measured = table[list(numbers)].astype(np.float64)
    groups = measured.groupby(point_keys(table, parameters), observed=True, dropna=False)
    count = groups.count()
    half = student_reach(groups.std(), count)
    half = half.where(count != 2, (groups.max() - groups.min()) / 2).add_prefix("±")
    points = pd.concat([groups.size().rename("runs"), groups.mean(), half], axis=1).reset_index()
    return points if parameters else points.drop(columns="all")


def far_seeds(table: pd.DataFrame, parameters: Sequence[str], value: str) -> pd.Series:
    """Return for each run whether its value lies far from the median over the seeds of its point.

    Far is more than `FAR` times the typical distance, the median over all runs. Runs that failed
    are such seeds: no interval of a mean holds where one in ten of them falls by 20 nats, and few
    seeds do not show it.

    >>> runs = pd.DataFrame({"seed": range(5), "val/elbo": [-20.0, -20.2, -20.1, -19.9, -41.0]})
    >>> far_seeds(runs, [], "val/elbo").tolist()
    [False, False, False, False, True]
    """
    values = table[value].astype(np.float64)
    points = values.groupby(point_keys(table, parameters), observed=True, dropna=False)
    medians = points.transform("median")
    distances = (values - medians).abs()
    # The middle run of an odd number of seeds is the median and has no distance.
    typical = distances[distances > 0].median()
    return distances > FAR * typical


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
        return np.nansum(self.values, -1) / np.where(self.count > 0, self.count, np.nan)

    @cached_property
    def std(self) -> Array:
        """(n, m) standard deviation over seeds (n - 1); nan below two."""
        square = np.nansum((self.values - self.mean[..., None]) ** 2, -1)
        return np.sqrt(square / np.where(self.count > 1, self.count - 1, np.nan))

    @property
    def transposed(self) -> "Surface":
        """Return the same numbers with the two parameters exchanged."""
        return replace(
            self,
            x_name=self.y_name,
            y_name=self.x_name,
            x=self.y,
            y=self.x,
            values=self.values.transpose(1, 0, 2),
        )


def make_surface(runs: pd.DataFrame, x: str, y: str, value: str) -> Surface:
    """Return the surface of a column over two others, of a table with a row a run and its `seed`.

    Runs of one point and seed are averaged.

    Raises:
        ArgumentError: a column that the table does not have.
    """
    for argument, name in (("x", x), ("y", y), ("value", value)):
        if name not in runs:
            raise ArgumentError(
                f"{argument} must be a column of the runs, got {name!r}; "
                f"there are {', '.join(map(str, runs.columns))}"
            )
    measured = runs[runs[value].notna()]
    axes = {name: ordered(measured[name]) for name in (x, y, "seed")}
    shape = tuple(len(axis) for axis in axes.values())
    places = tuple(_places(measured[name], axis) for name, axis in axes.items())
    point = np.ravel_multi_index(places, shape)
    numbers = measured[value].to_numpy(dtype=np.float64)
    count = np.bincount(point, minlength=math.prod(shape)).reshape(shape)
    total = np.bincount(point, numbers, math.prod(shape)).reshape(shape)
    values = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return Surface(
        x, y, value, x=axes[x], y=axes[y], seeds=tuple(map(int, axes["seed"])), values=values
    )


def _places(column: pd.Series, axis: tuple[Any, ...]) -> NDArray[np.int64]:
    """Return (N,) the place of each value on an axis of `ordered`: a missing one comes first."""
    # A Categorical gives missing values the code -1.
    first = int(axis[:1] == (None,))
    return pd.Categorical(column, categories=list(axis[first:])).codes.astype(np.int64) + first


def rows_of_point(
    table: pd.DataFrame, point: Mapping[str, Any] | pd.Series, parameters: Iterable[str]
) -> pd.DataFrame:
    """Return the rows that have a point's values of the parameters; missing ones are values too."""
    for name in parameters:
        column, value = table[name], point[name]
        table = table[column.isna() if is_missing(value) else column == value]
    return table


def spread_out(length: int, count: int) -> list[int]:
    """Return places spread evenly over 0 … length − 1, both ends among them.

    >>> spread_out(7, 5)
    [0, 2, 3, 4, 6]
    """
    return np.unique(np.linspace(0, length - 1, min(count, length)).round().astype(int)).tolist()


def ordered(column: pd.Series) -> tuple[Any, ...]:
    """Return the distinct values of a column: a missing one (None) first, numbers, then words.

    Numbers ascend.

    >>> ordered(pd.Series([2.0, None, 0.5, 2.0]))
    (None, 0.5, 2.0)
    """
    distinct = column.drop_duplicates()
    missing = (None,) if distinct.isna().any() else ()
    values = distinct.dropna().tolist()
    return (*missing, *sorted(values, key=lambda value: (isinstance(value, str), value)))

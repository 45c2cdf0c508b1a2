"""Cuts through the best point: a measured number over one parameter, a line for each value of
another, the rest held where it is best.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from typing import Any

import numpy as np
import pandas as pd

from vae_granularity.analysis.page.labels import name_of, value_label, with_unit
from vae_granularity.analysis.surface import ordered

MAX_LINES, MAX_PARAMETERS = 7, 4
Cut = dict[str, Any]


def cuts(
    points: pd.DataFrame, parameters: Sequence[str], numbers: Sequence[str], best: int | None
) -> list[Cut]:
    """One cut for each ordered pair of the first parameters (or for the only one): labels of the
    axis, lines with means and half intervals of every number.

    Args:
        points: of `aggregate`; best: the row whose values of the other parameters are held.
    """
    if best is None or not parameters:
        return []
    names = list(parameters)[:MAX_PARAMETERS]
    chosen = list(permutations(names, 2)) if len(names) > 1 else [(names[0], None)]
    return [_cut(points, parameters, numbers, best, x, by) for x, by in chosen]


def _cut(
    points: pd.DataFrame,
    parameters: Sequence[str],
    numbers: Sequence[str],
    best: int,
    x: str,
    by: str | None,
) -> Cut:
    held = [name for name in parameters if name not in (x, by)]
    runs = points
    for name in held:
        runs = runs[_equal(runs[name], points.at[best, name])]
    axis = ordered(runs[x])
    lines = [None] if by is None else _spread_out(ordered(runs[by]))
    parts = [runs if by is None else runs[_equal(runs[by], value)] for value in lines]
    return {
        "x": with_unit(x),
        "by": None if by is None else name_of(by),
        "held": ", ".join(
            f"{name_of(name)} = {value_label(name, points.at[best, name])}" for name in held
        ),
        "axis": [value_label(x, value) for value in axis],
        "lines": ["all"] if by is None else [value_label(by, value) for value in lines],
        "mean": {number: [_along(part, x, axis, number) for part in parts] for number in numbers},
        "half": {
            number: [_along(part, x, axis, f"±{number}") for part in parts] for number in numbers
        },
    }


def _along(points: pd.DataFrame, x: str, axis: Sequence[Any], column: str) -> list[float | None]:
    found = {_key(value): number for value, number in zip(points[x], points[column], strict=True)}
    values = [found.get(_key(value), np.nan) for value in axis]
    return [float(f"{value:.4g}") if np.isfinite(value) else None for value in values]


def _equal(column: pd.Series, value: Any) -> pd.Series:
    return column.isna() if value is None or value != value else column == value


def _key(value: Any) -> Any:
    return None if value is None or value != value else value


def _spread_out(values: Sequence[Any]) -> list[Any]:
    places = np.unique(
        np.linspace(0, len(values) - 1, min(len(values), MAX_LINES)).round().astype(int)
    )
    return [values[place] for place in places]

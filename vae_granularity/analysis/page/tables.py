"""What the page lists and draws as lines: the best points and runs, and cuts through the best."""

from collections.abc import Sequence
from itertools import permutations
from typing import Any

import numpy as np
import pandas as pd

from vae_granularity.analysis.page.labels import (
    is_missing,
    name_of,
    settings_label,
    value_label,
    with_unit,
)
from vae_granularity.analysis.points import ordered, rows_of_point
from vae_granularity.analysis.settings import Settings

MAX_LINES, MAX_PARAMETERS = 7, 4


def best_rows(
    frame: pd.DataFrame,
    columns: Sequence[str],
    parameters: Sequence[str],
    settings: Settings,
    file: str,
) -> dict[str, Any]:
    """Columns of the best rows of a table, at most `max_rows`; all of them are in the file."""
    value = settings.value
    best = frame.sort_values(value, ascending=not settings.maximise, na_position="last")
    shown = best.head(settings.max_rows)[list(columns)]
    named = {f"±{value}": "± 95 % (2 seeds: range)", "run.num_parameters": "parameters"}
    return {
        "columns": [named.get(name) or with_unit(name) for name in columns],
        "rows": [
            [_cell(name, cell, name in parameters) for name, cell in zip(columns, row, strict=True)]
            for row in shown.itertuples(index=False, name=None)
        ],
        "left_out": len(frame) - len(shown),
        "file": file,
    }


def _cell(column: str, value: Any, is_parameter: bool) -> Any:
    """Numbers stay numbers, so that they sort as such."""
    if is_missing(value):
        return value_label(column, value) if is_parameter else None
    if isinstance(value, str):
        return value
    return int(value) if float(value).is_integer() else float(f"{value:.5g}")


def line_charts(
    points: pd.DataFrame, parameters: Sequence[str], numbers: Sequence[str], settings: Settings
) -> list[dict[str, Any]]:
    """Cuts through the best point: numbers over one parameter, a line for each value of another.

    One for each ordered pair of the first parameters (or for the only one), the rest held where it
    is best: labels of the axis, lines with means and half intervals of every number.
    """
    known = points[settings.value].dropna()
    if known.empty or not parameters:
        return []
    at: Any = known.idxmax() if settings.maximise else known.idxmin()
    best = points.loc[at]
    first = list(parameters)[:MAX_PARAMETERS]
    chosen = list(permutations(first, 2)) if len(first) > 1 else [(first[0], None)]
    return [
        _line_chart(points, best[[p for p in parameters if p not in pair]], pair, numbers)
        for pair in chosen
    ]


def _line_chart(
    points: pd.DataFrame, held: pd.Series, pair: tuple[str, str | None], numbers: Sequence[str]
) -> dict[str, Any]:
    x, by = pair
    points = rows_of_point(points, held, held.index)
    axis = ordered(points[x])
    lines = [None] if by is None else _spread_out(ordered(points[by]))
    parts = [points if by is None else rows_of_point(points, {by: value}, [by]) for value in lines]
    return {
        "x": with_unit(x),
        "by": None if by is None else name_of(by),
        "held": settings_label({str(name): value for name, value in held.items()}),
        "axis": [value_label(x, value) for value in axis],
        "lines": ["all"] if by is None else [value_label(by, value) for value in lines],
        "mean": {name: [_along(part, x, axis, name) for part in parts] for name in numbers},
        "half": {name: [_along(part, x, axis, f"±{name}") for part in parts] for name in numbers},
    }


def _along(points: pd.DataFrame, x: str, axis: Sequence[Any], column: str) -> list[float | None]:
    keys = (None if is_missing(value) else value for value in points[x])
    found = dict(zip(keys, points[column], strict=True))
    values = [found.get(value, np.nan) for value in axis]
    return [float(f"{value:.4g}") if np.isfinite(value) else None for value in values]


def _spread_out(values: Sequence[Any]) -> list[Any]:
    count = min(len(values), MAX_LINES)
    places = np.linspace(0, len(values) - 1, count).round().astype(int)
    return [values[place] for place in np.unique(places)]

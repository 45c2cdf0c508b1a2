"""List best points and runs, and draw numbers as lines: cuts through the best point, training."""

from collections.abc import Sequence
from io import BytesIO
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vae_granularity.analysis.labels import (
    is_missing,
    name_of,
    settings_label,
    value_label,
    with_unit,
)
from vae_granularity.analysis.points import ordered, rows_of_point, spread_out
from vae_granularity.analysis.settings import Settings
from vae_granularity.files import read_regular_file

MAX_LINES = 7
MAX_PARAMETERS = 4
MAX_CURVE_POINTS = 200
TERMS = (
    "elbo",
    "reconstruction",
    "kl",
    "mutual_information",
    "between_group_tc",
    "within_group_tc",
    "dimension_kl",
)
CURVE_TITLES = {
    **{f"val/{term}": with_unit(f"val/{term}") for term in TERMS},
    "train/elbo": "ELBO of training batches (nats)",
}


def best_rows(
    frame: pd.DataFrame,
    columns: Sequence[str],
    parameters: Sequence[str],
    settings: Settings,
    file: str,
) -> dict[str, Any]:
    """Return columns of the best rows of a table, at most `max_rows`; all are in the file."""
    value = settings.value
    best = frame.sort_values(value, ascending=not settings.maximise, na_position="last")
    best = best.head(settings.max_rows)[list(columns)]
    titles = {
        f"±{value}": "± 95 %, each point alone (2 seeds: range)",
        "run.num_parameters": "parameters",
    }
    rows = []
    for cells in best.itertuples(index=False, name=None):
        named = zip(columns, cells, strict=True)
        rows.append([_cell(name, cell, name in parameters) for name, cell in named])
    return {
        "columns": [titles.get(name) or with_unit(name) for name in columns],
        "rows": rows,
        "left_out": len(frame) - len(best),
        "file": file,
    }


def _cell(column: str, value: Any, is_parameter: bool) -> Any:
    """Return a cell for the page; numbers stay numbers, so that they sort as such."""
    if is_missing(value):
        return value_label(column, value) if is_parameter else None
    if isinstance(value, str):
        return value
    whole = abs(value) < 2**53 and float(value).is_integer()
    return int(value) if whole else float(f"{value:.5g}")


def line_charts(
    points: pd.DataFrame, parameters: Sequence[str], numbers: Sequence[str], settings: Settings
) -> list[dict[str, Any]]:
    """Return cuts through the best point: numbers over one parameter, a line for each of another.

    One for each ordered pair of the first parameters (or for the only one), the rest fixed where it
    is best: labels of the axis, lines with means and half intervals of every number.
    """
    values = points[settings.value].dropna()
    if values.empty or not parameters:
        return []
    index: Any = values.idxmax() if settings.maximise else values.idxmin()
    best = points.loc[index]
    first = list(parameters)[:MAX_PARAMETERS]
    pairs = list(permutations(first, 2)) if len(first) > 1 else [(first[0], None)]
    charts = []
    for x, by in pairs:
        fixed = best[[name for name in parameters if name not in (x, by)]]
        charts.append(_line_chart(points, fixed, x, by, numbers))
    return charts


def _line_chart(
    points: pd.DataFrame, fixed: pd.Series, x: str, by: str | None, numbers: Sequence[str]
) -> dict[str, Any]:
    points = rows_of_point(points, fixed, fixed.index)
    axis = ordered(points[x])
    if by is None:
        names = ["all"]
        lines = [points]
    else:
        values = ordered(points[by])
        shown_values = [values[index] for index in spread_out(len(values), MAX_LINES)]
        names = [value_label(by, value) for value in shown_values]
        lines = [rows_of_point(points, {by: value}, [by]) for value in shown_values]
    return {
        "x": with_unit(x),
        "by": None if by is None else name_of(by),
        "held": settings_label({str(name): value for name, value in fixed.items()}),
        "axis": [value_label(x, value) for value in axis],
        "lines": names,
        "mean": {number: _column_of_lines(lines, x, axis, number) for number in numbers},
        "half": {number: _column_of_lines(lines, x, axis, f"±{number}") for number in numbers},
    }


def _column_of_lines(
    lines: Sequence[pd.DataFrame], x: str, axis: Sequence[Any], column: str
) -> list[list[float | None]]:
    """Return for each line the values of a column along an axis; None where a point is missing."""
    return [_along(line, x, axis, column) for line in lines]


def _along(points: pd.DataFrame, x: str, axis: Sequence[Any], column: str) -> list[float | None]:
    keys = (None if is_missing(value) else value for value in points[x])
    by_key = dict(zip(keys, points[column], strict=True))
    values = [by_key.get(value, np.nan) for value in axis]
    return [float(f"{value:.4g}") if np.isfinite(value) else None for value in values]


def training_curves(runs: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the curves of runs, each with `granularity` and `path`.

    None where no run has a curve of two or more points.
    """
    curves = [
        {"name": f"γ = {run['granularity']}", "lines": _curves(Path(run["path"]) / "metrics.csv")}
        for run in runs
    ]
    names: set[str] = set()
    for curve in curves:
        names |= set(curve["lines"])
    if not names:
        return None
    titles = {name: title for name, title in CURVE_TITLES.items() if name in names}
    return {"titles": titles, "runs": curves}


def _curves(file: Path) -> dict[str, tuple[list[int], list[float]]]:
    """Return steps and values of the numbers in a metrics.csv."""
    try:
        table = pd.read_csv(BytesIO(read_regular_file(file)))
    except (OSError, ValueError):  # no CSV was kept, or it is damaged: a page without these curves
        return {}
    curves = {}
    for name in CURVE_TITLES:
        if name not in table or "step" not in table:
            continue
        steps = pd.to_numeric(table["step"], errors="coerce")
        values = pd.to_numeric(table[name], errors="coerce")
        finite = np.flatnonzero(np.isfinite(values))
        if len(finite) > 1:
            rows = finite[spread_out(len(finite), MAX_CURVE_POINTS)]
            rounded = [float(f"{value:.5g}") for value in values.iloc[rows]]
            curves[name] = (steps.iloc[rows].tolist(), rounded)
    return curves

"""The points and runs that the page lists: the best first, at most so many rows; all of them are in
files beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from vae_granularity.analysis.page.labels import name_of, value_label, with_unit

Table = dict[str, Any]


def point_table(
    points: pd.DataFrame,
    parameters: Sequence[str],
    numbers: Sequence[str],
    value: str,
    *,
    maximise: bool,
    rows: int,
) -> Table:
    """Parameters, number of runs, and mean with half interval of the main value; the means alone of
    the other numbers.
    """
    best = points.sort_values(value, ascending=not maximise, na_position="last").head(rows)
    others = [name for name in numbers if name != value]
    columns = [
        *map(name_of, parameters),
        "runs",
        with_unit(value),
        "± 95 %",
        *map(with_unit, others),
    ]
    body = [
        [
            *_parameters(row, parameters),
            *(_short(row[name]) for name in ("runs", value, f"±{value}", *others)),
        ]
        for row in best.to_dict("records")
    ]
    return {
        "columns": columns,
        "rows": body,
        "left_out": max(0, len(points) - rows),
        "file": "points.csv",
    }


def run_table(
    table: pd.DataFrame,
    parameters: Sequence[str],
    numbers: Sequence[str],
    value: str,
    *,
    maximise: bool,
    rows: int,
) -> Table:
    """Name, parameters, seed, number of parameters and numbers of each run."""
    best = table.sort_values(value, ascending=not maximise, na_position="last").head(rows)
    others = [name for name in numbers if name != value]
    columns = [
        "run",
        *map(name_of, parameters),
        "seed",
        "parameters",
        with_unit(value),
        *map(with_unit, others),
    ]
    body = [
        [
            str(row["run.name"]),
            *_parameters(row, parameters),
            *(_short(row[name]) for name in ("seed", "run.num_parameters", value, *others)),
        ]
        for row in best.to_dict("records")
    ]
    return {
        "columns": columns,
        "rows": body,
        "left_out": max(0, len(table) - rows),
        "file": "runs.parquet",
    }


def _parameters(row: dict[Any, Any], parameters: Sequence[str]) -> list[Any]:
    """Numbers stay numbers, so that they sort as such."""
    values = [row[name] for name in parameters]
    return [
        _short(v) if isinstance(v, float) and v == v else value_label(name, v)
        for name, v in zip(parameters, values, strict=True)
    ]


def _short(value: Any) -> float | int | None:
    if value is None or value != value:
        return None
    number = float(f"{value:.5g}")
    return int(value) if float(value).is_integer() else number

"""What the page lists and draws as lines: best points and runs, cuts, training curves."""

from collections.abc import Sequence
from io import BytesIO
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vae_granularity.analysis.page import labels
from vae_granularity.analysis.page.labels import is_missing, value_label, with_unit
from vae_granularity.analysis.points import ordered, rows_of_point, spread_out
from vae_granularity.analysis.settings import Settings
from vae_granularity.files import read_regular_file

MAX_LINES, MAX_PARAMETERS = 7, 4
TERMS = ("elbo", "reconstruction", "kl", "mutual_information")
TERMS += ("between_group_tc", "within_group_tc", "dimension_kl")
TITLES = {f"val/{term}": with_unit(f"val/{term}") for term in TERMS}
TITLES |= {"train/elbo": "ELBO of training batches (nats)"}
MOST = 200  # points of a curve


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
    named = {
        f"±{value}": "± 95 %, each point alone (2 seeds: range)",
        "run.num_parameters": "parameters",
    }
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
    whole = abs(value) < 2**53 and float(value).is_integer()
    return int(value) if whole else float(f"{value:.5g}")


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
    values = () if by is None else ordered(points[by])
    lines = [values[place] for place in spread_out(len(values), MAX_LINES)]
    parts = [points] if by is None else [rows_of_point(points, {by: v}, [by]) for v in lines]
    return {
        "x": with_unit(x),
        "by": None if by is None else labels.name_of(by),
        "held": labels.settings_label({str(name): value for name, value in held.items()}),
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


def curves(runs: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The curves of runs, each with `granularity` and `path`; None where no run has a curve of two
    or more points.
    """
    found = [
        {"name": f"γ = {run['granularity']}", "lines": _lines(Path(run["path"]) / "metrics.csv")}
        for run in runs
    ]
    there = {key for run in found for key in run["lines"]}
    if not there:
        return None
    return {"titles": {k: TITLES[k] for k in TITLES if k in there}, "runs": found}


def _lines(file: Path) -> dict[str, tuple[list[int], list[float]]]:
    try:
        table = pd.read_csv(BytesIO(read_regular_file(file)))
    except (OSError, ValueError):  # no CSV was kept, or it is damaged: a page without these curves
        return {}
    found = {}
    for key in TITLES:
        if key in table and "step" in table:
            steps, values = (pd.to_numeric(table[k], errors="coerce") for k in ("step", key))
            known = np.flatnonzero(np.isfinite(values))
            kept = known[spread_out(len(known), MOST)]
            if len(known) > 1:
                lines = [float(f"{v:.5g}") for v in values.iloc[kept]]
                found[key] = (steps.iloc[kept].tolist(), lines)
    return found

"""Chart the numbers of runs together: one against another, rank correlations, all parameters."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from vae_granularity.analysis.labels import is_missing, name_of, number, value_label, with_unit
from vae_granularity.analysis.page.charts import (
    GAMMA,
    PALETTE,
    Chart,
    cell_texts,
    heatmap,
    layout,
    with_ticks,
)
from vae_granularity.analysis.points import ordered, spread_out

MIN_RUNS = 4
MAX_RUNS = 2000
MAX_NUMBERS = 16
MAX_LINES = 300
# Fifths of the optimised number in parallel coordinates, from the lowest, with their colours.
FIFTHS = {
    "lowest fifth": "#d9dde2",
    "second fifth": "#9fb4c7",
    "middle fifth": "#56b4e9",
    "fourth fifth": "#0072b2",
    "highest fifth": "#d55e00",
}


def scatter_data(table: pd.DataFrame, value: str, numbers: Sequence[str]) -> dict[str, Any] | None:
    """Return the optimised number of each run and every other number, by γ.

    At most `MAX_RUNS` runs, drawn at random. None with too few runs.
    """
    measured = table[table[value].notna()]
    others = [name for name in _varying(measured, numbers) if name != value]
    if len(measured) < MIN_RUNS or not others:
        return None
    # More marks would be slow to draw and could not be told apart.
    runs = measured.sample(min(MAX_RUNS, len(measured)), random_state=0).sort_index()
    by_gamma = GAMMA in runs and 1 < runs[GAMMA].nunique() <= len(PALETTE)
    if by_gamma:
        groups = [
            {
                "name": value_label(GAMMA, gamma),
                "rows": np.flatnonzero(runs[GAMMA] == gamma).tolist(),
            }
            for gamma in ordered(runs[GAMMA].dropna())
        ]
    else:
        groups = [{"name": "", "rows": list(range(len(runs)))}]
    return {
        "title": with_unit(value),
        "value": _rounded(runs[value]),
        "numbers": {name: _rounded(runs[name]) for name in others},
        "names": runs["run.name"].astype(str).tolist(),
        "groups": groups,
        "by": name_of(GAMMA) if by_gamma else "",
        "left_out": len(measured) - len(runs),
    }


def rank_correlation_chart(table: pd.DataFrame, value: str, numbers: Sequence[str]) -> Chart | None:
    """Draw Spearman's rank correlations of the numbers over the runs as a heat map.

    At most `MAX_NUMBERS`, those that go with the optimised number most. None with too few runs or
    numbers.
    """
    names = _varying(table, [name for name in numbers if name != "run.seconds"])
    if len(table) < MIN_RUNS or value not in names or len(names) < 3:
        return None
    correlations = table[names].astype(np.float64).corr(method="spearman", min_periods=MIN_RUNS)
    strongest = correlations[value].abs().sort_values(ascending=False).index[:MAX_NUMBERS]
    matrix = correlations.loc[strongest, strongest].to_numpy()
    labels = [name_of(name) for name in strongest]
    hover = []
    for y_label, row in zip(labels, matrix, strict=True):
        pairs = zip(labels, row, strict=True)
        hover.append([f"{label} and {y_label}: {number(float(r), 2)}" for label, r in pairs])
    heat = heatmap(matrix, "rank correlation", hover)
    heat |= {"colorscale": "RdBu", "zmin": -1, "zmax": 1, "reversescale": False}
    heat |= {"text": cell_texts(matrix, "{:.2f}".format), "texttemplate": "%{text}"}
    heat |= {"textfont": {"size": 10}}
    chart = with_ticks(layout("Rank correlation over runs (Spearman)", "", ""), labels, labels)
    chart["xaxis"] |= {"tickangle": 45}
    return {"data": [heat], "layout": chart | {"height": 180 + 26 * len(labels)}}


def parallel_chart(
    points: pd.DataFrame, parameters: Sequence[str], value: str, numbers: Sequence[str]
) -> Chart | None:
    """Draw each point as a line over its parameters and numbers, coloured by fifths of one number.

    Of the optimised number; the best are on top. At most `MAX_LINES` points, the extremes among
    them. None with fewer than two parameters or points.
    """
    measured = points[points[value].notna()].sort_values(value)
    if len(parameters) < 2 or len(measured) < len(FIFTHS):
        return None
    if len(measured) > MAX_LINES:
        measured = measured.iloc[spread_out(len(measured), MAX_LINES)]
    scores = [name for name in _varying(measured, numbers) if name.startswith("scores/")]
    heights = []
    axes = {}  # name to what its bottom and its top mean
    for name in parameters[:6]:
        values = ordered(measured[name])
        steps = {setting: i / max(len(values) - 1, 1) for i, setting in enumerate(values)}
        settings = [None if is_missing(setting) else setting for setting in measured[name]]
        heights.append([steps[setting] for setting in settings])
        axes[with_unit(name)] = (value_label(name, values[0]), value_label(name, values[-1]))
    for name in (value, *scores[:3]):
        low = float(measured[name].min())
        high = float(measured[name].max())
        heights.append(((measured[name] - low) / ((high - low) or 1)).tolist())
        axes[with_unit(name)] = (f"{low:.3g}", f"{high:.3g}")
    title = f"All points; colour: fifths of the {name_of(value)}"
    return _parallel_lines(np.array(heights, float).T, axes, title)


def _parallel_lines(heights: np.ndarray, axes: Mapping[str, tuple[str, str]], title: str) -> Chart:
    """Draw lines (n, axes) of heights in [0, 1] in ascending order, a colour for each fifth."""
    num_lines = len(heights)
    fifths = np.minimum(np.arange(num_lines) * len(FIFTHS) // num_lines, len(FIFTHS) - 1)
    data = []
    for index, (name, color) in enumerate(FIFTHS.items()):
        lines = heights[fifths == index]
        # All lines of a fifth are one trace: a missing point ends each of them.
        y = np.column_stack([lines, np.full(len(lines), np.nan)]).ravel()
        x = np.tile([*range(len(axes)), np.nan], len(lines))
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": name,
                "hoverinfo": "skip",
                "x": _or_none(x),
                "y": _or_none(y),
                "line": {"color": color, "width": 1.2},
            }
        )
    chart = layout(title, "", "")
    names = [f"{axis}\n{low} … {top}" for axis, (low, top) in axes.items()]
    chart["xaxis"] |= {"tickvals": list(range(len(axes))), "ticktext": names}
    chart["xaxis"] |= {"range": [-0.3, len(axes) - 0.7]}
    chart["yaxis"] |= {"showticklabels": False, "range": [-0.05, 1.05]}
    return {"data": data, "layout": chart}


def _or_none(values: np.ndarray) -> list[float | None]:
    return [None if np.isnan(value) else round(float(value), 3) for value in values]


def _varying(table: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """Return the columns that have two or more values in `MIN_RUNS` or more rows."""
    return [n for n in names if table[n].count() >= MIN_RUNS and table[n].nunique() > 1]


def _rounded(column: pd.Series) -> list[float | None]:
    values = column.astype(np.float64)
    return [float(f"{value:.4g}") if np.isfinite(value) else None for value in values]

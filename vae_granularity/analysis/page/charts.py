"""Plotly figures as plain dictionaries (`data`, `layout`): heat maps and trajectories on grids."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from vae_granularity.analysis.page import labels as words
from vae_granularity.analysis.page.labels import name_of, number, value_label, with_unit
from vae_granularity.analysis.points import Surface
from vae_granularity.analysis.trajectory import Trajectory
from vae_granularity.analysis.verdict import Verdict

Chart = dict[str, Any]

# Okabe and Ito's palette: told apart with any kind of colour vision; and a scale of even lightness
# steps.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#1b1f24")
BLUE, RED, BLACK, WHITE, GREY = PALETTE[0], PALETTE[1], PALETTE[-1], "#ffffff", "#b9c0c9"
SCALE = "Cividis"
MAX_TICKS = 24
MAX_WRITTEN = 9  # values of an axis up to which a cell has room for its number


def layout(title: str, x: str, y: str) -> Chart:
    """What all charts share; the axis titles carry the units."""
    axis = {"automargin": True, "gridcolor": "#e3e6ea", "linecolor": "#8a929c", "zeroline": False}
    return {
        "title": {"text": title, "x": 0, "xref": "paper", "font": {"size": 14}},
        "font": {"family": "system-ui, sans-serif", "size": 13, "color": BLACK},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": WHITE,
        "margin": {"l": 60, "r": 12, "t": 40, "b": 60},
        "xaxis": {**axis, "title": {"text": x}},
        "yaxis": {**axis, "title": {"text": y}},
        "legend": {"orientation": "h", "y": -0.28, "x": 0},
        "height": 380,
    }


def surface_chart(surface: Surface, rows: Trajectory, columns: Trajectory, title: str) -> Chart:
    """Means over seeds as a heat map, with the optimum for each value of either axis marked."""
    x, y = name_of(surface.x_name), name_of(surface.y_name)
    labels = _labels(surface)
    hover = [
        [f"{x} {a}\n{y} {b}\n{_hover(surface, i, j)}" for i, a in enumerate(labels[0])]
        for j, b in enumerate(labels[1])
    ]
    heat = _heatmap(surface.mean.T, with_unit(surface.value_name), hover)
    if len(labels[0]) <= MAX_WRITTEN and len(labels[1]) <= MAX_WRITTEN:
        # Below the marks: a number at the lower edge of its cell.
        heat |= {"text": _written(surface.mean.T, number), "texttemplate": "\n\n%{text}"}
    circles = {"symbol": "circle", "size": 16, "color": WHITE, "line": {"color": BLACK, "width": 2}}
    diamonds = {"symbol": "diamond", "size": 9, "color": BLACK}
    diamonds["line"] = {"color": WHITE, "width": 2}
    marks = [
        _scatter(f"best {y}", rows.rows, rows.best, marker=circles),
        _scatter(f"best {x}", columns.best, columns.rows, marker=diamonds),
    ]
    names = (with_unit(surface.x_name), with_unit(surface.y_name))
    return {"data": [heat, *marks], "layout": _grid(layout(title, *names), *labels)}


def trajectory_chart(trajectory: Trajectory, verdict: Verdict, title: str) -> Chart:
    """The optimum of each row with the fit; grey discs are as large as the share of the resampled
    seeds whose optimum lies there."""
    surface = trajectory.surface
    x_labels, y_labels = _labels(surface)
    best = f"best {name_of(surface.y_name)}"
    data: list[Chart] = []
    spread = [
        (int(row), int(place), count / len(trajectory.draws))
        for k, row in enumerate(trajectory.rows)
        for place, count in zip(*np.unique(trajectory.draws[:, k], return_counts=True), strict=True)
    ]
    if spread:
        rows, places, shares = zip(*spread, strict=True)
        text = [
            f"{x_labels[row]}: {y_labels[place]} in {share:.0%} of the resamplings"
            for row, place, share in spread
        ]
        sizes = [round(34 * share**0.5, 1) for share in shares]
        discs = {"size": sizes, "color": GREY, "line": {"width": 0}}
        data.append(_scatter("share of resampled seeds", rows, places, text, marker=discs))
    at = zip(trajectory.best_value, trajectory.best, strict=True)
    text = [f"{number(value)} at {y_labels[place]}" for value, place in at]
    line, marker = {"color": BLUE, "width": 2}, {"color": BLUE, "size": 8}
    data.append(_scatter(best, trajectory.rows, trajectory.best, text, line=line, marker=marker))
    if verdict.curve is not None:
        line = {"color": RED, "dash": "dash", "width": 2}
        fitted = np.round(verdict.curve.fitted, 3)
        data.append(_scatter(f"fit: {verdict.curve.shape}", verdict.places, fitted, line=line))
    chart = _grid(layout(title, with_unit(surface.x_name), best), x_labels, y_labels)
    for axis, labels in (("xaxis", x_labels), ("yaxis", y_labels)):
        chart[axis]["range"] = [-0.6, len(labels) - 0.4]
    return {"data": data, "layout": chart}


def profile_charts(
    table: pd.DataFrame, profile: pd.DataFrame, complexity: Mapping[str, float], source: str
) -> dict[str, Chart]:
    """For each common partition, the share of each factor's entropy in its best unit, over γ.

    Means over seeds and settings, factors by complexity; in the cells, how many of the models
    separate the factor.
    """
    gamma = "model.granularity"
    of_runs = profile.join(table[gamma], on="run")
    found = {}
    for partition, rows in of_runs.groupby("partition", observed=True):
        means = rows.groupby(["factor", gamma], observed=True)[["share", "separated"]].mean()
        means = means.unstack()
        order = sorted(means.index, key=lambda factor: (complexity.get(factor, np.inf), factor))
        share, separated = (means.loc[order, key] for key in ("share", "separated"))
        factors = [f"{f} ({complexity[f]:.1f})" if f in complexity else str(f) for f in order]
        granularities = [value_label(gamma, value) for value in share.columns]
        cells = _written(separated.to_numpy(), "{:.0%}".format)
        hover = [
            [
                f"{factor}, γ {g}\nshare {number(value)}\nseparated in {cell} of the models"
                for g, value, cell in zip(granularities, values, cells[f], strict=True)
            ]
            for f, (factor, values) in enumerate(zip(factors, share.to_numpy(), strict=True))
        ]
        heat = _heatmap(share.to_numpy(), "share of entropy in the best unit", hover)
        top = round(max(float(np.nan_to_num(share.to_numpy()).max()), 0.1), 2)
        heat |= {"text": cells, "texttemplate": "%{text}", "zmin": 0, "zmax": top}
        title = f"Under {partition}, {source}"
        chart = layout(title, name_of(gamma), "factor (complexity)")
        found[str(partition)] = {"data": [heat], "layout": _grid(chart, granularities, factors)}
    return found


def matrix_chart(matrix: np.ndarray, labels: list[str], title: str) -> Chart:
    """Correlations (n, n) of n labelled numbers as a heat map with numbers."""
    hover = [
        [f"{a} and {b}: {number(float(matrix[j, i]), 2)}" for i, a in enumerate(labels)]
        for j, b in enumerate(labels)
    ]
    cells = _written(matrix, "{:.2f}".format)
    heat = _heatmap(matrix, "rank correlation", hover)
    heat |= {"colorscale": "RdBu", "zmin": -1, "zmax": 1, "reversescale": False}
    heat |= {"text": cells, "texttemplate": "%{text}", "textfont": {"size": 10}}
    chart = _grid(layout(title, "", ""), labels, labels)
    chart["xaxis"] |= {"tickangle": 45}
    return {"data": [heat], "layout": chart | {"height": 180 + 26 * len(labels)}}


def parallel_chart(
    heights: np.ndarray, bands: np.ndarray, axes: Mapping[str, tuple[str, str]], title: str
) -> Chart:
    """Lines (n, axes) of heights in [0, 1], coloured by band, the last and best on top.

    Args:
        bands: (n,) from 0; names the fifth that a line's colour stands for.
        axes: name to what its bottom and its top mean.
    """
    shades = ("#d9dde2", "#9fb4c7", "#56b4e9", "#0072b2", "#d55e00")
    data = []
    for band in np.unique(bands):
        lines = heights[bands == band]
        y = np.column_stack([lines, np.full(len(lines), np.nan)])
        x = np.tile([*range(len(axes)), np.nan], len(lines))
        flat = [[None if np.isnan(v) else round(float(v), 3) for v in a.ravel()] for a in (x, y)]
        name = ("lowest", "second", "middle", "fourth", "highest")[int(band)] + " fifth"
        style = {"line": {"color": shades[int(band)], "width": 1.2}}
        line = {"type": "scatter", "mode": "lines", "name": name, "hoverinfo": "skip"}
        data.append(line | {"x": flat[0], "y": flat[1], **style})
    chart = layout(title, "", "")
    names = [f"{axis}\n{low} … {top}" for axis, (low, top) in axes.items()]
    chart["xaxis"] |= {"tickvals": list(range(len(axes))), "ticktext": names}
    chart["xaxis"] |= {"range": [-0.3, len(axes) - 0.7]}
    chart["yaxis"] |= {"showticklabels": False, "range": [-0.05, 1.05]}
    return {"data": data, "layout": chart}


def _written(values: np.ndarray, form: Callable[[float], str]) -> list[list[str]]:
    return [[form(float(v)) if np.isfinite(v) else "" for v in row] for row in values]


def _heatmap(values: np.ndarray, label: str, hover: list[list[str]]) -> Chart:
    """Values (rows, columns) at the places 0, 1, … of both axes; what is missing stays empty."""
    rounded = [[float(f"{v:.5g}") if np.isfinite(v) else None for v in row] for row in values]
    bar = {"title": {"text": label, "side": "right"}, "thickness": 12, "outlinewidth": 0}
    style = {"colorscale": SCALE, "colorbar": bar, "xgap": 1, "ygap": 1}
    return {"type": "heatmap", "z": rounded, "hovertext": hover, "hoverinfo": "text", **style}


def _scatter(name: str, x: Any, y: Any, text: Sequence[str] = (), **style: Any) -> Chart:
    """Points at (x, y), with a line, markers or both, as `style` has them."""
    mode = "+".join(f"{kind}s" for kind in ("line", "marker") if kind in style)
    hover = {"hoverinfo": "text", "hovertext": list(text)} if text else {"hoverinfo": "skip"}
    at = {"x": np.asarray(x).tolist(), "y": np.asarray(y).tolist()}
    return {"type": "scatter", "mode": mode, "name": name, **at, **hover, **style}


def _grid(chart: Chart, x_labels: list[str], y_labels: list[str]) -> Chart:
    """The layout with the places 0, 1, … of both axes labelled, or every so many of them."""
    for axis, labels in (("xaxis", x_labels), ("yaxis", y_labels)):
        places = range(0, len(labels), 1 + len(labels) // MAX_TICKS)
        chart[axis] |= {"tickvals": list(places), "ticktext": [labels[i] for i in places]}
    return chart


def _labels(surface: Surface) -> tuple[list[str], list[str]]:
    axes = ((surface.x_name, surface.x), (surface.y_name, surface.y))
    x, y = ([value_label(name, value) for value in values] for name, values in axes)
    return x, y


def _hover(surface: Surface, i: int, j: int) -> str:
    count, mean, std = int(surface.count[i, j]), float(surface.mean[i, j]), float(surface.std[i, j])
    if not count:
        return "no run"
    spread = f" ± {number(std, 3)} (standard deviation)" if np.isfinite(std) else ""
    return f"{with_unit(surface.value_name)}: {number(mean)}{spread}\n{words.seeds_label(count)}"

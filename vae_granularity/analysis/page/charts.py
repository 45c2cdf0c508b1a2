"""Describe charts as plain dictionaries (`data`, `layout`): heat maps and trajectories on grids.

One description serves both media: Plotly draws it in the page, `figures` for a paper.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from vae_granularity.analysis.labels import name_of, number, seeds_label, value_label, with_unit
from vae_granularity.analysis.points import Surface
from vae_granularity.analysis.trajectory import Trajectory
from vae_granularity.analysis.verdict import Verdict

Chart = dict[str, Any]

# Okabe and Ito's palette: told apart with any kind of colour vision; and a scale of even lightness
# steps.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#1b1f24")
BLUE = PALETTE[0]
RED = PALETTE[1]
BLACK = PALETTE[-1]
WHITE = "#ffffff"
GREY = "#b9c0c9"
SCALE = "Cividis"
GAMMA = "model.granularity"
MAX_TICKS = 24
MAX_CELLS = 9  # values of an axis up to which a cell has room for its number


def layout(title: str, x: str, y: str) -> Chart:
    """Return the layout that all charts share; the axis titles carry the units."""
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
    """Draw means over seeds as a heat map, with the optimum of each row and column marked."""
    x = name_of(surface.x_name)
    y = name_of(surface.y_name)
    x_labels = _axis_labels(surface.x_name, surface.x)
    y_labels = _axis_labels(surface.y_name, surface.y)
    hover = []
    for column, y_label in enumerate(y_labels):
        points = [_point_words(surface, row, column) for row in range(len(x_labels))]
        pairs = zip(x_labels, points, strict=True)
        hover.append([f"{x} {x_label}\n{y} {y_label}\n{words}" for x_label, words in pairs])
    heat = heatmap(surface.mean.T, with_unit(surface.value_name), hover)
    if len(x_labels) <= MAX_CELLS and len(y_labels) <= MAX_CELLS:
        # Below the marks: a number at the lower edge of its cell.
        heat |= {"text": cell_texts(surface.mean.T, number), "texttemplate": "\n\n%{text}"}
    circles = {"symbol": "circle", "size": 16, "color": WHITE, "line": {"color": BLACK, "width": 2}}
    diamonds = {"symbol": "diamond", "size": 9, "color": BLACK}
    diamonds["line"] = {"color": WHITE, "width": 2}
    marks = [
        _scatter(f"best {y}", rows.rows, rows.best, marker=circles),
        _scatter(f"best {x}", columns.best, columns.rows, marker=diamonds),
    ]
    chart = layout(title, with_unit(surface.x_name), with_unit(surface.y_name))
    return {"data": [heat, *marks], "layout": with_ticks(chart, x_labels, y_labels)}


def trajectory_chart(trajectory: Trajectory, verdict: Verdict, title: str) -> Chart:
    """Draw the optimum of each row with the fit, over the optima of the resampled seeds.

    Grey discs are as large as the share of the resampled seeds whose optimum lies there.
    """
    surface = trajectory.surface
    x_labels = _axis_labels(surface.x_name, surface.x)
    y_labels = _axis_labels(surface.y_name, surface.y)
    best = f"best {name_of(surface.y_name)}"
    data = [_resampled_discs(trajectory, x_labels, y_labels)] if len(trajectory.rows) else []
    optima = zip(trajectory.best_value, trajectory.best, strict=True)
    hover = [f"{number(value)} at {y_labels[column]}" for value, column in optima]
    line = {"color": BLUE, "width": 2}
    marker = {"color": BLUE, "size": 8}
    data.append(_scatter(best, trajectory.rows, trajectory.best, hover, line=line, marker=marker))
    if verdict.curve is not None:
        line = {"color": RED, "dash": "dash", "width": 2}
        fitted = np.round(verdict.curve.fitted, 3)
        data.append(_scatter(f"fit: {verdict.curve.shape}", verdict.places, fitted, line=line))
    chart = with_ticks(layout(title, with_unit(surface.x_name), best), x_labels, y_labels)
    chart["xaxis"]["range"] = [-0.6, len(x_labels) - 0.4]
    chart["yaxis"]["range"] = [-0.6, len(y_labels) - 0.4]
    return {"data": data, "layout": chart}


def _resampled_discs(
    trajectory: Trajectory, x_labels: Sequence[str], y_labels: Sequence[str]
) -> Chart:
    """Return a disc for each place that is the optimum of its row in some resamplings."""
    rows: list[int] = []
    columns: list[int] = []
    sizes: list[float] = []
    hover: list[str] = []
    for index, row in enumerate(trajectory.rows.tolist()):
        optima, counts = np.unique(trajectory.draws[:, index], return_counts=True)
        for column, count in zip(optima.tolist(), counts.tolist(), strict=True):
            share = count / len(trajectory.draws)
            rows.append(row)
            columns.append(column)
            sizes.append(round(34 * share**0.5, 1))
            hover.append(f"{x_labels[row]}: {y_labels[column]} in {share:.0%} of the resamplings")
    discs = {"size": sizes, "color": GREY, "line": {"width": 0}}
    return _scatter("share of resampled seeds", rows, columns, hover, marker=discs)


def profile_charts(
    table: pd.DataFrame, profile: pd.DataFrame, complexity: Mapping[str, float], source: str
) -> dict[str, Chart]:
    """Draw for each common partition the share of each factor's entropy in its best unit, over γ.

    Means over seeds and settings, factors by complexity; in the cells, how many of the models
    separate the factor.
    """
    of_runs = profile.join(table[GAMMA], on="run")
    charts = {}
    for partition, rows in of_runs.groupby("partition", observed=True):
        means = rows.groupby(["factor", GAMMA], observed=True)[["share", "separated"]].mean()
        means = means.unstack()
        order = sorted(means.index, key=lambda factor: (complexity.get(factor, np.inf), factor))
        share = means.loc[order, "share"]
        cells = cell_texts(means.loc[order, "separated"].to_numpy(), "{:.0%}".format)
        factors = [_factor_label(factor, complexity) for factor in order]
        granularities = [value_label(GAMMA, value) for value in share.columns]
        hover = []
        for factor, shares, separated in zip(factors, share.to_numpy(), cells, strict=True):
            columns = zip(granularities, shares, separated, strict=True)
            hover.append(
                [
                    f"{factor}, γ {gamma}\nshare {number(value)}\nseparated in {cell} of the models"
                    for gamma, value, cell in columns
                ]
            )
        heat = heatmap(share.to_numpy(), "share of entropy in the best unit", hover)
        top = round(max(float(np.nan_to_num(share.to_numpy()).max()), 0.1), 2)
        heat |= {"text": cells, "texttemplate": "%{text}", "zmin": 0, "zmax": top}
        chart = layout(f"Under {partition}, {source}", name_of(GAMMA), "factor (complexity)")
        charts[str(partition)] = {
            "data": [heat],
            "layout": with_ticks(chart, granularities, factors),
        }
    return charts


def _factor_label(factor: str, complexity: Mapping[str, float]) -> str:
    return f"{factor} ({complexity[factor]:.1f})" if factor in complexity else str(factor)


def cell_texts(values: np.ndarray, form: Callable[[float], str]) -> list[list[str]]:
    """Return the texts of the cells of a heat map; that of a missing value is empty."""
    texts = np.vectorize(lambda value: form(value) if np.isfinite(value) else "", otypes=[object])
    return texts(values).tolist()


def heatmap(values: np.ndarray, label: str, hover: list[list[str]]) -> Chart:
    """Draw values (rows, columns) at the places 0, 1, … of both axes; missing ones stay empty."""
    rounded = np.vectorize(
        lambda value: float(f"{value:.5g}") if np.isfinite(value) else None, otypes=[object]
    )
    bar = {"title": {"text": label, "side": "right"}, "thickness": 12, "outlinewidth": 0}
    style = {"colorscale": SCALE, "colorbar": bar, "xgap": 1, "ygap": 1}
    z = rounded(values).tolist()
    return {"type": "heatmap", "z": z, "hovertext": hover, "hoverinfo": "text", **style}


def _scatter(name: str, x: Any, y: Any, hover: Sequence[str] = (), **style: Any) -> Chart:
    """Draw points at (x, y), with a line, markers or both, as `style` has them."""
    return {
        "type": "scatter",
        "mode": "+".join(f"{kind}s" for kind in ("line", "marker") if kind in style),
        "name": name,
        "x": np.asarray(x).tolist(),
        "y": np.asarray(y).tolist(),
        **({"hoverinfo": "text", "hovertext": list(hover)} if hover else {"hoverinfo": "skip"}),
        **style,
    }


def with_ticks(chart: Chart, x_labels: list[str], y_labels: list[str]) -> Chart:
    """Label the places 0, 1, … of both axes of a layout, or every so many of them."""
    for axis, labels in (("xaxis", x_labels), ("yaxis", y_labels)):
        ticks = range(0, len(labels), 1 + len(labels) // MAX_TICKS)
        chart[axis] |= {"tickvals": list(ticks), "ticktext": [labels[tick] for tick in ticks]}
    return chart


def _axis_labels(name: str, values: Sequence[Any]) -> list[str]:
    return [value_label(name, value) for value in values]


def _point_words(surface: Surface, row: int, column: int) -> str:
    """Return mean, deviation and number of seeds of a point."""
    count = int(surface.count[row, column])
    if not count:
        return "no run"
    mean = number(float(surface.mean[row, column]))
    std = float(surface.std[row, column])
    spread = f" ± {number(std, 3)} (standard deviation)" if np.isfinite(std) else ""
    return f"{with_unit(surface.value_name)}: {mean}{spread}\n{seeds_label(count)}"

"""Plotly figures as plain dictionaries (`data`, `layout`), ready to be embedded as JSON: surfaces
and trajectories.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from vae_granularity.analysis.page.labels import name_of, number, value_label, with_unit
from vae_granularity.analysis.surface import Surface
from vae_granularity.analysis.trajectory import Trajectory
from vae_granularity.analysis.verdict import Verdict

Chart = dict[str, Any]

# Okabe and Ito's palette: told apart with any kind of colour vision; and a scale of even lightness
# steps.
BLUE, ORANGE, GREEN, PURPLE, SKY, RED, BLACK = (
    "#0072b2",
    "#e69f00",
    "#009e73",
    "#cc79a7",
    "#56b4e9",
    "#d55e00",
    "#1b1f24",
)
PALETTE = (BLUE, RED, GREEN, PURPLE, ORANGE, SKY, BLACK)
SCALE = "Cividis"


def layout(title: str, x: str, y: str, **more: Any) -> Chart:
    """What all charts share; the axis titles carry the units."""
    axis = {"automargin": True, "gridcolor": "#e3e6ea", "linecolor": "#8a929c", "zeroline": False}
    return {
        "title": {"text": title, "x": 0, "xref": "paper", "font": {"size": 14}},
        "font": {"family": "system-ui, sans-serif", "size": 13, "color": BLACK},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "#ffffff",
        "margin": {"l": 60, "r": 12, "t": 40, "b": 60},
        "xaxis": {**axis, "title": {"text": x}},
        "yaxis": {**axis, "title": {"text": y}},
        "legend": {"orientation": "h", "y": -0.28, "x": 0},
        "height": 380,
        **more,
    }


def surface_chart(surface: Surface, rows: Trajectory, columns: Trajectory, title: str) -> Chart:
    """Means over seeds as a heat map, with the optimum for each value of either parameter
    marked.
    """
    x_labels, y_labels = _ticks(surface.x_name, surface.x), _ticks(surface.y_name, surface.y)
    hover = [
        [
            f"{name_of(surface.x_name)} {x}<br>{name_of(surface.y_name)} {y}<br>{_mean_and_spread(surface, i, j)}"
            for i, x in enumerate(x_labels)
        ]
        for j, y in enumerate(y_labels)
    ]
    marks = [
        _marks(
            [x_labels[i] for i in rows.rows],
            [y_labels[j] for j in rows.best],
            "circle",
            "#ffffff",
            f"best {name_of(surface.y_name)}",
        ),
        _marks(
            [x_labels[i] for i in columns.best],
            [y_labels[j] for j in columns.rows],
            "diamond",
            BLACK,
            f"best {name_of(surface.x_name)}",
        ),
    ]
    heat = {
        "type": "heatmap",
        "x": x_labels,
        "y": y_labels,
        "z": _rounded(surface.mean.T),
        "text": hover,
        "hoverinfo": "text",
        "colorscale": SCALE,
        "colorbar": {
            "title": {"text": with_unit(surface.value_name), "side": "right"},
            "thickness": 12,
            "outlinewidth": 0,
        },
        "xgap": 1,
        "ygap": 1,
    }
    chart = layout(title, with_unit(surface.x_name), with_unit(surface.y_name))
    for axis in ("xaxis", "yaxis"):
        chart[axis]["type"] = "category"
    return {"data": [heat, *marks], "layout": chart}


def trajectory_chart(trajectory: Trajectory, verdict: Verdict, title: str) -> Chart:
    """The optimum of each row with the fit; the area of a grey disc is the share of resampled seeds
    whose optimum lies there.
    """
    surface = trajectory.surface
    x_labels, y_labels = _ticks(surface.x_name, surface.x), _ticks(surface.y_name, surface.y)
    data: list[Chart] = []
    spread = [
        (int(row), int(place), count / len(trajectory.draws))
        for k, row in enumerate(trajectory.rows)
        for place, count in zip(*np.unique(trajectory.draws[:, k], return_counts=True), strict=True)
    ]
    if spread:
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": "share of resampled seeds",
                "x": [row for row, _, _ in spread],
                "y": [place for _, place, _ in spread],
                "text": [
                    f"{x_labels[row]}: {y_labels[place]} in {share:.0%} of the resamplings"
                    for row, place, share in spread
                ],
                "hoverinfo": "text",
                "marker": {
                    "size": [round(34 * share**0.5, 1) for *_, share in spread],
                    "color": "#b9c0c9",
                    "line": {"width": 0},
                },
            }
        )
    data.append(
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": f"best {name_of(surface.y_name)}",
            "x": trajectory.rows.tolist(),
            "y": trajectory.best.tolist(),
            "text": [
                f"{number(value)} at {y_labels[j]}"
                for value, j in zip(trajectory.best_value, trajectory.best, strict=True)
            ],
            "hoverinfo": "text",
            "line": {"color": BLUE, "width": 2},
            "marker": {"size": 8},
        }
    )
    if verdict.curve is not None:
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": f"fit: {verdict.curve.shape}",
                "x": verdict.places.tolist(),
                "y": [round(float(v), 3) for v in verdict.curve.fitted],
                "hoverinfo": "skip",
                "line": {"color": RED, "dash": "dash", "width": 2},
            }
        )
    chart = layout(title, with_unit(surface.x_name), f"best {name_of(surface.y_name)}")
    chart["xaxis"] |= {
        "tickvals": list(range(len(x_labels))),
        "ticktext": x_labels,
        "range": [-0.6, len(x_labels) - 0.4],
    }
    chart["yaxis"] |= {
        "tickvals": list(range(len(y_labels))),
        "ticktext": y_labels,
        "range": [-0.6, len(y_labels) - 0.4],
    }
    return {"data": data, "layout": chart}


def _marks(x: list[str], y: list[str], symbol: str, color: str, name: str) -> Chart:
    size, border = (16, BLACK) if symbol == "circle" else (9, "#ffffff")
    marker = {"symbol": symbol, "size": size, "color": color, "line": {"color": border, "width": 2}}
    return {
        "type": "scatter",
        "mode": "markers",
        "x": x,
        "y": y,
        "name": name,
        "hoverinfo": "skip",
        "marker": marker,
    }


def _ticks(name: str, values: tuple[Any, ...]) -> list[str]:
    return [value_label(name, value) for value in values]


def _mean_and_spread(surface: Surface, i: int, j: int) -> str:
    count, mean, std = int(surface.count[i, j]), float(surface.mean[i, j]), float(surface.std[i, j])
    if not count:
        return "no run"
    spread = f" ± {number(std, 3)} (standard deviation)" if np.isfinite(std) else ""
    return f"{with_unit(surface.value_name)}: {number(mean)}{spread}<br>{count} seed{'s' if count > 1 else ''}"


def _rounded(values: np.ndarray) -> list[list[float | None]]:
    return [[float(f"{v:.5g}") if np.isfinite(v) else None for v in row] for row in values]

"""A number over two parameters, and the trajectory of its optimum, for print."""

from collections.abc import Sequence
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

BLUE, RED, GREY = "#0072b2", "#d55e00", "#b9c0c9"


def surface_figure(
    mean: np.ndarray,
    ticks: tuple[Sequence[str], Sequence[str]],
    names: tuple[str, str, str],
    optima: tuple[Sequence[tuple[int, int]], Sequence[tuple[int, int]]],
    title: str,
) -> Figure:
    """Heat map of means (n, m); the optimum of each row is a circle, of each column a diamond.

    Args:
        ticks: labels of the n values of the first and the m values of the second parameter.
        names: of the two parameters and of the number, with units.
        optima: places (row, column) of the best second for each first, then the other way round.
    """
    width, height = 0.75 * mean.shape[0] + 2.6, 0.55 * mean.shape[1] + 1.7
    figure, axes = _axes(width, height, ticks, names, title)
    picture = axes.imshow(mean.T, origin="lower", aspect="auto", cmap="cividis")
    for places, marker, size, fill_ in (
        (optima[0], "o", 90, "white"),
        (optima[1], "D", 40, "none"),
    ):
        if len(places):
            look = {"facecolors": fill_, "edgecolors": "black", "linewidths": 1.5}
            axes.scatter(*np.array(places).T, marker=marker, s=size, **look)
    figure.colorbar(picture, label=names[2])
    return figure


def trajectory_figure(
    rows: np.ndarray,
    best: np.ndarray,
    draws: np.ndarray,
    fit: tuple[np.ndarray, np.ndarray, str] | None,
    ticks: tuple[Sequence[str], Sequence[str]],
    names: tuple[str, str],
    title: str,
) -> Figure:
    """Optima `best` (k,) at `rows` (k,), places on grids; grey discs for those of resampled seeds.

    Args:
        draws: (R, k) optima under resampled seeds.
        fit: places, fitted places and the name of the shape.
        ticks: labels of the values of the two parameters.
        names: of the parameter and of the optimum.
    """
    width, height = 0.75 * len(ticks[0]) + 1.6, 0.5 * len(ticks[1]) + 1.8
    figure, axes = _axes(width, height, ticks, names, title)
    for k, row in enumerate(rows):
        for place, count in zip(*np.unique(draws[:, k], return_counts=True), strict=True):
            axes.scatter(row, place, s=500 * count / len(draws), color=GREY, linewidths=0)
    axes.plot(rows, best, "o-", color=BLUE, label="means over seeds")
    if fit is not None:
        axes.plot(fit[0], fit[1], "--", color=RED, label=f"fit: {fit[2]}")
    axes.set_xlim(-0.6, len(ticks[0]) - 0.4)
    axes.set_ylim(-0.6, len(ticks[1]) - 0.4)
    axes.legend(fontsize=8, frameon=False)
    return figure


def _axes(
    width: float,
    height: float,
    ticks: tuple[Sequence[str], Sequence[str]],
    names: Sequence[str],
    title: str,
) -> tuple[Figure, Axes]:
    """Axes with named ticks; the title is wrapped to about eleven letters an inch above them."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    axes.set_xticks(range(len(ticks[0])), ticks[0])
    axes.set_yticks(range(len(ticks[1])), ticks[1])
    axes.set_xlabel(names[0])
    axes.set_ylabel(names[1])
    axes.set_title(fill(title, int(11 * (width - 0.9))), fontsize=9, loc="left")
    return figure, axes

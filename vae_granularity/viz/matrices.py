"""Matrices of units by factors, the factor-granularity profile, and tables, as figures.

Colours are from cividis: even to colour-blind eyes.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

COLOURS = "cividis"
CELL = 0.42  # inches
NARROWEST = 8.0  # inches that a title needs
BRIGHT = 0.55  # share of the scale from which cells are light and take dark numbers
MOST_NUMBERS = 400  # cells up to which each shows its number


class Panel(NamedTuple):
    """A matrix (rows, columns) with the names of both."""

    title: str
    values: np.ndarray
    rows: Sequence[str]
    columns: Sequence[str]


def matrix_figure(
    panels: Sequence[Panel], title: str, note: str, label: str, high: float | None = 1.0
) -> Figure:
    """Matrices side by side on one scale from 0 to `high` (None: the largest entry).

    `label` says what a cell is, `note` the protocol.
    """
    largest = [float(np.nanmax(panel.values)) for panel in panels if panel.values.size]
    top = (max(largest, default=1.0) or 1.0) if high is None else high
    widths = [max(2.2, 0.9 * len(panel.columns)) for panel in panels]
    height = max(CELL * max(len(panel.rows) for panel in panels), 1.2) + 2.1
    figure = _figure(sum(widths) + 1.3 * len(panels) + 1.2, height, title, note)
    axes = figure.subplots(1, len(panels), squeeze=False, width_ratios=widths)[0]
    for ax, panel in zip(axes, panels, strict=True):
        image = _show(ax, panel, panel.values, top)
        if panel.values.size <= MOST_NUMBERS:
            for place, value in np.ndenumerate(panel.values):
                _write(ax, place, f"{value:.2f}", dark=value > BRIGHT * top)
    figure.colorbar(image, ax=list(axes), label=label, shrink=0.9)
    return figure


def profile_figure(
    share: np.ndarray,
    gap: np.ndarray,
    alone: np.ndarray,
    granularities: Sequence[int],
    factors: Sequence[str],
    title: str,
    note: str,
) -> Figure:
    """The factor-granularity profile: each factor's share of entropy in its best unit, by γ.

    Args:
        share: (F, Γ) of a factor's entropy in its best unit.
        gap: (F, Γ) to the second best unit, nan with one unit.
        alone: (F, Γ) bool; cells whose best unit holds another factor too carry an asterisk.
        granularities: Γ values.
        factors: F names.
        title, note: above and below.
    """
    columns = [f"γ={g}" for g in granularities]
    note = f"{note}; *: the best unit holds another factor too; –: one unit has no second"
    size = 1.7 * len(columns) + 4.2, CELL * len(factors) + 2.0
    figure = _figure(*size, title, note)
    axes = figure.subplots(1, 2)
    names = ("share in its best unit", "gap to the second best unit")
    for ax, name, values in zip(axes, names, (share, gap), strict=True):
        panel = Panel(name, values, factors, columns)
        image = _show(ax, panel, np.ma.masked_invalid(values), 1)
        ax.set_facecolor("0.85")
        for place, value in np.ndenumerate(values):
            known = bool(np.isfinite(value))
            text = f"{value:.2f}{'' if alone[place] else '*'}" if known else "–"
            _write(ax, place, text, dark=not known or value > BRIGHT)
    figure.colorbar(image, ax=list(axes), label="share of the factor's entropy", shrink=0.9)
    return figure


def table_figure(
    columns: Sequence[str], rows: Sequence[Sequence[str]], title: str, note: str
) -> Figure:
    """A table of text: names of the columns above the rows."""
    widths = [max(len(str(row[c])) for row in (columns, *rows)) + 2 for c in range(len(columns))]
    figure = _figure(0.085 * sum(widths) + 0.4, 0.23 * (len(rows) + 1) + 1.0, title, note)
    ax = figure.subplots()
    ax.axis("off")
    shares, cells = [width / sum(widths) for width in widths], [list(row) for row in rows]
    place = {"loc": "upper center", "bbox": (0, 0, 1, 1)}
    table = ax.table(cells, colLabels=list(columns), colWidths=shares, **place)
    table.auto_set_font_size(False)
    for (row, column), cell in table.get_celld().items():
        cell.set_fontsize(8)
        cell.set_linewidth(0)
        cell.set_facecolor("0.88" if row == 0 else "0.96" if row % 2 == 0 else "white")
        weight = "bold" if row == 0 else "normal"
        cell.set_text_props(ha="left" if column == 0 else "right", weight=weight)
    return figure


def _figure(width: float, height: float, title: str, note: str) -> Figure:
    """Inches, as wide as a title needs; title above and note below."""
    figure = Figure(figsize=(max(NARROWEST, width), height), dpi=130, layout="constrained")
    figure.suptitle(title, fontsize=10)
    figure.supxlabel(note, fontsize=7, color="0.3")
    return figure


def _show(ax: Axes, panel: Panel, values: np.ndarray, top: float) -> AxesImage:
    """The matrix as an image from 0 to `top`, rows and columns named."""
    image = ax.imshow(values, cmap=COLOURS, vmin=0, vmax=top, aspect="auto")
    ax.set_title(panel.title, fontsize=9)
    turned = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"}
    ax.set_xticks(range(len(panel.columns)), panel.columns, fontsize=8, **turned)
    ax.set_yticks(range(len(panel.rows)), panel.rows, fontsize=8)
    ax.tick_params(length=0)
    return image


def _write(ax: Axes, place: tuple[int, ...], text: str, *, dark: bool) -> None:
    row, column = place
    colour = "black" if dark else "white"
    ax.text(column, row, text, ha="center", va="center", fontsize=7, color=colour)

"""Matrices of units by factors, the factor-granularity profile, and tables, as figures. Colours
from cividis: even to colour-blind eyes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

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
    """Matrices side by side on one scale from 0 to `high` (None: the largest entry); `label` says
    what a cell is, `note` the protocol.
    """
    largest = max((float(np.nanmax(panel.values, initial=0.0)) for panel in panels), default=1.0)
    top = (largest or 1.0) if high is None else high
    widths = [max(2.2, 0.9 * len(panel.columns)) for panel in panels]
    height = max(CELL * max(len(panel.rows) for panel in panels), 1.2)
    figure = Figure(
        figsize=(max(NARROWEST, sum(widths) + 1.3 * len(panels) + 1.2), height + 2.1),
        dpi=130,
        layout="constrained",
    )
    axes = figure.subplots(1, len(panels), squeeze=False, width_ratios=widths)[0]
    image = None
    for ax, panel in zip(axes, panels, strict=True):
        image = ax.imshow(panel.values, cmap=COLOURS, vmin=0, vmax=top, aspect="auto")
        _name(ax, panel)
        if panel.values.size <= MOST_NUMBERS:
            for (r, c), value in np.ndenumerate(panel.values):
                known = bool(np.isfinite(value))
                text = f"{value:.2f}" if known else "–"
                _write(ax, r, c, text, dark=not known or value > BRIGHT * top)
    figure.colorbar(image, ax=list(axes), label=label, shrink=0.9)
    _head(figure, title, note)
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
    """The factor-granularity profile: share (F, Γ) of a factor's entropy in its best unit and gap
    (F, Γ) to the second (nan with one unit).

    alone (F, Γ) bool: cells whose best unit holds another factor too carry an asterisk.
    """
    columns = [f"γ={g}" for g in granularities]
    panels = (
        Panel("share in its best unit", share, factors, columns),
        Panel("gap to the second best unit", gap, factors, columns),
    )
    figure = Figure(
        figsize=(max(NARROWEST, 1.7 * len(columns) + 4.2), CELL * len(factors) + 2.0),
        dpi=130,
        layout="constrained",
    )
    axes = figure.subplots(1, 2)
    image = None
    for ax, panel in zip(axes, panels, strict=True):
        image = ax.imshow(
            np.ma.masked_invalid(panel.values), cmap=COLOURS, vmin=0, vmax=1, aspect="auto"
        )
        ax.set_facecolor("0.85")
        _name(ax, panel)
        for (r, c), value in np.ndenumerate(panel.values):
            known = bool(np.isfinite(value))
            text = f"{value:.2f}{'' if alone[r, c] else '*'}" if known else "–"
            _write(ax, r, c, text, dark=not known or value > BRIGHT)
    figure.colorbar(image, ax=list(axes), label="share of the factor's entropy", shrink=0.9)
    _head(
        figure,
        title,
        f"{note}; *: the best unit holds another factor too; –: one unit has no second",
    )
    return figure


def table_figure(
    columns: Sequence[str], rows: Sequence[Sequence[str]], title: str, note: str
) -> Figure:
    """A table of text: names of the columns above the rows."""
    widths = [max(len(str(row[c])) for row in (columns, *rows)) + 2 for c in range(len(columns))]
    figure = Figure(
        figsize=(max(NARROWEST, 0.085 * sum(widths) + 0.4), 0.23 * (len(rows) + 1) + 1.0),
        dpi=130,
        layout="constrained",
    )
    ax = figure.subplots()
    ax.axis("off")
    shares = [width / sum(widths) for width in widths]
    table = ax.table(
        [list(row) for row in rows],
        colLabels=list(columns),
        colWidths=shares,
        loc="upper center",
        bbox=(0, 0, 1, 1),
    )
    table.auto_set_font_size(False)
    for (row, column), cell in table.get_celld().items():
        cell.set_fontsize(8)
        cell.set_linewidth(0)
        cell.set_facecolor("0.88" if row == 0 else "0.96" if row % 2 == 0 else "white")
        cell.set_text_props(
            ha="left" if column == 0 else "right", weight="bold" if row == 0 else "normal"
        )
    _head(figure, title, note)
    return figure


def _write(ax: Axes, row: int, column: int, text: str, *, dark: bool) -> None:
    ax.text(
        column, row, text, ha="center", va="center", fontsize=7, color="black" if dark else "white"
    )


def _name(ax: Axes, panel: Panel) -> None:
    ax.set_title(panel.title, fontsize=9)
    ax.set_xticks(
        range(len(panel.columns)),
        panel.columns,
        rotation=30,
        ha="right",
        rotation_mode="anchor",
        fontsize=8,
    )
    ax.set_yticks(range(len(panel.rows)), panel.rows, fontsize=8)
    ax.tick_params(length=0)


def _head(figure: Figure, title: str, note: str) -> None:
    figure.suptitle(title, fontsize=10)
    figure.supxlabel(note, fontsize=7, color="0.3")

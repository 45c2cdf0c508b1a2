"""Matrices of units by factors, the factor-granularity profile, and tables, as figures.

Colours are from cividis: even to colour-blind eyes.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
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
    """Matrices side by side on one scale from 0 to `high` (None: the largest entry).

    `label` says what a cell is, `note` the protocol.
    """
    largest = [float(np.nanmax(panel.values, initial=0.0)) for panel in panels if panel.values.size]
    top = (max(largest, default=1.0) or 1.0) if high is None else high
    height = max(CELL * max(len(panel.rows) for panel in panels), 1.2) + 2.1
    figure = _figure(sum(map(_width, panels)) + 1.3 * len(panels) + 1.2, height, title, note)
    _fill(figure, panels, top, label)
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
    """The factor-granularity profile: share (F, Γ) of a factor's entropy in its best unit.

    Beside it, the gap (F, Γ) to the second best, nan with one unit. Cells whose best unit holds
    another factor too, those not in alone (F, Γ) bool, carry an asterisk.
    """
    columns = [f"γ={g}" for g in granularities]
    note = f"{note}; *: the best unit holds another factor too; –: one unit has no second"
    figure = _figure(1.7 * len(columns) + 4.2, CELL * len(factors) + 2.0, title, note)
    panels = (
        Panel("share in its best unit", share, factors, columns),
        Panel("gap to the second best unit", gap, factors, columns),
    )
    _fill(figure, panels, 1.0, "share of the factor's entropy", np.where(alone, "", "*"))
    return figure


def _figure(width: float, height: float, title: str, note: str) -> Figure:
    """Inches, as wide as a title needs; title above and note below."""
    figure = Figure(figsize=(max(NARROWEST, width), height), dpi=130, layout="constrained")
    figure.suptitle(title, fontsize=10)
    figure.supxlabel(note, fontsize=7, color="0.3")
    return figure


def _width(panel: Panel) -> float:
    return max(2.2, 0.9 * len(panel.columns))


def _fill(
    figure: Figure, panels: Sequence[Panel], top: float, label: str, marks: np.ndarray | None = None
) -> None:
    """Panels side by side on a scale from 0 to `top` named `label`, `marks` after their numbers."""
    widths = [_width(panel) for panel in panels]
    axes = figure.subplots(1, len(panels), squeeze=False, width_ratios=widths)[0]
    turned = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"}
    for ax, (title, values, rows, columns) in zip(axes, panels, strict=True):
        known = np.ma.masked_invalid(values)
        ax.imshow(known, cmap=COLOURS, vmin=0, vmax=top, aspect="auto")
        ax.set_facecolor("0.85")  # of cells without a number
        ax.set_title(title, fontsize=9)
        ax.set_xticks(range(len(columns)), columns, fontsize=8, **turned)
        ax.set_yticks(range(len(rows)), rows, fontsize=8)
        ax.tick_params(length=0)
        for place, value in np.ndenumerate(values) if values.size <= MOST_NUMBERS else ():
            finite = bool(np.isfinite(value))
            text = f"{value:.2f}{'' if marks is None else marks[place]}" if finite else "–"
            colour = "white" if finite and value <= BRIGHT * top else "black"
            ax.text(*place[::-1], text, ha="center", va="center", fontsize=7, color=colour)
    scale = ScalarMappable(Normalize(0, top), COLOURS)
    figure.colorbar(scale, ax=list(axes), label=label, shrink=0.9)

"""Draw the charts of the page as files for a paper: PDF, and PNG to look at."""

from collections.abc import Mapping
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vae_granularity.analysis.page.charts import SCALE, Chart
from vae_granularity.files import replace_file

DPI = 150
POINTS = 0.66  # a Plotly pixel of a marker
SYMBOLS = {"circle": "o", "diamond": "D"}


def save_figures(charts: Mapping[str, tuple[Chart, str]], folder: Path) -> None:
    """Write each chart with its title as `<name>.pdf` and `<name>.png`, in place of older ones."""
    for name, (chart, title) in charts.items():
        folder.mkdir(parents=True, exist_ok=True)
        # Words of a run may hold a dollar: they are no formula.
        with rc_context({"text.parse_math": False}):
            figure = draw(chart, title)
            # The layout is computed once for both files.
            figure.draw_without_rendering()
            figure.set_layout_engine("none")
            with replace_file(folder / f"{name}.png") as file:
                figure.savefig(file, dpi=DPI, format="png")
            with replace_file(folder / f"{name}.pdf") as file:
                # No date in the file: the same runs give the same bytes.
                figure.savefig(file, metadata={"CreationDate": None}, format="pdf")


def draw(chart: Chart, title: str) -> Figure:
    """Draw a heat map or lines and markers on a grid, as `charts` describes them."""
    x = chart["layout"]["xaxis"]
    y = chart["layout"]["yaxis"]
    size = (0.75 * len(x["tickvals"]) + 2.6, 0.55 * len(y["tickvals"]) + 2.2)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    for trace in chart["data"]:
        if trace["type"] == "heatmap":
            _draw_heatmap(figure, axes, trace)
        else:
            _draw_scatter(axes, trace)
    axes.set_xticks(x["tickvals"], x["ticktext"])
    axes.set_yticks(y["tickvals"], y["ticktext"])
    axes.set_xlim(x.get("range"))
    axes.set_ylim(y.get("range"))
    axes.set(xlabel=x["title"]["text"], ylabel=y["title"]["text"])
    # About eleven letters an inch fit above the axes; the figure is not drawn yet.
    axes.set_title(fill(title, int(11 * (size[0] - 0.9))), fontsize=9, loc="left")
    if len(axes.get_legend_handles_labels()[0]):
        figure.legend(loc="outside lower left", ncols=3, fontsize=8, frameon=False)
    return figure


def _draw_heatmap(figure: Figure, axes: Axes, trace: Chart) -> None:
    values = np.array(trace["z"], dtype=np.float64)
    picture = axes.imshow(
        values,
        origin="lower",
        aspect="auto",
        cmap=SCALE.lower(),
        vmin=trace.get("zmin"),
        vmax=trace.get("zmax"),
    )
    for (row, column), text in np.ndenumerate(np.array(trace.get("text", [[]]))):
        shade = float(np.asarray(picture.norm(values[row, column])))
        axes.text(
            column,
            row + (-0.33 if "\n" in trace["texttemplate"] else 0.0),  # below the marks
            text,
            color="black" if shade > 0.5 else "white",
            ha="center",
            va="center",
            fontsize=7,
        )
    figure.colorbar(picture, label=trace["colorbar"]["title"]["text"])


def _draw_scatter(axes: Axes, trace: Chart) -> None:
    line = trace.get("line")
    marker = trace.get("marker")
    # One entry of the legend for a trace with both.
    label: str | None = trace["name"]
    if line:
        dash = "--" if "dash" in line else "-"
        axes.plot(trace["x"], trace["y"], dash, color=line["color"], label=label, zorder=2)
        label = None
    if marker:
        style: dict[str, Any] = {"c": marker["color"], "zorder": 2}
        axes.scatter(
            trace["x"],
            trace["y"],
            s=(POINTS * np.asarray(marker["size"])) ** 2,
            marker=SYMBOLS[marker.get("symbol", "circle")],
            edgecolors=marker.get("line", {}).get("color", "none"),
            label=label,
            **style,
        )

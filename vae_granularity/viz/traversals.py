"""Draw how the decoded image moves with latent dimensions and groups; pictures side by side."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

GAP = 2  # pixels between cells
# Colour-blind eyes can tell these two apart.
MARK = "#d55e00"
POINTS = "#0072b2"
MOST_LINES = 12  # coordinates in a legend
MANY_VALUES = 12  # of a factor, up to which its colours are distinct


def dimension_figure(
    images: np.ndarray,
    values: np.ndarray,
    labels: Sequence[str],
    title: str,
    *,
    groups: Sequence[Sequence[int]] = (),
    start: np.ndarray | None = None,
    note: str = "",
) -> Figure:
    """Draw a row a dimension: images (D, T, C, H, W) decoded at the T latent values (T,).

    Vectors (D, T, n) are drawn as n lines over the latent value.

    Args:
        groups: rows that belong together, in the order in which they are shown; the rest after.
        start: (D,) the starting image's own values; the nearest cell of a row is framed.
        note: stands below.
    """
    bands: list[list[int]] = []
    for group in groups:
        rows = [row for row in group if row < len(labels)]
        if rows:
            bands.append(rows)
    grouped = set(chain.from_iterable(bands))
    bands += [[row] for row in range(len(labels)) if row not in grouped]
    order = list(chain.from_iterable(bands))
    if images.ndim == 3:
        return _line_rows(images, values, labels, title, order, start, note)
    height, width = images.shape[-2:]
    space = max(4, height // 8)
    top = 0
    tops = {}
    strips = []
    for band in bands:
        strip = montage(images[band])
        tops |= {row: top + i * (height + GAP) for i, row in enumerate(band)}
        strips += [strip, np.ones((space, *strip.shape[1:]))]
        top += len(strip) + space
    picture = np.concatenate(strips[:-1])
    size = 0.55 * picture.shape[1] / height + 2.4, 0.55 * picture.shape[0] / height + 1.1
    figure = Figure(figsize=size, dpi=130, layout="constrained")
    axes = figure.subplots()
    axes.imshow(picture)
    axes.set_yticks([tops[row] + height / 2 for row in order], [labels[row] for row in order])
    axes.set_xticks([(width + GAP) * t + width / 2 for t in range(len(values))], _numbers(values))
    if start is not None:
        for row in order:
            cell = int(np.abs(values - start[row]).argmin()) * (width + GAP)
            axes.add_patch(_frame(cell - 1, tops[row] - 1, width + 1, height + 1))
    frames = "" if start is None else "; framed: nearest to the starting image"
    text = f"latent value, other dimensions as in the starting image{frames}{note}"
    axes.set_xlabel(text, fontsize=8)
    axes.set_title(title, fontsize=10, loc="left")
    axes.tick_params(length=0, labelsize=8)
    axes.spines[:].set_visible(False)
    return figure


@dataclass(frozen=True, eq=False)
class Colour:
    """The factor that colours points: name, values (n,), whether the last value meets the first."""

    name: str
    values: np.ndarray
    cyclic: bool = False


@dataclass(frozen=True, eq=False)
class GroupPanel:
    """What is drawn of one group of dimensions.

    Args:
        axes_names: of the two directions, down and right.
        decoded: (T, T, C, H, W) on a grid of the two directions, or vectors (T, T, n).
        start: (2,) the starting image's coordinates.
        points: (n, 2) codes of held-out images in the two directions.
        colour: of the points; None without labels.
    """

    label: str
    axes_names: tuple[str, str]
    decoded: np.ndarray
    start: np.ndarray
    points: np.ndarray
    colour: Colour | None = None


def group_figure(
    groups: Sequence[GroupPanel], title: str, *, values: np.ndarray, note: str = ""
) -> Figure:
    """Draw each group as a grid of decoded images beside the codes in the same two directions.

    Of vectors, the grid as it lies in the two main directions of what is decoded.

    Args:
        values: (T,), on both axes of a grid; the cell nearest to the starting image is framed.
        note: stands below.
    """
    figure, panels = panels_figure(2 * len(groups), title, columns=2 if len(groups) == 1 else 4)
    for group, grid_panel, points_panel in zip(groups, panels[::2], panels[1::2], strict=True):
        down, right = group.axes_names
        name_axes(grid_panel, f"{right} →", f"← {down}", f"{group.label}, decoded")
        if group.decoded.ndim == 3:
            _draw_lines(grid_panel, group.decoded, down, right)
        else:
            _draw_grid(grid_panel, group.decoded, values, group.start)
        _draw_points(points_panel, group)
    if note:
        figure.supxlabel(note, fontsize=8)
    return figure


def _draw_grid(panel: Axes, images: np.ndarray, values: np.ndarray, start: np.ndarray) -> None:
    """Draw images (T, T, C, H, W), first axis down, with a frame at the starting image."""
    height = images.shape[-2] + GAP
    width = images.shape[-1] + GAP
    panel.imshow(montage(images))
    ticks = [0, len(values) // 2, len(values) - 1]
    panel.set_xticks([width * (t + 0.5) for t in ticks], _numbers(values[ticks]))
    panel.set_yticks([height * (t + 0.5) for t in ticks], _numbers(values[ticks]))
    panel.tick_params(length=0)
    row, column = (int(np.abs(values - coordinate).argmin()) for coordinate in start)
    panel.add_patch(_frame(column * width - 1, row * height - 1, width - 1, height - 1))


def _draw_points(panel: Axes, group: GroupPanel) -> None:
    """Draw the codes (n, 2) as the grid lies: first direction down, second right."""
    down, right = group.axes_names
    across = group.points[:, 1]
    below = group.points[:, 0]
    if group.colour is None:
        panel.scatter(across, below, s=4, color=POINTS, linewidths=0)
        name_axes(panel, f"{right} →", f"← {down}", "held-out codes")
    else:
        values = group.colour.values
        colours = "plasma"
        if group.colour.cyclic:
            colours = "hsv"
        elif len(np.unique(values)) <= MANY_VALUES:
            colours = "viridis"
        drawn = panel.scatter(across, below, c=values, s=5, cmap=colours, linewidths=0)
        bar = panel.figure.colorbar(drawn, ax=panel, shrink=0.8)
        bar.ax.tick_params(labelsize=6)
        kind = " (cyclic)" if group.colour.cyclic else ""
        bar.set_label(f"{group.colour.name}{kind}", fontsize=7)
        name_axes(panel, f"{right} →", f"← {down}", f"codes by {group.colour.name}")
    panel.invert_yaxis()
    panel.set_aspect("equal", adjustable="datalim")


def reconstruction_figure(originals: np.ndarray, reconstructions: np.ndarray, title: str) -> Figure:
    """Draw originals (n, C, H, W) above their reconstructions (n, C, H, W).

    Of vectors (n, k), one panel a coordinate: the reconstruction over the original.
    """
    if originals.ndim == 2:
        figure, panels = panels_figure(originals.shape[1], title)
        for k, panel in enumerate(panels):
            panel.scatter(originals[:, k], reconstructions[:, k], s=6, color=POINTS)
            ends = [originals[:, k].min(), originals[:, k].max()]
            panel.plot(ends, ends, color="0.6", linewidth=0.8)
            name_axes(panel, "held-out value", "mean of p(x|z)", f"x{k}")
        return figure
    images = np.stack((originals, reconstructions))
    return _rows_figure(images, ["image", "mean of p(x|z)"], title, "held-out images")


def sample_figure(samples: np.ndarray, title: str, held_out: np.ndarray) -> Figure:
    """Draw decoded samples of the prior (n, C, H, W), ten a row.

    Of vectors (n, k), pairs of coordinates over those of held-out data (m, k).
    """
    if samples.ndim == 2:
        pairs = [(k, k + 1) for k in range(0, samples.shape[1] - 1, 2)] or [(0, 0)]
        figure, panels = panels_figure(len(pairs), title)
        for panel, (first, second) in zip(panels, pairs, strict=True):
            panel.scatter(held_out[:, first], held_out[:, second], s=5, color="0.8", label="data")
            panel.scatter(samples[:, first], samples[:, second], s=5, color=POINTS, label="samples")
            name_axes(panel, f"x{first}", f"x{second}")
        panels[0].legend(fontsize=7)
        return figure
    columns = min(10, len(samples))
    rows = len(samples) // columns
    cells = samples[: rows * columns].reshape(rows, columns, *samples.shape[1:])
    return _rows_figure(cells, [""] * rows, title, "means of p(x|z), z from the prior")


def panels_figure(count: int, title: str, columns: int | None = None) -> tuple[Figure, list[Axes]]:
    """Return a figure with `count` square panels.

    Args:
        columns: of panels; None is about twice as many as rows.
    """
    if columns is None:
        columns = min(count, max(1, round(math.sqrt(2 * count))))
    rows = math.ceil(count / columns)
    size = max(7.0, 2.6 * columns), 2.8 * rows + 0.5
    figure = Figure(figsize=size, dpi=130, layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel in panels[count:]:
        panel.set_visible(False)
    figure.suptitle(title, fontsize=10)
    return figure, list(panels[:count])


def name_axes(
    panel: Axes, x: str, y: str, title: str | None = None, *, size: int = 8, ticks: int = 7
) -> None:
    """Name both axes and, above, the panel; `size` and `ticks` are font sizes."""
    panel.set_xlabel(x, fontsize=size)
    panel.set_ylabel(y, fontsize=size)
    panel.tick_params(labelsize=ticks)
    if title is not None:
        panel.set_title(title, fontsize=9)


def _line_rows(
    vectors: np.ndarray,
    values: np.ndarray,
    labels: Sequence[str],
    title: str,
    order: Sequence[int],
    start: np.ndarray | None,
    note: str,
) -> Figure:
    """Draw a panel a dimension: coordinates of vectors (D, T, n) over the latent values (T,)."""
    figure, panels = panels_figure(len(order), title)
    limits = float(vectors.min()), float(vectors.max())
    lines = []
    for panel, row in zip(panels, order, strict=True):
        lines = panel.plot(values, vectors[row], linewidth=1.2)
        if start is not None:
            panel.axvline(start[row], color=MARK, linewidth=0.8, linestyle=":")
        panel.set(ylim=limits, title=labels[row])
        panel.title.set_fontsize(9)
        panel.tick_params(labelsize=7)
    names = [f"x{k}" for k in range(vectors.shape[-1])][:MOST_LINES]
    figure.legend(lines[:MOST_LINES], names, loc="outside right upper", fontsize=7)
    dots = "" if start is None else "; dotted: the starting vector"
    text = f"latent value, other dimensions as in the starting vector{dots}{note}"
    figure.supxlabel(text, fontsize=8)
    figure.supylabel("decoded coordinate", fontsize=8)
    return figure


def _draw_lines(panel: Axes, grid: np.ndarray, down: str, right: str) -> None:
    """Draw the lines of a decoded grid (T, T, n) in its two main directions."""
    flat = grid.reshape(-1, grid.shape[-1])
    _, _, directions = np.linalg.svd(flat - flat.mean(0), full_matrices=False)
    plane = (grid - flat.mean(0)) @ directions[:2].T
    if plane.shape[-1] == 1:
        plane = np.concatenate((plane, np.zeros_like(plane)), -1)
    for lines, name, colour in ((plane.swapaxes(0, 1), down, POINTS), (plane, right, MARK)):
        for i, line in enumerate(lines):
            panel.plot(*line.T, color=colour, linewidth=0.9, label=name if i == 0 else None)
    panel.set_aspect("equal", adjustable="datalim")
    names = ("main direction 1 of what is decoded", "main direction 2")
    name_axes(panel, *names, size=7, ticks=6)
    panel.legend(fontsize=6, title="changes", title_fontsize=6)


def _frame(x: float, y: float, width: float, height: float) -> Rectangle:
    return Rectangle((x, y), width, height, fill=False, edgecolor=MARK, linewidth=1.4)


def _numbers(values: np.ndarray) -> list[str]:
    return [f"{value:.2g}" for value in values]


def montage(images: np.ndarray) -> np.ndarray:
    """Return images (rows, columns, C, H, W) as one picture (height, width, 3).

    >>> montage(np.zeros((2, 3, 1, 4, 4))).shape  # white lines of two pixels between the cells
    (10, 16, 3)
    """
    cells = to_rgb(images)
    rows, columns, height, width, _ = cells.shape
    framed = np.ones((rows, columns, height + GAP, width + GAP, 3))
    framed[:, :, :height, :width] = cells
    picture = framed.swapaxes(1, 2).reshape(rows * (height + GAP), columns * (width + GAP), 3)
    return picture[:-GAP, :-GAP]


def to_rgb(images: np.ndarray) -> np.ndarray:
    """Return images (..., C, H, W) in [0, 1] with 1 or 3 channels as (..., H, W, 3)."""
    rgb = np.moveaxis(np.clip(images, 0, 1), -3, -1)
    return np.repeat(rgb, 3, axis=-1) if rgb.shape[-1] == 1 else rgb


def _rows_figure(images: np.ndarray, row_labels: list[str], title: str, xlabel: str) -> Figure:
    """Draw a labelled row of cells for each label, images as for `montage`."""
    picture = montage(images)
    rows = len(row_labels)
    height, width = picture.shape[:2]
    size = max(5.0, 0.55 * rows * width / height + 1.6), 0.55 * rows + 0.9
    figure = Figure(figsize=size, dpi=130, layout="constrained")
    axes = figure.subplots()
    axes.imshow(picture)
    cell = (height + GAP) / rows
    axes.set_yticks([cell * (r + 0.5) - GAP / 2 for r in range(rows)], row_labels)
    axes.set_xticks([])
    axes.set_xlabel(xlabel)
    axes.set_title(title, fontsize=10, loc="left")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure

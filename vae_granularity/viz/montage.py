"""Images (or vectors) side by side as one array to show."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

GAP = 2


def to_rgb(images: np.ndarray) -> np.ndarray:
    """(..., C, H, W) in [0, 1] with 1 or 3 channels, or vectors (..., n), to (..., H, W, 3).

    A vector becomes a barcode: one column of eight pixels a number, grey from the lowest to the
    highest of all vectors.
    """
    if images.ndim >= 4:
        rgb = np.moveaxis(np.clip(images, 0, 1), -3, -1)
        return np.repeat(rgb, 3, axis=-1) if rgb.shape[-1] == 1 else rgb
    low, high = images.min(), images.max()
    grey = (images - low) / (high - low if high > low else 1.0)
    bars = np.repeat(np.repeat(grey[..., None, :], 16, axis=-2), 8, axis=-1)
    return np.repeat(bars[..., None], 3, axis=-1)


def montage(images: np.ndarray) -> np.ndarray:
    """(rows, columns, C, H, W) or (rows, columns, n) to one picture (height, width, 3), white
    between the cells.
    """
    cells = to_rgb(images)
    rows, columns, height, width, _ = cells.shape
    picture = np.ones((rows * (height + GAP) - GAP, columns * (width + GAP) - GAP, 3))
    for r in range(rows):
        for c in range(columns):
            top, left = r * (height + GAP), c * (width + GAP)
            picture[top : top + height, left : left + width] = cells[r, c]
    return picture


def row_figure(images: np.ndarray, row_labels: list[str], title: str, xlabel: str) -> Figure:
    """One labelled row of cells for each label: images (rows, columns, C, H, W) or (rows, columns,
    n).
    """
    picture = montage(images)
    height, width = picture.shape[:2]
    rows = len(row_labels)
    inches = 0.55 * rows + 0.9
    figure = Figure(
        figsize=(max(5.0, 0.55 * rows * width / height + 1.6), inches),
        dpi=130,
        layout="constrained",
    )
    axes = figure.subplots()
    axes.imshow(picture)
    cell = (height + GAP) / rows
    axes.set_yticks([cell * (r + 0.5) - GAP / 2 for r in range(rows)], row_labels)
    axes.set_xticks([])
    axes.set_xlabel(xlabel)
    axes.set_title(title, fontsize=10, loc="left")
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return figure

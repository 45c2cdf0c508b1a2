"""What latent dimensions and groups do to the decoded image, and pictures side by side."""

import math

import numpy as np
from matplotlib.figure import Figure

GAP = 2  # pixels between cells


def dimension_figure(
    images: np.ndarray, values: np.ndarray, labels: list[str], title: str
) -> Figure:
    """One row a dimension: images (D, T, C, H, W) decoded at the T latent values (T,)."""
    return _rows_figure(images, labels, title, f"latent value, {values[0]:g} to {values[-1]:g}")


def group_figure(
    images: np.ndarray, labels: list[str], axes_names: list[tuple[str, str]], title: str
) -> Figure:
    """One square grid a group: images (G, T, T, C, H, W), first axis down, second to the right."""
    columns = min(len(labels), max(1, round(math.sqrt(2 * len(labels)))))
    rows = math.ceil(len(labels) / columns)
    figure = Figure(figsize=(2.6 * columns, 2.8 * rows + 0.4), dpi=130, layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel, grid, label, (down, right) in zip(panels, images, labels, axes_names, strict=False):
        panel.imshow(montage(grid))
        panel.set_title(label, fontsize=9)
        panel.set_xlabel(f"{right} →", fontsize=8)
        panel.set_ylabel(f"← {down}", fontsize=8)
        panel.set(xticks=[], yticks=[])
    for panel in panels[len(labels) :]:
        panel.set_visible(False)
    figure.suptitle(title, fontsize=10)
    return figure


def reconstruction_figure(originals: np.ndarray, reconstructions: np.ndarray, title: str) -> Figure:
    """Originals (n, C, H, W) above their reconstructions (n, C, H, W)."""
    images, labels = np.stack((originals, reconstructions)), ["image", "mean of p(x|z)"]
    return _rows_figure(images, labels, title, "held-out images")


def montage(images: np.ndarray) -> np.ndarray:
    """(rows, columns, C, H, W) or (rows, columns, n) as one picture (height, width, 3).

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


def _rows_figure(images: np.ndarray, row_labels: list[str], title: str, xlabel: str) -> Figure:
    """One labelled row of cells for each label, images as for `montage`."""
    picture, rows = montage(images), len(row_labels)
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

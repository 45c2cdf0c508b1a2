"""What latent dimensions and groups do to the decoded image."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.figure import Figure

from vae_granularity.viz.montage import montage, row_figure


def dimension_figure(
    images: np.ndarray, values: np.ndarray, labels: list[str], title: str
) -> Figure:
    """One row a dimension: images (D, T, C, H, W) decoded at the T latent values (T,)."""
    return row_figure(images, labels, title, f"latent value, {values[0]:g} to {values[-1]:g}")


def group_figure(
    images: np.ndarray, labels: list[str], axes_names: list[tuple[str, str]], title: str
) -> Figure:
    """One square grid a group: images (G, T, T, C, H, W), first grid axis downwards, second to the
    right, named by `axes_names`.
    """
    columns = min(len(labels), max(1, round(math.sqrt(2 * len(labels)))))
    rows = math.ceil(len(labels) / columns)
    figure = Figure(figsize=(2.6 * columns, 2.8 * rows + 0.4), dpi=130, layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel, grid, label, (down, right) in zip(panels, images, labels, axes_names, strict=False):
        panel.imshow(montage(grid))
        panel.set_title(label, fontsize=9)
        panel.set_xlabel(f"{right} →", fontsize=8)
        panel.set_ylabel(f"← {down}", fontsize=8)
        panel.set_xticks([])
        panel.set_yticks([])
    for panel in panels[len(labels) :]:
        panel.set_visible(False)
    figure.suptitle(title, fontsize=10)
    return figure


def reconstruction_figure(originals: np.ndarray, reconstructions: np.ndarray, title: str) -> Figure:
    """Originals (n, C, H, W) above their reconstructions (n, C, H, W)."""
    return row_figure(
        np.stack((originals, reconstructions)),
        ["image", "mean of p(x|z)"],
        title,
        "held-out images",
    )

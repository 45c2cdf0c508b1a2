"""A contact sheet of a dataset: one row for each factor that varies, or pictures at random where there are no factors."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image, ImageDraw

from vae_granularity.data.base import ImageDataModule

COLUMNS, ROWS, GAP, MARGIN = 10, 6, 2, 110  # MARGIN: pixels left of a row for the name of its factor


def contact_sheet(data: ImageDataModule, seed: int = 0) -> Image.Image:
    """The sheet of a data module after `setup`, whose images must be (C, H, W).

    With factors, every row runs through one of them (at most 10 values, evenly spaced, first and last among them)
    from a base that is drawn anew for each row.
    """
    rng = np.random.default_rng(seed)
    space = data.factor_space
    if space is None:
        picked = np.sort(rng.choice(data.train_size, size=min(ROWS * COLUMNS, data.train_size), replace=False))
        rows = [("", data.train_indices[picked[start : start + COLUMNS]]) for start in range(0, len(picked), COLUMNS)]
    else:
        rows = [(name, space.index(_spread(space.traverse(space.sample(1, rng)[0], name)))) for name in space.varying]
    _, height, width = data.image_shape
    sheet = Image.new("RGB", (MARGIN + COLUMNS * (width + GAP), len(rows) * (height + GAP) + 16), "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((4, 2), data.title, fill="black")
    for number, (name, indices) in enumerate(rows):
        top = 16 + number * (height + GAP)
        draw.text((4, top + height // 2 - 5), name, fill="black")
        for column, tile in enumerate(_tiles(data.images(indices))):
            sheet.paste(Image.fromarray(tile), (MARGIN + column * (width + GAP), top))
    return sheet


def _spread(rows: np.ndarray) -> np.ndarray:
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(COLUMNS, len(rows))).round().astype(int))]


def _tiles(images: torch.Tensor) -> np.ndarray:
    """(n, C, H, W) in [0, 1] → (n, H, W, 3) uint8."""
    pixels = (255 * images).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    return np.repeat(pixels, 3, axis=3) if pixels.shape[3] == 1 else pixels

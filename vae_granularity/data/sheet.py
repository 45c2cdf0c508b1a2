"""Contact sheets: of a dataset, one row for each factor that varies, or pictures at random; of
several datasets, one row each.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw

from vae_granularity.data.base import ImageDataModule

COLUMNS, ROWS, GAP, MARGIN = (
    10,
    6,
    2,
    110,
)  # MARGIN: pixels left of a row for the name of its factor


def contact_sheet(data: ImageDataModule, seed: int = 0) -> Image.Image:
    """The sheet of a data module after `setup`, whose images must be (C, H, W).

    With factors, every row runs through one of them (at most 10 values, evenly spaced, first and
    last among them) from a base that is drawn anew for each row.
    """
    rng = np.random.default_rng(seed)
    space = data.factor_space
    if space is None:
        picked = _at_random(data, ROWS * COLUMNS, rng)
        rows = [("", picked[start : start + COLUMNS]) for start in range(0, len(picked), COLUMNS)]
    else:
        rows = [
            (name, space.index(_spread(space.traverse(space.sample(1, rng)[0], name))))
            for name in space.varying
        ]
    return _drawn(data.title, [(name, _tiles(data.images(indices))) for name, indices in rows])


def overview(datasets: Sequence[ImageDataModule], seed: int = 0) -> Image.Image:
    """A sheet with one row for each data module, after `setup`, of the same picture size: training
    images at random.
    """
    return _drawn(
        "",
        [
            (
                data.title,
                _tiles(data.images(_at_random(data, COLUMNS, np.random.default_rng(seed)))),
            )
            for data in datasets
        ],
    )


def _drawn(title: str, rows: list[tuple[str, np.ndarray]]) -> Image.Image:
    """Rows of names and tiles (n, H, W, 3) uint8 under a title."""
    _, height, width, _ = rows[0][1].shape
    top = 16 if title else 0
    sheet = Image.new(
        "RGB", (MARGIN + COLUMNS * (width + GAP), len(rows) * (height + GAP) + top), "white"
    )
    draw = ImageDraw.Draw(sheet)
    draw.text((4, 2), title, fill="black")
    for number, (name, tiles) in enumerate(rows):
        line = top + number * (height + GAP)
        draw.text((4, line + height // 2), name.replace(" (", "\n("), fill="black", anchor="lm")
        for column, tile in enumerate(tiles):
            sheet.paste(Image.fromarray(tile), (MARGIN + column * (width + GAP), line))
    return sheet


def _at_random(data: ImageDataModule, count: int, rng: np.random.Generator) -> np.ndarray:
    return data.train_indices[
        np.sort(rng.choice(data.train_size, size=min(count, data.train_size), replace=False))
    ]


def _spread(rows: np.ndarray) -> np.ndarray:
    return rows[
        np.unique(np.linspace(0, len(rows) - 1, min(COLUMNS, len(rows))).round().astype(int))
    ]


def _tiles(images: torch.Tensor) -> np.ndarray:
    """(n, C, H, W) in [0, 1] → (n, H, W, 3) uint8."""
    pixels = (255 * images).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    return np.repeat(pixels, 3, axis=3) if pixels.shape[3] == 1 else pixels

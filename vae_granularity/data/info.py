"""Describe a data set for `data info`: its card as text, and contact sheets of its images."""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw

from vae_granularity.data.base import ImageDataModule
from vae_granularity.data.grid import FactorGridDataModule

REAL = {
    "auto": "the official files are not here, nothing draws look-alikes; `prepare` fetches them",
    "official": "the official images",
    "hub": "a copy on the Hugging Face hub of the official images; no hash is published for it",
    "rendered": "NOT REAL: look-alike images drawn here",
    "synthetic": "generated; that is the data set",
    "own": "your own images",
}
VERIFIED = {
    True: "yes: the published hashes",
    False: "no: a file's hash is not the published one",
    None: "no hash to compare",
}
CHECKED = {True: "compared: it is as written", False: "not compared now; `prepare` compares them"}
COLUMNS = 10
ROWS = 6
GAP = 2
MARGIN = 110  # pixels left of a row for the name of its factor


def describe(data: ImageDataModule, *, hashed: bool = False) -> str:
    """Return the contents of a data module after `resolve`, the licence, files, and what is real.

    Args:
        hashed: whether every byte of the cache has been compared with its checksum.
    """
    card = data.card
    space = data.factor_space
    sizes = data.parts
    counts = ", ".join(f"{split} {count:,}" for split, count in sizes.items())
    number = f"{sum(sizes.values()):,} ({counts})" if sizes else "number known after `prepare`"
    is_here = data.files or data.source != "official"
    lines = [
        ("dataset", data.title),
        ("images", f"{'x'.join(map(str, data.image_shape))}, {number}"),
        ("labels", "" if space else ", ".join(data.label_names)),
        ("factors", ", ".join(map("{} {}".format, space.names, space.sizes)) if space else ""),
        ("constant factors", ", ".join(space.constant) if space else ""),
        ("twins", _twins(data)),
        ("licence", card.licence),
        ("cite", card.citation),
        ("home", card.homepage),
        ("source", f"{data.source}: {REAL[data.source if is_here else 'auto']}"),
        ("verified", VERIFIED[data.verified]),
        *((f"file {name}", str(path)) for name, path in data.files.items()),
        ("cache", str(data.cache_directory or "none needed")),
        ("checksums of the cache", CHECKED[hashed] if data.cache_directory else ""),
    ]
    return "\n".join(f"{name:<22} {text}" for name, text in lines if text)


def _twins(data: ImageDataModule) -> str:
    twins = data.duplicate_of_training() if isinstance(data, FactorGridDataModule) else None
    if twins is None:
        return ""
    share = f"{twins['share']:.2%} of the validation images have a twin in training"
    return f"{twins['reason']}: {share}"


def contact_sheet(data: ImageDataModule, seed: int = 0) -> Image.Image:
    """Return the sheet of a data module after `setup`, whose images must be (C, H, W).

    With factors, every row runs through one of them (at most 10 values, evenly spaced, first and
    last among them) from a base that is drawn anew for each row; without, pictures at random.
    """
    rng = np.random.default_rng(seed)
    space = data.factor_space
    if space is None:
        picked = _at_random(data, ROWS * COLUMNS, rng)
        rows = [("", picked[start : start + COLUMNS]) for start in range(0, len(picked), COLUMNS)]
    else:
        runs = ((name, space.traverse(space.sample(1, rng)[0], name)) for name in space.varying)
        rows = [(name, space.index(_spread(run))) for name, run in runs]
    return _drawn(data.title, [(name, _tiles(data, indices)) for name, indices in rows])


def overview(datasets: Sequence[ImageDataModule], seed: int = 0) -> Image.Image:
    """Return a row of random training images of each data module, after `setup`; one size."""
    picked = [_at_random(data, COLUMNS, np.random.default_rng(seed)) for data in datasets]
    rows = zip(datasets, picked, strict=True)
    return _drawn("", [(data.title, _tiles(data, indices)) for data, indices in rows])


def _drawn(title: str, rows: list[tuple[str, np.ndarray]]) -> Image.Image:
    """Draw rows of names and tiles (n, H, W, 3) uint8 under a title."""
    _, height, width, _ = rows[0][1].shape
    top = 16 if title else 0
    size = MARGIN + COLUMNS * (width + GAP), len(rows) * (height + GAP) + top
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((4, 2), title, fill="black")
    for number, (name, tiles) in enumerate(rows):
        line = top + number * (height + GAP)
        draw.text((4, line + height // 2), name.replace(" (", "\n("), fill="black", anchor="lm")
        for column, tile in enumerate(tiles):
            sheet.paste(Image.fromarray(tile), (MARGIN + column * (width + GAP), line))
    return sheet


def _at_random(data: ImageDataModule, count: int, rng: np.random.Generator) -> np.ndarray:
    size = min(count, data.train_size)
    return data.train_indices[np.sort(rng.choice(data.train_size, size=size, replace=False))]


def _spread(rows: np.ndarray) -> np.ndarray:
    chosen = np.linspace(0, len(rows) - 1, min(COLUMNS, len(rows))).round().astype(int)
    return rows[np.unique(chosen)]


def _tiles(data: ImageDataModule, indices: np.ndarray) -> np.ndarray:
    """Return the images of the indices as (n, H, W, 3) uint8."""
    images = (255 * data.images(indices)).round().to(torch.uint8)
    return images.permute(0, 2, 3, 1).expand(-1, -1, -1, 3).cpu().numpy()

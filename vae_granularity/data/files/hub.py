"""Reads a parquet data set of the Hugging Face hub, or a local folder of one, checking it first."""

from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL.Image import Image
from PIL.Image import open as open_picture

from vae_granularity.data.files.cache import ImageStream
from vae_granularity.data.files.declaration import DatasetCard
from vae_granularity.errors import ArgumentError, DataError

CHUNK = 256  # rows read at a time
MAX_PIXELS = 1 << 24  # of a picture
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")  # none that calls other programs

Tables = Mapping[str, Any]  # split → datasets.Dataset; importing the library takes a second


def open_table(card: DatasetCard, hub_id: str | None, cache_dir: Path) -> Tables:
    """The splits of the card's hub data set, or of `hub_id`: an id, or a folder of one.

    Raises:
        DataError: it cannot be had, or its splits or columns are not the declared ones; lists those
            found.
    """
    where = hub_id or card.hub.id
    assert where is not None, "resolve() has refused the source"
    tables = load(where, None if hub_id else card.hub.config, cache_dir)
    if card.hub.splits["train"] not in tables:
        wanted = f"the splits {sorted(card.hub.splits.values())}, found {sorted(tables)}"
        raise DataError(f"hub data set {where} must have {wanted}")
    for name in (name for name in card.hub.splits.values() if name in tables):
        features = tables[name].features
        if missing := sorted(set(card.hub_columns) - set(features)):
            lacks = f"lacks the columns {missing}; found {sorted(features)}"
            raise DataError(f"hub data set {where}, split {name}, {lacks}")
        column, kind = card.hub.image, features[card.hub.image]
        if type(kind).__name__ != "Image":
            wrong = f"column `{column}` must hold images, found {kind}"
            raise DataError(f"hub data set {where}: {wrong}")
    from datasets import Image as Column

    # The library would open whatever file of this machine a row names.
    closed, image = dict(tables), card.hub.image
    for name, table in tables.items():
        if image in table.features:
            closed[name] = table.cast_column(image, Column(decode=False))
    return closed


def load(where: str, config: str | None, cache_dir: Path) -> Tables:
    """All splits of a data set: an id, or a folder that `datasets` has saved or can read.

    Raises:
        DataError: it cannot be had.
    """
    import datasets  # it takes a second to import, and only this source needs it

    saved = any((Path(where) / name).exists() for name in ("dataset_dict.json", "state.json"))
    try:
        if saved:
            found = datasets.load_from_disk(where)
        else:
            own_cache = str(cache_dir / "huggingface")
            found = datasets.load_dataset(where, config, cache_dir=own_cache)
    except Exception as error:  # the library and its back ends raise whatever they like
        cause = f"{type(error).__name__}: {error}"
        raise DataError(f"hub data set {where} cannot be loaded: {cause}") from error
    splits = found.items() if isinstance(found, dict) else [("train", found)]
    return {str(name): split for name, split in splits}


def cache_files(tables: Tables) -> dict[str, Path]:
    """The local files behind the table, for the key of the conversion cache."""
    files = [entry["filename"] for split in sorted(tables) for entry in tables[split].cache_files]
    return {f"{number}": Path(name) for number, name in enumerate(files)}


def read_table(
    card: DatasetCard, tables: Tables, pixels: Callable[[Image], np.ndarray]
) -> ImageStream:
    """The images in store order: by factor index for a grid, by row otherwise."""
    splits = card.hub.splits.items()
    parts = {part: len(tables[name]) for part, name in splits if tables.get(name)}
    rows, labels = sum(parts.values()), []
    if card.factors is None:
        images = _rows(card, tables, pixels, labels)
        return ImageStream(card.image_shape, parts, images, lambda: np.concatenate(labels))
    if rows != card.factors.size:
        needed = f"the factors {card.factors.sizes} need {card.factors.size}"
        raise DataError(f"hub data set of {card.name} has {rows} rows; {needed}")
    return ImageStream(card.image_shape, {"train": rows}, _rows(card, tables, pixels, labels))


def _rows(
    card: DatasetCard, tables: Tables, pixels: Callable[[Image], np.ndarray], kept: list[np.ndarray]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Chunks of all splits; their labels are added to `kept`."""
    mode, row = ("L" if card.image_shape[0] == 1 else "RGB"), 0
    for name in card.hub.splits.values():
        for batch in tables[name].iter(CHUNK) if name in tables else ():
            pictures = (
                _picture(card, cell, row + i) for i, cell in enumerate(batch[card.hub.image])
            )
            images = np.stack([pixels(picture.convert(mode)) for picture in pictures])
            if images.shape[1:] != card.image_shape:
                got = f"{card.image_shape}, got {images.shape[1:]} at row {row}"
                raise DataError(f"hub images of {card.name} must be {got}")
            columns = (batch[column] if column else [0] * len(images) for column in card.hub_labels)
            labels = np.stack([np.asarray(column) for column in columns], axis=1)
            if labels.dtype.kind not in "biu":
                got = f"integers, got {labels.dtype} in {card.hub_labels}"
                raise DataError(f"hub labels of {card.name} must be {got}")
            kept.append(labels.astype(np.int64))
            yield _positions(card, kept[-1], row), images
            row += len(images)


def _picture(card: DatasetCard, cell: Mapping[str, Any], row: int) -> Image:
    """The picture in a cell of the table, which must hold it, not name a file."""
    if cell.get("bytes") is None:
        named = f"names the file {cell.get('path')!r} in place of a picture; it is refused"
        raise DataError(f"hub data set of {card.name}: row {row} {named}")
    try:
        picture = open_picture(BytesIO(cell["bytes"]), formats=FORMATS)
        if picture.width * picture.height > MAX_PIXELS:
            size = f"{picture.width}×{picture.height}"
            raise DataError(f"hub data set of {card.name}: the picture of row {row} is {size}")
        picture.load()
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"hub data set of {card.name}: row {row}: no picture: {error}") from error
    return picture


def _positions(card: DatasetCard, labels: np.ndarray, row: int) -> np.ndarray:
    if card.factors is None:
        return np.arange(row, row + len(labels))
    try:
        return card.factors.index(labels)
    except ArgumentError as error:
        raise DataError(f"hub labels of {card.name} do not fit its factors: {error}") from error

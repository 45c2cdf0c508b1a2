"""Reads a parquet data set of the Hugging Face hub, or a local folder of one, after checking its
splits and columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vae_granularity.data.files.cache import ImageStream
from vae_granularity.data.files.declaration import DatasetCard
from vae_granularity.errors import ArgumentError, DataError

if TYPE_CHECKING:
    from datasets import DatasetDict
    from PIL.Image import Image

CHUNK = 256  # rows read at a time


def open_table(card: DatasetCard, hub_id: str | None, cache_dir: Path) -> DatasetDict:
    """The splits of the card's hub data set, or of `hub_id` (an id, or a folder that `datasets`
    saved or can load).

    Raises:
        DataError: it cannot be had, or its splits or columns are not the declared ones; lists those
            found.
    """
    where = hub_id or card.hub.id
    assert where is not None, "resolve() has refused the source"
    tables = _load(where, None if hub_id else card.hub.config, cache_dir)
    wanted = [name for name in card.hub.splits.values() if name in tables]
    if not wanted or card.hub.splits["train"] not in tables:
        raise DataError(
            f"hub data set {where} must have the splits {sorted(card.hub.splits.values())}, found {sorted(tables)}"
        )
    columns = {card.hub.image, *(label for label in card.hub.labels if label)}
    for name in wanted:
        features = tables[name].features
        if missing := columns - set(features):
            raise DataError(
                f"hub data set {where}, split {name}, lacks the columns {sorted(missing)}; found {sorted(features)}"
            )
        if type(features[card.hub.image]).__name__ != "Image":
            raise DataError(
                f"hub data set {where}: column `{card.hub.image}` must hold images, found {features[card.hub.image]}"
            )
    return tables


def _load(where: str, config: str | None, cache_dir: Path) -> Any:
    import datasets  # it takes a second to import, and only this source needs it

    saved = any((Path(where) / name).exists() for name in ("dataset_dict.json", "state.json"))
    try:
        found = (
            datasets.load_from_disk(where)
            if saved
            else datasets.load_dataset(where, config, cache_dir=str(cache_dir / "huggingface"))
        )
    except Exception as error:  # the library and its back ends raise whatever they like; the user needs one sentence
        raise DataError(
            f"hub data set {where} cannot be loaded: {type(error).__name__}: {error}"
        ) from error
    return found if isinstance(found, dict) else {"train": found}


def cache_files(tables: DatasetDict) -> dict[str, Path]:
    """The local files behind the table, for the key of the conversion cache."""
    files = [entry["filename"] for split in sorted(tables) for entry in tables[split].cache_files]
    return {f"{number}": Path(name) for number, name in enumerate(files)}


def read_table(
    card: DatasetCard, tables: DatasetDict, pixels: Callable[[Image], np.ndarray]
) -> ImageStream:
    """The images in store order: by factor index for a grid, by row otherwise."""
    parts = {
        part: len(tables[name])
        for part, name in card.hub.splits.items()
        if name in tables and len(tables[name])
    }
    if card.factors is not None:
        if sum(parts.values()) != card.factors.size:
            raise DataError(
                f"hub data set of {card.name} has {sum(parts.values())} rows; the factors {card.factors.sizes} need {card.factors.size}"
            )
        return ImageStream(
            card.image_shape, {"train": card.factors.size}, _rows(card, tables, pixels, None)
        )
    labels: list[np.ndarray] = []
    return ImageStream(
        card.image_shape, parts, _rows(card, tables, pixels, labels), lambda: np.concatenate(labels)
    )


def _rows(
    card: DatasetCard,
    tables: DatasetDict,
    pixels: Callable[[Image], np.ndarray],
    kept: list[np.ndarray] | None,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    mode, row = ("L" if card.image_shape[0] == 1 else "RGB"), 0
    for name in card.hub.splits.values():
        for batch in tables[name].iter(CHUNK) if name in tables else ():
            pictures = batch[card.hub.image]
            images = np.stack([pixels(picture.convert(mode)) for picture in pictures])
            if images.shape[1:] != card.image_shape:
                raise DataError(
                    f"hub images of {card.name} must be {card.image_shape}, got {images.shape[1:]} at row {row}"
                )
            labels = np.stack(
                [
                    np.asarray(batch[column] if column else [0] * len(pictures))
                    for column in card.hub.labels
                ],
                axis=1,
            )
            if labels.dtype.kind not in "biu":
                raise DataError(
                    f"hub labels of {card.name} must be integers, got {labels.dtype} in {card.hub.labels}"
                )
            labels = labels.astype(np.int64)
            if kept is not None:
                kept.append(labels)
            yield (
                np.arange(row, row + len(pictures))
                if kept is not None
                else _grid_positions(card, labels),
                images,
            )
            row += len(pictures)


def _grid_positions(card: DatasetCard, labels: np.ndarray) -> np.ndarray:
    assert card.factors is not None
    try:
        return card.factors.index(labels)
    except ArgumentError as error:
        raise DataError(f"hub labels of {card.name} do not fit its factors: {error}") from error

"""Read a parquet data set of the Hugging Face hub, or a local folder of one; check it first."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from PIL.Image import DecompressionBombError, Image
from PIL.Image import open as open_picture

from vae_granularity.data.files.cache import ImageStream
from vae_granularity.data.files.declaration import DatasetCard
from vae_granularity.data.files.pictures import FORMATS
from vae_granularity.errors import ArgumentError, DataError
from vae_granularity.files import read_regular_file

CHUNK = 256  # rows read at a time
MAX_PIXELS = 1 << 26  # of a picture
# The library has other builders, for formats that lead to other files of this machine.
BUILDERS = ("arrow", "imagefolder", "parquet")

Tables = Mapping[str, Any]  # split → datasets.Dataset; importing the library takes a second


def open_table(card: DatasetCard, hub_id: str | None, cache_dir: Path) -> Tables:
    """Return the splits of the card's hub data set, or of `hub_id`: an id, or a folder of one.

    Raises:
        DataError: it cannot be had, or its splits or columns are not the declared ones; lists those
            found.
    """
    dataset = hub_id or card.hub.id
    assert dataset is not None, "resolve() has refused the source"
    tables = load(dataset, None if hub_id else card.hub.config, cache_dir)
    if card.hub.splits["train"] not in tables:
        raise DataError(
            f"hub data set {dataset} must have the splits {sorted(card.hub.splits.values())}, "
            f"found {sorted(tables)}"
        )
    for name in card.hub.splits.values():
        if name not in tables:
            continue
        # Never a guess: a column of another name may hold anything.
        features = tables[name].features
        if missing := sorted(set(card.hub_columns) - set(features)):
            raise DataError(
                f"hub data set {dataset}, split {name}, lacks the columns {missing}; found "
                f"{sorted(features)}"
            )
        feature = features[card.hub.image]
        if type(feature).__name__ != "Image":
            raise DataError(
                f"hub data set {dataset}: column `{card.hub.image}` must hold images, found "
                f"{feature}"
            )
    return tables


def load(dataset: str, config: str | None, cache_dir: Path) -> Tables:
    """Return all splits of a data set: an id, or a folder that `datasets` has saved or can read.

    Its pictures are left as they are in the rows, for `picture_of`.

    Raises:
        DataError: it cannot be had, or a folder names files that are not its own.
    """
    # It takes a second to import, and only this source needs it.
    import datasets

    is_saved = any((Path(dataset) / name).exists() for name in ("dataset_dict.json", "state.json"))
    try:
        if is_saved:
            loaded = datasets.load_from_disk(dataset)
        else:
            library_cache = str(cache_dir / "huggingface")
            builder = datasets.load_dataset_builder(dataset, config, cache_dir=library_cache)
            _check_origin(dataset, builder)
            builder.download_and_prepare()
            loaded = builder.as_dataset()
        splits = loaded.items() if isinstance(loaded, dict) else [("train", loaded)]
        tables = {str(name): _undecoded(split) for name, split in splits}
    except DataError:
        raise
    # The library and its back ends raise whatever they like.
    except Exception as error:
        reason = " ".join(str(error).split())
        raise DataError(
            f"hub data set {dataset} cannot be loaded: {type(error).__name__}: {reason}"
        ) from error
    if is_saved:
        _check_inside(dataset, cache_files(tables).values())
    return tables


def _check_origin(dataset: str, builder: Any) -> None:
    """Refuse files that a data set's description names elsewhere, and builders of other formats."""
    if builder.name not in BUILDERS:
        raise DataError(
            f"hub data set {dataset} must be one of {', '.join(BUILDERS)}, got {builder.name}"
        )
    if Path(dataset).is_dir():
        files = chain.from_iterable((builder.config.data_files or {}).values())
        _check_inside(dataset, (Path(str(file)) for file in files))


def _check_inside(dataset: str, files: Iterable[Path]) -> None:
    home = Path(dataset).resolve()
    for file in files:
        if not file.resolve().is_relative_to(home):
            raise DataError(f"hub data set {dataset} names the file {file} outside; it is refused")


def _undecoded(table: Any) -> Any:
    """Return the table with pictures as bytes: the library would open any file a row names."""
    from datasets import Image as Column

    for name, kind in table.features.items():
        if isinstance(kind, Column):
            table = table.cast_column(name, Column(decode=False))
    return table


def cache_files(tables: Tables) -> dict[str, Path]:
    """Return the local files behind the tables, for the key of the conversion cache."""
    entries = chain.from_iterable(tables[split].cache_files for split in sorted(tables))
    return {f"{number}": Path(entry["filename"]) for number, entry in enumerate(entries)}


def read_table(
    card: DatasetCard, tables: Tables, pixels: Callable[[Image], np.ndarray]
) -> ImageStream:
    """Return the images in store order: by factor index for a grid, by row otherwise."""
    names = card.hub.splits.items()
    sizes = {split: len(tables[name]) for split, name in names if tables.get(name)}
    rows = sum(sizes.values())
    labels: list[np.ndarray] = []
    if card.factors is None:
        images = _rows(card, tables, pixels, labels)
        return ImageStream(card.image_shape, sizes, images, lambda: np.concatenate(labels))
    if rows != card.factors.size:
        raise DataError(
            f"hub data set of {card.name} has {rows} rows; the factors {card.factors.sizes} need "
            f"{card.factors.size}"
        )
    return ImageStream(card.image_shape, {"train": rows}, _rows(card, tables, pixels, labels))


def _rows(
    card: DatasetCard,
    tables: Tables,
    pixels: Callable[[Image], np.ndarray],
    all_labels: list[np.ndarray],
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield chunks of all splits; add their labels to `all_labels`."""
    mode = "L" if card.image_shape[0] == 1 else "RGB"
    row = 0
    splits = [tables[name] for name in card.hub.splits.values() if name in tables]
    for batch in chain.from_iterable(table.iter(CHUNK) for table in splits):
        images = []
        for number, cell in enumerate(batch[card.hub.image], start=row):
            picture = picture_of(cell, f"hub data set of {card.name}: row {number}")
            images.append(pixels(picture.convert(mode)))
        chunk = np.stack(images)
        if chunk.shape[1:] != card.image_shape:
            raise DataError(
                f"hub images of {card.name} must be {card.image_shape}, got {chunk.shape[1:]} at "
                f"row {row}"
            )
        columns = (batch[column] if column else [0] * len(chunk) for column in card.hub_labels)
        labels = np.stack([np.asarray(column) for column in columns], axis=1)
        if labels.dtype.kind not in "biu":
            raise DataError(
                f"hub labels of {card.name} must be integers, got {labels.dtype} in "
                f"{card.hub_labels}"
            )
        all_labels.append(labels.astype(np.int64))
        yield _positions(card, all_labels[-1], row), chunk
        row += len(chunk)


def picture_of(cell: Mapping[str, Any] | None, place: str) -> Image:
    """Return the picture in a cell of a table, which holds it or names a downloaded file.

    Raises:
        DataError: it holds none, or names another file of this machine; begins with `place`.
    """
    if cell is None or not (cell.get("bytes") or cell.get("path")):
        raise DataError(f"{place} has no picture")
    try:
        content = cell["bytes"] or read_regular_file(_downloaded(cell["path"], place))
        picture = open_picture(BytesIO(content), formats=FORMATS)
        # PIL itself only warns up to twice its own limit.
        if picture.width * picture.height > MAX_PIXELS:
            raise DataError(f"{place}: the picture is {picture.width}×{picture.height}")
        picture.load()
    except (OSError, SyntaxError, ValueError, DecompressionBombError) as error:
        raise DataError(f"{place}: no picture: {error}") from error
    return picture


def _downloaded(name: str, place: str) -> Path:
    """Return the path in a cell if it lies in a folder of the library's downloads."""
    from datasets.config import HF_DATASETS_CACHE
    from huggingface_hub.constants import HF_HUB_CACHE

    path = Path(name).resolve()
    caches = (Path(HF_DATASETS_CACHE).resolve(), Path(HF_HUB_CACHE).resolve())
    if not any(path.is_relative_to(folder) for folder in caches):
        raise DataError(f"{place} names the file {name!r} in place of a picture; it is refused")
    return path


def _positions(card: DatasetCard, labels: np.ndarray, row: int) -> np.ndarray:
    if card.factors is None:
        return np.arange(row, row + len(labels))
    try:
        return card.factors.index(labels)
    except ArgumentError as error:
        raise DataError(f"hub labels of {card.name} do not fit its factors: {error}") from error

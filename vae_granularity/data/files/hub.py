"""Reads a parquet data set of the Hugging Face hub, or a local folder of one, checking it first."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from io import BytesIO
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
# Of the library's builders: others read formats that lead to other files of this machine.
BUILDERS = ("arrow", "imagefolder", "parquet")

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
    return tables


def load(where: str, config: str | None, cache_dir: Path) -> Tables:
    """All splits of a data set: an id, or a folder that `datasets` has saved or can read.

    Its pictures are left as they are in the rows, for `picture_of`.

    Raises:
        DataError: it cannot be had, or a folder names files that are not its own.
    """
    import datasets  # it takes a second to import, and only this source needs it

    saved = any((Path(where) / name).exists() for name in ("dataset_dict.json", "state.json"))
    try:
        if saved:
            found = datasets.load_from_disk(where)
        else:
            own_cache = str(cache_dir / "huggingface")
            builder = datasets.load_dataset_builder(where, config, cache_dir=own_cache)
            _check_origin(where, builder)
            builder.download_and_prepare()
            found = builder.as_dataset()
        splits = found.items() if isinstance(found, dict) else [("train", found)]
        tables = {str(name): _undecoded(split) for name, split in splits}
    except DataError:
        raise
    except Exception as error:  # the library and its back ends raise whatever they like
        told = " ".join(str(error).split())
        cause = f"{type(error).__name__}: {told}"
        raise DataError(f"hub data set {where} cannot be loaded: {cause}") from error
    if saved:
        _check_inside(where, cache_files(tables).values())
    return tables


def _check_origin(where: str, builder: Any) -> None:
    """Refuse files that a data set's description names elsewhere, and builders of other formats."""
    if builder.name not in BUILDERS:
        kinds = f"one of {', '.join(BUILDERS)}, got {builder.name}"
        raise DataError(f"hub data set {where} must be {kinds}")
    if Path(where).is_dir():
        files = (builder.config.data_files or {}).values()
        _check_inside(where, (Path(str(file)) for split in files for file in split))


def _check_inside(where: str, files: Iterable[Path]) -> None:
    home = Path(where).resolve()
    for file in files:
        if not file.resolve().is_relative_to(home):
            raise DataError(f"hub data set {where} names the file {file} outside; it is refused")


def _undecoded(table: Any) -> Any:
    """The table with its pictures as bytes: the library would open whatever file a row names."""
    from datasets import Image as Column

    for name, kind in table.features.items():
        if isinstance(kind, Column):
            table = table.cast_column(name, Column(decode=False))
    return table


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
                picture_of(cell, f"hub data set of {card.name}: row {row + i}")
                for i, cell in enumerate(batch[card.hub.image])
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


def picture_of(cell: Mapping[str, Any] | None, place: str) -> Image:
    """The picture in a cell of a table, which must hold it, or name a file that was downloaded.

    Raises:
        DataError: it holds none, or names another file of this machine; begins with `place`.
    """
    if cell is None or not (cell.get("bytes") or cell.get("path")):
        raise DataError(f"{place} has no picture")
    try:
        content = cell["bytes"] or read_regular_file(_downloaded(cell["path"], place))
        picture = open_picture(BytesIO(content), formats=FORMATS)
        if picture.width * picture.height > MAX_PIXELS:
            raise DataError(f"{place}: the picture is {picture.width}×{picture.height}")
        picture.load()
    except (OSError, SyntaxError, ValueError, DecompressionBombError) as error:
        raise DataError(f"{place}: no picture: {error}") from error
    return picture


def _downloaded(name: str, place: str) -> Path:
    """A path in a cell, if it lies where the library puts what it downloads."""
    from datasets.config import HF_DATASETS_CACHE
    from huggingface_hub.constants import HF_HUB_CACHE

    path = Path(name).resolve()
    if not any(path.is_relative_to(Path(r).resolve()) for r in (HF_DATASETS_CACHE, HF_HUB_CACHE)):
        raise DataError(f"{place} names the file {name!r} in place of a picture; it is refused")
    return path


def _positions(card: DatasetCard, labels: np.ndarray, row: int) -> np.ndarray:
    if card.factors is None:
        return np.arange(row, row + len(labels))
    try:
        return card.factors.index(labels)
    except ArgumentError as error:
        raise DataError(f"hub labels of {card.name} do not fit its factors: {error}") from error

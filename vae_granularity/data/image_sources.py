"""Read a user's images: a folder of pictures, an .npz archive, a data set of `datasets`.

Each is opened by looking at its first picture alone; all are then read in order, from any row on.
"""

import os
import zipfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from vae_granularity.data.files import hub
from vae_granularity.data.files.pictures import (
    PictureFormat,
    accepted_pixels,
    fit_picture,
    list_pictures,
    read_picture,
)
from vae_granularity.data.files.readers import npz_images, read_header, reading
from vae_granularity.data.image_labels import csv_columns
from vae_granularity.errors import DataError, user_path

FOLDERS = "folders"  # factors=folders: the first folder on the way to a picture is its class
ROWS = 256  # read at a time
MAX_LABEL_BYTES = 1 << 30  # of one array; ten labels of ten million images are 800 MB
SPLITS = {"train": "train", "valid": "valid", "validation": "valid", "test": "test"}
SPLIT_FOLDERS = {"train", "training", "val", "valid", "validation", "dev", "test", "testing"}
KINDS = (
    "a folder of pictures, an .npz archive, a folder that `datasets` has saved, or the id of a"
    " data set on the Hugging Face hub"
)
Chunks = Iterator[np.ndarray]  # (n, C, size, size) uint8
Factors = str | Sequence[str] | None


class ImageSource:
    """Images in one order, read from any row on, with columns of labels."""

    first: np.ndarray  # (C, H, W) uint8 of the first picture
    split_sizes: dict[str, int]  # images in each split (train, valid, test), in order

    def __init__(self, path: Path) -> None:
        self.path = path

    def stamp(self) -> list[Any]:
        """Return paths, sizes and times of the files, which change whenever the images do."""
        return file_stamp(self.path)

    def rows(self, start: int, target: PictureFormat) -> Chunks:
        """Yield the images from a row on, in the target format."""
        raise TypeError(f"{type(self).__name__} must define rows()")

    def columns(self, factors: Factors) -> dict[str, Any]:
        """Return columns of labels by name, a row an image."""
        if isinstance(factors, str) and factors.lower().endswith(".csv"):
            folder = self.path.parent if self.path.is_file() else self.path
            return csv_columns(_file_in(folder, factors), None)
        return self.columns_by_name([factors] if isinstance(factors, str) else list(factors or ()))

    def columns_by_name(self, names: list[str]) -> dict[str, Any]:
        """Return the columns of these names."""
        raise TypeError(f"{type(self).__name__} must define columns_by_name()")


def open_images(path: str, cache_dir: Path) -> ImageSource:
    """Open the images at a path, or the data set of that id on the Hugging Face hub.

    Raises:
        DataError: nothing is there, it is of no accepted kind, or its first picture is refused.
    """
    local = user_path("dataset.path", path)
    if local.is_file():
        if local.suffix.lower() != ".npz":
            raise DataError(f"dataset.path={path} must be {KINDS}, got a {local.suffix} file")
        return Archive(local)
    if is_table(path):
        return Table(str(local), cache_dir)
    if local.is_dir():
        return Folder(local)
    if is_hub_id(path):
        return Table(path, cache_dir)
    raise DataError(f"dataset.path={path} does not exist; it must be {KINDS}")


def is_table(path: str) -> bool:
    """Return whether a path is a folder that the `datasets` library reads."""
    folder = user_path("dataset.path", path)
    if not folder.is_dir():
        return False
    saved = any((folder / name).exists() for name in ("dataset_dict.json", "state.json"))
    return saved or (any(folder.rglob("*.parquet")) and not _has_pictures(folder))


def is_hub_id(path: str) -> bool:
    """Return whether a path can only be the id of a data set on the Hugging Face hub."""
    # OWNER/NAME; a folder of that name here comes first.
    has_form = path.count("/") == 1 and not path.startswith((".", "~", "/"))
    return has_form and not Path(path).exists()


def _has_pictures(folder: Path) -> bool:
    try:
        return bool(list_pictures(folder))
    except DataError:
        return False


def file_stamp(path: Path) -> list[Any]:
    """Return path, size and time of a file."""
    stat = path.stat()
    return [str(path.resolve()), stat.st_size, stat.st_mtime_ns]


class Folder(ImageSource):
    """Pictures in a folder, nested too, in the order of their paths."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.files = list_pictures(path)
        self.first = self._read(self.files[0])
        self.split_sizes = {"train": len(self.files)}

    def _read(self, name: str) -> np.ndarray:
        return read_picture(self.path / name, f"{self.path}: {name}")

    def stamp(self) -> list[Any]:
        stats = ((name, (self.path / name).stat()) for name in self.files)
        pictures = [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]
        return [str(self.path.resolve()), pictures]

    def rows(self, start: int, target: PictureFormat) -> Chunks:
        def pixels(name: str) -> np.ndarray:
            return fit_picture(self._read(name), target, f"{self.path}: {name}")

        # Threads are enough: decoders of pictures release the interpreter's lock.
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            for first in range(start, len(self.files), ROWS):
                yield np.stack(list(pool.map(pixels, self.files[first : first + ROWS])))

    def columns(self, factors: Factors) -> dict[str, Any]:
        if factors == FOLDERS:
            return {"class": self._classes()}
        if isinstance(factors, str):
            return csv_columns(_file_in(self.path, factors), self.files)
        raise DataError(
            f"dataset.factors must be {FOLDERS} or a CSV file for a folder of pictures, "
            f"got {factors!r}"
        )

    def _classes(self) -> list[str]:
        if loose := [name for name in self.files if "/" not in name]:
            raise DataError(
                f"{self.path}: factors={FOLDERS} needs every picture in a folder of its class; "
                f"{loose[0]} is not"
            )
        classes = [name.split("/")[0] for name in self.files]
        if {name.lower() for name in classes} <= SPLIT_FOLDERS:
            splits = ", ".join(sorted(set(classes)))
            raise DataError(
                f"{self.path}: factors={FOLDERS} would read the splits {splits} as classes; "
                f"name the folder of one split, dataset.path={self.path / classes[-1]}"
            )
        return classes


class Archive(ImageSource):
    """One array of an .npz archive: (N, H, W), (N, H, W, C) or (N, C, H, W), uint8 or bool.

    The array is `images` or `imgs`, or the only one of three or four dimensions. Arrays of only 0
    and 1 are binary pictures: black and white.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.headers = _headers(path)
        large = [name for name, (shape, _) in self.headers.items() if len(shape) in (3, 4)]
        candidates = [name for name in ("images", "imgs") if name in self.headers] or large
        if len(candidates) != 1:
            arrays = (f"{name} {shape} {dtype}" for name, (shape, dtype) in self.headers.items())
            raise DataError(
                f"{path} must hold one array of images, called `images`; it holds "
                f"{', '.join(arrays)}"
            )
        self.key = candidates[0]
        self.shape, self.dtype = self.headers[self.key]
        self.place = f"{path}: array `{self.key}`"
        self._check()
        if not self.shape[0]:
            raise DataError(f"{self.place} holds no images")
        self.split_sizes = {"train": self.shape[0]}
        # A uint8 array of 0 and 1 would be black to the eye, and its pixels all near 0.
        is_binary = self.dtype == bool or all(int(c.max(initial=0)) < 2 for c in self._raw())
        self.scale = 255 if is_binary else 1
        self.first = self._channels_first(next(self._raw(1))[:1])[0]

    def _check(self) -> None:
        shape = self.shape
        dtype = self.dtype
        if dtype.kind in "iu" and dtype.itemsize > 1:
            raise DataError(
                f"{self.place} has more than 8 bits a channel ({dtype}); convert it to uint8"
            )
        if dtype not in (np.dtype(np.uint8), np.dtype(bool)):
            raise DataError(f"{self.place} must be uint8 (0 to 255) or bool, got {dtype}")
        first, last = (shape[1], shape[3]) if len(shape) == 4 else (0, 0)
        if 4 in (first, last) or last == 2:
            raise DataError(
                f"{self.place} has an alpha channel (shape {shape}); put it on a background"
            )
        if len(shape) != 3 and not {first, last} & {1, 3}:
            raise DataError(
                f"{self.place} must have shape (N, H, W), (N, H, W, C) or (N, C, H, W) with C 1 "
                f"or 3, got {shape}"
            )
        self.is_channels_first = first in (1, 3) and last not in (1, 3)

    def _raw(self, rows: int = ROWS) -> Chunks:
        """Yield chunks of the array as it is, (n, ...) uint8."""
        chunks = npz_images(self.path, self.key, self.shape, rows=rows, kind=str(self.dtype))
        return (images for _, images in chunks)

    def _channels_first(self, images: np.ndarray) -> np.ndarray:
        images = images[..., None] if images.ndim == 3 else images
        images = images if self.is_channels_first else images.transpose(0, 3, 1, 2)
        return images * np.uint8(self.scale)

    def rows(self, start: int, target: PictureFormat) -> Chunks:
        row = 0
        for images in self._raw():
            if row + len(images) > start:
                remaining = self._channels_first(images[max(0, start - row) :])
                yield np.stack([fit_picture(image, target, self.place) for image in remaining])
            row += len(images)

    def columns_by_name(self, names: list[str]) -> dict[str, Any]:
        with reading(self.path, "npz archive"), np.load(self.path, allow_pickle=False) as archive:
            if missing := [name for name in names if name not in archive]:
                raise DataError(
                    f"{self.path} has no array `{missing[0]}` for dataset.factors; it holds "
                    f"{sorted(archive)}"
                )
            # Before anything is unpacked: some megabytes may be many gigabytes.
            for name in names:
                _check_label_size(f"{self.path}: array `{name}`", *self.headers[name])
            try:
                return {name: archive[name] for name in names}
            except ValueError as error:
                raise DataError(f"{self.path}: an array of dataset.factors: {error}") from error


class Table(ImageSource):
    """A data set of the `datasets` library: a folder that it has saved or reads, or an id."""

    def __init__(self, path: str, cache_dir: Path) -> None:
        super().__init__(Path(path))
        self.name = path
        tables = hub.load(path, None, cache_dir)
        by_split = {SPLITS[name]: table for name, table in tables.items() if name in SPLITS}
        if not by_split and len(tables) == 1:
            by_split = {"train": next(iter(tables.values()))}
        if "train" not in by_split:
            raise DataError(f"{path} must have the split train, found {sorted(tables)}")
        order = ("train", "valid", "test")
        self.tables = {split: by_split[split] for split in order if split in by_split}
        self.split_sizes = {split: len(table) for split, table in self.tables.items()}
        features = self.tables["train"].features
        images = [name for name, kind in features.items() if type(kind).__name__ == "Image"]
        if len(images) != 1 and "image" not in images:
            raise DataError(
                f"{path} must have one column of images, or one called `image`; its columns are "
                f"{dict(features)}"
            )
        self.key = "image" if "image" in images else images[0]
        if not self.split_sizes["train"]:
            raise DataError(f"{path} holds no images")
        self.first = self._pixels(self.tables["train"][0][self.key], "train", 0)

    def _pixels(self, cell: Any, split: str, row: int) -> np.ndarray:
        title = f"{self.name}: {split}, row {row}"
        return accepted_pixels(hub.picture_of(cell, title), title)

    def stamp(self) -> list[Any]:
        files = hub.cache_files(self.tables).values()
        return [self.name, self.split_sizes, *map(file_stamp, files)]

    def rows(self, start: int, target: PictureFormat) -> Chunks:
        for split, table in self.tables.items():
            skipped = min(start, len(table))
            start -= skipped
            cells = table.select_columns([self.key])
            for first in range(skipped, len(table), ROWS):
                images = []
                for row, cell in enumerate(cells[first : first + ROWS][self.key], start=first):
                    pixels = self._pixels(cell, split, row)
                    images.append(fit_picture(pixels, target, f"{self.name}: {split}, {row}"))
                yield np.stack(images)

    def columns_by_name(self, names: list[str]) -> dict[str, Any]:
        columns: dict[str, list[Any]] = {name: [] for name in names}
        for split, table in self.tables.items():
            if missing := [name for name in names if name not in table.features]:
                raise DataError(
                    f"{self.name}: {split} has no column `{missing[0]}` for dataset.factors; it "
                    f"has {list(table.features)}"
                )
            for name in names:
                columns[name] += self._labels(split, name)
        return columns

    def _labels(self, split: str, name: str) -> list[Any]:
        """Return a column; refuse a row without a label: None, or -1 among class labels."""
        table = self.tables[split]
        is_class = type(table.features[name]).__name__ == "ClassLabel"
        labels = list(table[name])
        for row, label in enumerate(labels):
            if label is None or (is_class and label == -1):
                raise DataError(
                    f"{self.name}: {split}, row {row} has no label in column {name} ({label}); "
                    "leave the row out or give it a label"
                )
        return labels


def _file_in(folder: Path, file: str) -> Path:
    """Return a file as named, or in a folder if it is not there."""
    path = user_path("dataset.factors", file)
    return path if path.exists() else folder / file


def _headers(path: Path) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
    """Return shape and type of every array of an .npz archive, without reading it."""
    headers = {}
    with reading(path, "npz archive"), zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            with archive.open(name) as member:
                shape, _, dtype = read_header(path, name, member)
                headers[name.removesuffix(".npy")] = (shape, dtype)
    return headers


def _check_label_size(place: str, shape: tuple[int, ...], dtype: np.dtype) -> None:
    if prod(shape) * dtype.itemsize > MAX_LABEL_BYTES:
        raise DataError(
            f"{place} must hold labels of at most {MAX_LABEL_BYTES:,} bytes, got shape {shape} of "
            f"{dtype}"
        )

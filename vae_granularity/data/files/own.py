"""Images of one's own: a folder of pictures, an .npz archive, a data set of the `datasets` library.

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
from vae_granularity.data.files.labels import csv_columns
from vae_granularity.data.files.pictures import Wanted, checked, fitted, list_pictures, read_picture
from vae_granularity.data.files.readers import npz_images, read_header, reading
from vae_granularity.errors import DataError

FOLDERS = "folders"  # factors=folders: the first folder on the way to a picture is its class
ROWS = 256  # read at a time
MAX_LABEL_BYTES = 1 << 30  # of one array; ten labels of ten million images are 800 MB
PARTS = {"train": "train", "valid": "valid", "validation": "valid", "test": "test"}
SPLITS = {"train", "training", "val", "valid", "validation", "dev", "test", "testing"}
KINDS = (
    "a folder of pictures, an .npz archive, a folder that `datasets` has saved, or the id of a"
    " data set on the Hugging Face hub"
)
Chunks = Iterator[np.ndarray]  # (n, C, size, size) uint8
Factors = str | Sequence[str] | None


class OwnImages:
    """Where images come from: what a folder, an archive and a table of pictures have in common."""

    first: np.ndarray  # (C, H, W) uint8 of the first picture
    parts: dict[str, int]  # images in each part (train, valid, test), in order

    def __init__(self, path: Path) -> None:
        self.path = path

    def stamp(self) -> list[Any]:
        """What changes whenever the images do: paths, sizes and times of files."""
        return file_stamp(self.path)

    def rows(self, start: int, wanted: Wanted) -> Chunks:
        """The images from a row on."""
        raise TypeError(f"{type(self).__name__} must define rows()")

    def columns(self, factors: Factors) -> dict[str, Any]:
        """Columns of labels by name, a row an image."""
        if isinstance(factors, str) and factors.lower().endswith(".csv"):
            folder = self.path.parent if self.path.is_file() else self.path
            return csv_columns(_beside(folder, factors), None)
        return self.named([factors] if isinstance(factors, str) else list(factors or ()))

    def named(self, names: list[str]) -> dict[str, Any]:
        """The columns of these names."""
        raise TypeError(f"{type(self).__name__} must define named()")


def open_own(path: str, cache_dir: Path) -> OwnImages:
    """What lies at a path, or the data set of that id on the Hugging Face hub.

    Raises:
        DataError: nothing is there, it is of no known kind, or its first picture is not accepted.
    """
    place = Path(path).expanduser()
    if place.is_file():
        if place.suffix.lower() != ".npz":
            raise DataError(f"dataset.path={path} must be {KINDS}, got a {place.suffix} file")
        return Archive(place)
    if is_table(path):
        return Table(str(place), cache_dir)
    if place.is_dir():
        return Folder(place)
    if is_hub_id(path):
        return Table(path, cache_dir)
    raise DataError(f"dataset.path={path} does not exist; it must be {KINDS}")


def is_table(path: str) -> bool:
    """Return whether a path is a folder that the `datasets` library reads."""
    folder = Path(path).expanduser()
    if not folder.is_dir():
        return False
    saved = any((folder / name).exists() for name in ("dataset_dict.json", "state.json"))
    return saved or (any(folder.rglob("*.parquet")) and not _has_pictures(folder))


def is_hub_id(path: str) -> bool:
    """Return whether a path can only be the id of a data set on the Hugging Face hub."""
    named_so = path.count("/") == 1 and not path.startswith((".", "~", "/"))
    return named_so and not Path(path).expanduser().exists()


def _has_pictures(folder: Path) -> bool:
    try:
        return bool(list_pictures(folder))
    except DataError:
        return False


def file_stamp(path: Path) -> list[Any]:
    """Path, size and time of a file."""
    stat = path.stat()
    return [str(path.resolve()), stat.st_size, stat.st_mtime_ns]


class Folder(OwnImages):
    """Pictures in a folder, nested too, in the order of their paths."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.files = list_pictures(path)
        self.first, self.parts = self._read(self.files[0]), {"train": len(self.files)}

    def _read(self, name: str) -> np.ndarray:
        return read_picture(self.path / name, f"{self.path}: {name}")

    def stamp(self) -> list[Any]:
        stats = ((name, (self.path / name).stat()) for name in self.files)
        own = [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]
        return [str(self.path.resolve()), own]

    def rows(self, start: int, wanted: Wanted) -> Chunks:
        def pixels(name: str) -> np.ndarray:
            return fitted(self._read(name), wanted, f"{self.path}: {name}")

        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            for first in range(start, len(self.files), ROWS):
                yield np.stack(list(pool.map(pixels, self.files[first : first + ROWS])))

    def columns(self, factors: Factors) -> dict[str, Any]:
        if factors == FOLDERS:
            if loose := [name for name in self.files if "/" not in name]:
                wanted = "every picture in a folder of its class"
                raise DataError(f"{self.path}: factors={FOLDERS} needs {wanted}; {loose[0]} is not")
            classes = [name.split("/")[0] for name in self.files]
            if {name.lower() for name in classes} <= SPLITS:
                splits = ", ".join(sorted(set(classes)))
                raise DataError(
                    f"{self.path}: factors={FOLDERS} would read the splits {splits} as classes; "
                    f"name the folder of one split, dataset.path={self.path / classes[-1]}"
                )
            return {"class": classes}
        if isinstance(factors, str):
            return csv_columns(_beside(self.path, factors), self.files)
        wanted = f"{FOLDERS} or a CSV file for a folder of pictures"
        raise DataError(f"dataset.factors must be {wanted}, got {factors!r}")


class Archive(OwnImages):
    """One array of an .npz archive: (N, H, W), (N, H, W, C) or (N, C, H, W), uint8 or bool.

    The array is `images` or `imgs`, or the only one of three or four dimensions. Arrays of only 0
    and 1 are binary pictures: black and white.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.found = found = _headers(path)
        large = {name: shape for name, (shape, _) in found.items() if len(shape) in (3, 4)}
        known = [name for name in ("images", "imgs") if name in found] or list(large)
        if len(known) != 1:
            listed = ", ".join(f"{name} {shape} {dtype}" for name, (shape, dtype) in found.items())
            raise DataError(
                f"{path} must hold one array of images, called `images`; it holds {listed}"
            )
        self.key, (self.shape, self.dtype) = known[0], found[known[0]]
        self.place = f"{path}: array `{self.key}`"
        self._check()
        if not self.shape[0]:
            raise DataError(f"{self.place} holds no images")
        self.parts = {"train": self.shape[0]}
        binary = self.dtype == bool or all(int(c.max(initial=0)) < 2 for c in self._raw())
        self.scale = 255 if binary else 1
        self.first = self._turned(next(self._raw(1))[:1])[0]

    def _check(self) -> None:
        shape, dtype = self.shape, self.dtype
        if dtype.kind in "iu" and dtype.itemsize > 1:
            mend = "convert it to uint8"
            raise DataError(f"{self.place} has more than 8 bits a channel ({dtype}); {mend}")
        if dtype not in (np.dtype(np.uint8), np.dtype(bool)):
            raise DataError(f"{self.place} must be uint8 (0 to 255) or bool, got {dtype}")
        first, last = (shape[1], shape[3]) if len(shape) == 4 else (0, 0)
        if 4 in (first, last) or last == 2:
            mend = f"(shape {shape}); put it on a background"
            raise DataError(f"{self.place} has an alpha channel {mend}")
        if len(shape) != 3 and not {first, last} & {1, 3}:
            wanted = "(N, H, W), (N, H, W, C) or (N, C, H, W) with C 1 or 3"
            raise DataError(f"{self.place} must have shape {wanted}, got {shape}")
        self.channels_first = first in (1, 3) and last not in (1, 3)

    def _raw(self, rows: int = ROWS) -> Chunks:
        """Chunks of the array as it is, (n, ...) uint8."""
        chunks = npz_images(self.path, self.key, self.shape, rows=rows, kind=str(self.dtype))
        return (images for _, images in chunks)

    def _turned(self, images: np.ndarray) -> np.ndarray:
        images = images[..., None] if images.ndim == 3 else images
        images = images if self.channels_first else images.transpose(0, 3, 1, 2)
        return images * np.uint8(self.scale)

    def rows(self, start: int, wanted: Wanted) -> Chunks:
        row = 0
        for images in self._raw():
            if row + len(images) > start:
                left = self._turned(images[max(0, start - row) :])
                yield np.stack([fitted(image, wanted, self.place) for image in left])
            row += len(images)

    def named(self, names: list[str]) -> dict[str, Any]:
        with reading(self.path, "npz archive"), np.load(self.path, allow_pickle=False) as archive:
            if missing := [name for name in names if name not in archive]:
                lacks = f"no array `{missing[0]}` for dataset.factors"
                raise DataError(f"{self.path} has {lacks}; it holds {sorted(archive)}")
            for name in names:  # before it is unpacked: some megabytes may be many gigabytes
                _check_column(f"{self.path}: array `{name}`", *self.found[name])
            try:
                return {name: archive[name] for name in names}
            except ValueError as error:
                raise DataError(f"{self.path}: an array of dataset.factors: {error}") from error


class Table(OwnImages):
    """A data set of the `datasets` library: a folder that it has saved or reads, or an id."""

    def __init__(self, path: str, cache_dir: Path) -> None:
        super().__init__(Path(path))
        self.where, found = path, hub.load(path, None, cache_dir)
        known = {PARTS[name]: table for name, table in found.items() if name in PARTS}
        if not known and len(found) == 1:
            known = {"train": next(iter(found.values()))}
        if "train" not in known:
            raise DataError(f"{path} must have the split train, found {sorted(found)}")
        self.tables = {part: known[part] for part in ("train", "valid", "test") if part in known}
        self.parts = {part: len(table) for part, table in self.tables.items()}
        features = self.tables["train"].features
        images = [name for name, kind in features.items() if type(kind).__name__ == "Image"]
        if len(images) != 1 and "image" not in images:
            wanted = "one column of images, or one called `image`"
            raise DataError(f"{path} must have {wanted}; its columns are {dict(features)}")
        self.key = "image" if "image" in images else images[0]
        if not self.parts["train"]:
            raise DataError(f"{path} holds no images")
        self.first = self._pixels(self.tables["train"][0][self.key], "train", 0)

    def _pixels(self, cell: Any, part: str, row: int) -> np.ndarray:
        place = f"{self.where}: {part}, row {row}"
        return checked(hub.picture_of(cell, place), place)

    def stamp(self) -> list[Any]:
        files = hub.cache_files(self.tables).values()
        return [self.where, self.parts, *map(file_stamp, files)]

    def rows(self, start: int, wanted: Wanted) -> Chunks:
        for part, table in self.tables.items():
            skipped, start = min(start, len(table)), max(0, start - len(table))
            cells = table.select_columns([self.key])
            for first in range(skipped, len(table), ROWS):
                pixels = (
                    fitted(self._pixels(cell, part, row), wanted, f"{self.where}: {part}, {row}")
                    for row, cell in enumerate(cells[first : first + ROWS][self.key], start=first)
                )
                yield np.stack(list(pixels))

    def named(self, names: list[str]) -> dict[str, Any]:
        for part, table in self.tables.items():
            if missing := [name for name in names if name not in table.features]:
                lacks = f"no column `{missing[0]}` for dataset.factors"
                raise DataError(f"{self.where}: {part} has {lacks}; it has {list(table.features)}")
            for name in names:
                self._check_labels(part, name)
        return {name: [v for t in self.tables.values() for v in t[name]] for name in names}

    def _check_labels(self, part: str, name: str) -> None:
        """Refuse a row without a label: None, or -1 in a column of class labels."""
        table = self.tables[part]
        is_class = type(table.features[name]).__name__ == "ClassLabel"
        for row, label in enumerate(table[name]):
            if label is None or (is_class and label == -1):
                raise DataError(
                    f"{self.where}: {part}, row {row} has no label in column {name} ({label}); "
                    "leave the row out or give it a label"
                )


def _beside(folder: Path, file: str) -> Path:
    """A file as given, or in a folder where it is not there."""
    given = Path(file).expanduser()
    return given if given.exists() else folder / file


def _headers(path: Path) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
    """Shape and type of every array of an .npz archive, without reading it."""
    found = {}
    with reading(path, "npz archive"), zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            with archive.open(name) as member:
                shape, _, dtype = read_header(path, name, member)
                found[name.removesuffix(".npy")] = (shape, dtype)
    return found


def _check_column(place: str, shape: tuple[int, ...], dtype: np.dtype) -> None:
    if prod(shape) * dtype.itemsize > MAX_LABEL_BYTES:
        got = f"shape {shape} of {dtype}"
        raise DataError(f"{place} must hold labels of at most {MAX_LABEL_BYTES:,} bytes, got {got}")

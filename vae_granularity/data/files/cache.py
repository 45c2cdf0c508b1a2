"""The conversion cache: every source is converted once to a memory-mappable uint8 .npy with its own
checksum.

Data are written to a temporary name in the same directory, synced and renamed; the manifest comes
last. A directory without a manifest that fits its files is not a cache: it is made again. A lock
file lets one process convert while others wait.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from rich.console import Console
from rich.progress import Progress

from vae_granularity.errors import DataError

log = logging.getLogger(__name__)

VERSION = 1
MANIFEST, IMAGES, LABELS = "manifest.json", "images.npy", "labels.npy"


@dataclass
class ImageStream:
    """What a reader gives: N images of one shape in chunks, in any order, each with its positions.

    `shape` is (C, H, W); a chunk is (positions (n,) int64, images (n, C, H, W) uint8); `labels` (N,
    L) int64 are read when the chunks are exhausted; `parts` gives the images of each official part,
    in order.
    """

    shape: tuple[int, ...]
    parts: dict[str, int]
    chunks: Iterable[tuple[np.ndarray, np.ndarray]]
    labels: Callable[[], np.ndarray] | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def num_images(self) -> int:
        """N."""
        return sum(self.parts.values())


@dataclass(frozen=True)
class Conversion:
    """What a cache is made from: `key` says what it becomes, `files` are its origin, `read` opens
    its images.
    """

    key: Sequence[Any]
    files: Mapping[str, Path]
    read: Callable[[], ImageStream]


def directory_for(root: Path, key: Sequence[Any], files: Mapping[str, Path]) -> Path:
    """One directory in `root` for each content: `key` says what it becomes; path, size and time of
    `files`, what it is made of.

    A folder counts with the size and time of each file in it.

    Raises:
        DataError: a file or folder cannot be read.
    """
    parts = [VERSION, *key]
    for name, path in sorted(files.items()):
        try:
            inside = sorted(path.iterdir()) if path.is_dir() else [path]
            stats = [
                (str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns)
                for file in inside
            ]
        except OSError as error:
            raise DataError(f"cannot read {path}: {error.strerror or error}") from error
        parts.append((name, stats))
    return root / hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def load(directory: Path, *, thorough: bool = False) -> dict[str, Any] | None:
    """The manifest, if the directory holds a whole cache of this version; else None.

    Files of unchanged size and time are taken as they were written; otherwise, or if `thorough`,
    they are hashed.
    """
    try:
        manifest = json.loads((directory / MANIFEST).read_text())
        if manifest["version"] != VERSION:
            return None
        for name, written in manifest["arrays"].items():
            stat = (directory / name).stat()
            if stat.st_size != written["bytes"]:
                return None
            if (thorough or stat.st_mtime_ns != written["mtime_ns"]) and sha256(
                directory / name
            ) != written["sha256"]:
                log.warning(
                    "%s does not match its checksum and is converted again", directory / name
                )
                return None
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
    ):  # whatever is wrong with it, it is not a whole cache
        return None
    return manifest


def prepare(
    directory: Path,
    open_stream: Callable[[], ImageStream],
    *,
    packed: bool = False,
    thorough: bool = False,
) -> dict[str, Any]:
    """The manifest of the cache in `directory`, converting if there is none. Safe for concurrent
    processes.

    Raises:
        DataError: the source is not what it should be, or the disk is full; no half cache is left.
    """
    ready = load(directory, thorough=thorough)
    if ready is not None:
        return ready
    with _named(directory):
        directory.mkdir(parents=True, exist_ok=True)
        lock = FileLock(directory.with_name(f"{directory.name}.lock"))
    with lock:
        ready = load(directory)
        if ready is not None:
            return ready
        (directory / MANIFEST).unlink(missing_ok=True)
        for left_over in directory.iterdir():
            left_over.unlink()
        try:
            with _named(directory):
                return _convert(directory, open_stream(), packed)
        except BaseException:
            for half in directory.glob("*.tmp"):
                half.unlink()
            raise


def _convert(directory: Path, stream: ImageStream, packed: bool) -> dict[str, Any]:
    shape = (stream.num_images, *(packed_shape(stream.shape) if packed else stream.shape))
    needed, free = int(np.prod(shape)), shutil.disk_usage(directory).free
    if needed > free:
        raise DataError(
            f"no space left for the cache {directory}: it needs {needed:,} bytes, {free:,} are free; set cache_dir elsewhere"
        )
    images = directory / f"{IMAGES}.tmp"
    seen = np.zeros(stream.num_images, dtype=bool)
    with images.open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "|u1", "fortran_order": False, "shape": shape}
        )
        start, row = file.tell(), int(np.prod(shape[1:]))
        with Progress(console=Console(stderr=True), transient=True) as progress:
            bar = progress.add_task(f"converting to {directory}", total=len(seen))
            for positions, chunk in stream.chunks:
                rows = np.packbits(chunk, axis=-1) if packed else chunk
                for first, block in _runs(positions, np.ascontiguousarray(rows)):
                    file.seek(start + int(first) * row)
                    file.write(block.data)
                seen[positions] = True
                progress.advance(bar, len(positions))
        if not seen.all():
            raise DataError(
                f"{int((~seen).sum())} of {len(seen)} images are missing, the first at position {int(np.argmin(seen))}"
            )
        file.flush()
        os.fsync(file.fileno())
    arrays = {IMAGES: images}
    if stream.labels is not None:
        arrays[LABELS] = directory / f"{LABELS}.tmp"
        with arrays[LABELS].open("wb") as file:
            np.save(file, stream.labels(), allow_pickle=False)
            file.flush()
            os.fsync(file.fileno())
    written = {}
    for name, temporary in arrays.items():
        digest = sha256(temporary)
        temporary.rename(directory / name)
        stat = (directory / name).stat()
        written[name] = {"sha256": digest, "bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns}
    manifest = {
        "version": VERSION,
        "shape": shape,
        "dtype": "uint8",
        "packed": packed,
        "parts": stream.parts,
        "arrays": written,
        **stream.facts,
    }
    write_atomically(directory / MANIFEST, json.dumps(manifest, indent=1).encode())
    return manifest


def packed_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """(C, H, W) → (C, H, W/8)."""
    return (*shape[:-1], shape[-1] // 8)


def _runs(positions: np.ndarray, rows: np.ndarray) -> Iterator[tuple[np.int64, np.ndarray]]:
    """Consecutive positions go to the file in one write."""
    breaks = np.flatnonzero(np.diff(positions) != 1) + 1
    for block in np.split(np.arange(len(positions)), breaks):
        if len(block):
            yield positions[block[0]], rows[block[0] : block[-1] + 1]


@contextmanager
def _named(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(
            f"cannot write the cache {directory}: {error.strerror or error}; set cache_dir elsewhere"
        ) from error


def write_atomically(path: Path, content: bytes) -> None:
    """The file is either as before or whole."""
    temporary = path.with_name(f"{path.name}.tmp")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

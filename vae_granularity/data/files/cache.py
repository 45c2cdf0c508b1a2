"""The conversion cache: every source is converted once to a memory-mappable uint8 .npy file.

Data are written to a temporary name in the same directory, synced and renamed; the manifest, which
has the checksums, comes last. A directory without a manifest that fits its files is not a cache: it
is made again. A lock file lets one process convert while others wait.
"""

import hashlib
import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from rich.console import Console
from rich.progress import Progress

from vae_granularity.data.files.locks import locked
from vae_granularity.errors import DataError, ResourceError
from vae_granularity.files import (
    digest,
    digest_of_file,
    open_regular_file,
    open_to_change,
    read_json,
    remove_unfinished,
    replace_file,
    write_json,
)

log = logging.getLogger(__name__)

VERSION = 1
MANIFEST = "manifest.json"
IMAGES = "images.npy"
LABELS = "labels.npy"
ARRAYS = {IMAGES, LABELS}
PROGRESS = "progress.json"  # rows on disk of an unfinished conversion, and their checksum
SAVED_EVERY = 2.0  # seconds of a conversion that a kill may lose


@dataclass
class ImageStream:
    """N images of one shape that a reader yields in chunks, in any order, each with its positions.

    A chunk is (positions (n,) int64, images (n, C, H, W) uint8).
    """

    shape: tuple[int, ...]  # (C, H, W)
    split_sizes: dict[str, int]  # images in each official split, in their order; N in all
    chunks: Iterable[tuple[np.ndarray, np.ndarray]]
    labels: Callable[[], np.ndarray] | None = None  # (N, L) int64, once the chunks are exhausted
    facts: dict[str, Any] = field(default_factory=dict)  # for the manifest
    # Where a reader can go on in the middle: the positions of all images in the order they are read
    # in, and the chunks from a row of that order on. A killed conversion then goes on after its
    # rows on disk, if their checksum holds.
    order: np.ndarray | None = None
    chunks_from: Callable[[int], Iterable[tuple[np.ndarray, np.ndarray]]] | None = None


@dataclass(frozen=True)
class Conversion:
    """Reader of images, with the key and the files that decide what it reads."""

    key: Sequence[Any]
    files: Mapping[str, Path]
    read: Callable[[], ImageStream]


def directory_for(root: Path, key: Sequence[Any], files: Mapping[str, Path]) -> Path:
    """Return a directory in `root` for each `key` and each path, size and time of `files`.

    A folder counts with the size and time of each file in it.

    Raises:
        DataError: a file or folder cannot be read.
    """
    identity = [VERSION, *key]
    for name, path in sorted(files.items()):
        try:
            inside = sorted(path.iterdir()) if path.is_dir() else [path]
            stats = [(file.resolve(), file.stat()) for file in inside]
        except OSError as error:
            raise DataError(f"cannot read {path}: {error.strerror or error}") from error
        stamps = [(str(file), stat.st_size, stat.st_mtime_ns) for file, stat in stats]
        identity.append((name, stamps))
    return root / digest(json.dumps(identity))[:16]


def is_known(root: Path, name: str) -> bool:
    """Return whether images have been converted to the cache `root`, and `name` lies inside it.

    Links in it that lead out of it are nobody's cache.
    """
    home = root.resolve()
    inside = (root / name).resolve().is_relative_to(home)
    return inside and any(root.glob(f"*/*/{MANIFEST}"))


def load(directory: Path, *, thorough: bool = False) -> dict[str, Any] | None:
    """Return the manifest of a whole cache of this version, else None.

    Files of unchanged size and time are taken as they were written; otherwise, or if `thorough`,
    they are hashed.
    """
    # Whatever is wrong with it, it is not a whole cache.
    damage = (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, RecursionError)
    try:
        manifest = read_json(directory / MANIFEST)
        if manifest["version"] != VERSION or not {IMAGES} <= set(manifest["arrays"]) <= ARRAYS:
            return None
        for name in manifest["arrays"]:
            open_regular_file(directory / name).close()
        images = np.load(directory / IMAGES, mmap_mode="r", allow_pickle=False)
        if (shape := list(images.shape)) != manifest["shape"] or images.dtype != np.uint8:
            return None
        if sum(manifest["parts"].values()) != shape[0]:
            return None
        for name, written in manifest["arrays"].items():
            path = directory / name
            stat = path.stat()
            if stat.st_size != written["bytes"]:
                return None
            doubtful = thorough or stat.st_mtime_ns != written["mtime_ns"]
            if doubtful and digest_of_file(path) != written["sha256"]:
                log.warning("%s does not match its checksum and is converted again", path)
                return None
    except damage:
        return None
    return manifest


def prepare(
    directory: Path,
    open_stream: Callable[[], ImageStream],
    *,
    packed: bool = False,
    thorough: bool = False,
) -> dict[str, Any]:
    """Return the manifest of the cache in `directory`, converting if there is none.

    One process converts while others wait.

    Raises:
        DataError: the source is not what it should be, or the disk is full; no half cache is left.
    """
    if ready := load(directory, thorough=thorough):
        return ready
    with _named_errors(directory):
        directory.mkdir(parents=True, exist_ok=True)
        if directory.is_symlink():
            raise DataError(f"{directory} is a link, not a folder of the cache: remove it")
        lock = locked(directory.with_name(f"{directory.name}.lock"))
    with lock:
        # Another process may have made it meanwhile.
        if ready := load(directory, thorough=thorough):
            return ready
        (directory / MANIFEST).unlink(missing_ok=True)
        if not (directory / PROGRESS).exists():
            _empty(directory)
        try:
            with _named_errors(directory):
                return _convert(directory, open_stream(), packed)
        except BaseException as error:
            if isinstance(error, Exception) or not (directory / PROGRESS).exists():
                _empty(directory)
            raise


def _empty(directory: Path) -> None:
    """Remove what `_convert` writes, whole or not, and nothing else."""
    for name in (MANIFEST, IMAGES, LABELS):
        (directory / name).unlink(missing_ok=True)
        (directory / f"{name}.tmp").unlink(missing_ok=True)
    remove_unfinished(directory)


def _convert(directory: Path, stream: ImageStream, packed: bool) -> dict[str, Any]:
    row_bytes = int(np.prod(_row_shape(stream, packed)))
    done, checksum = _rows_done(directory, stream, row_bytes)
    with _unfinished_file(directory / IMAGES, resume=done > 0) as file:
        shape = _write_images(file, directory, stream, packed, done, checksum)
    if stream.labels is not None:
        with replace_file(directory / LABELS) as file:
            np.save(file, stream.labels(), allow_pickle=False)
    arrays = {}
    for path in filter(Path.exists, (directory / IMAGES, directory / LABELS)):
        stat = path.stat()
        arrays[path.name] = {
            "sha256": digest_of_file(path),
            "bytes": stat.st_size,
            "mtime_ns": stat.st_mtime_ns,
        }
    manifest = {
        "version": VERSION,
        "shape": shape,
        "dtype": "uint8",
        "packed": packed,
        "parts": stream.split_sizes,
        "arrays": arrays,
        **stream.facts,
    }
    write_json(directory / MANIFEST, manifest)
    (directory / PROGRESS).unlink(missing_ok=True)
    return manifest


def _row_shape(stream: ImageStream, packed: bool) -> tuple[int, ...]:
    """Return the shape of one image on disk; eight pixels are one byte if `packed`."""
    width = stream.shape[-1] // 8 if packed else stream.shape[-1]
    return (*stream.shape[:-1], width)


def _rows_done(directory: Path, stream: ImageStream, row_bytes: int) -> tuple[int, Any]:
    """Return how many rows of an interrupted conversion are intact, and their SHA-256 so far.

    The rows are read back and hashed: a file that was cut or changed since is begun again.
    """
    unfinished = directory / f"{IMAGES}.tmp"
    if stream.chunks_from is None or stream.order is None or not unfinished.exists():
        return 0, hashlib.sha256()
    try:
        saved = read_json(directory / PROGRESS)
        rows = int(saved["rows"])
        expected = saved["sha256"]
        checksum = hashlib.sha256()
        with open_regular_file(unfinished) as file:
            np.lib.format.read_magic(file)
            np.lib.format.read_array_header_1_0(file)
            start = file.tell()
            for position in stream.order[:rows]:
                file.seek(start + int(position) * row_bytes)
                pixels = file.read(row_bytes)
                # Bytes that are not there would leave the checksum as it was.
                if len(pixels) < row_bytes:
                    raise ValueError(f"row {position} is cut off")
                checksum.update(pixels)
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.info("%s cannot be continued (%s); converting again", unfinished, error)
        return 0, hashlib.sha256()
    if not 0 < rows <= len(stream.order) or checksum.hexdigest() != expected:
        log.info("%s was damaged after the interruption; converting again", unfinished)
        return 0, hashlib.sha256()
    return rows, checksum


def _save_progress(file: IO[bytes], directory: Path, rows: int, checksum: Any) -> None:
    """Put the rows on disk first, then their number and checksum."""
    file.flush()
    os.fsync(file.fileno())
    write_json(directory / PROGRESS, {"rows": rows, "sha256": checksum.hexdigest()})


def _write_images(
    file: IO[bytes], directory: Path, stream: ImageStream, packed: bool, done: int, checksum: Any
) -> tuple[int, ...]:
    """Write every image from row `done` on into an .npy file; return the array's shape."""
    count = sum(stream.split_sizes.values())
    shape = (count, *_row_shape(stream, packed))
    row_bytes = int(np.prod(shape[1:]))
    needed = (count - done) * row_bytes
    free = shutil.disk_usage(directory).free
    if needed > free:
        raise ResourceError(
            f"no space left for the cache {directory}: it needs {needed:,} bytes, {free:,} are "
            "free; set cache_dir elsewhere"
        )
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    file.seek(0)
    np.lib.format.write_array_header_1_0(file, header)
    start = file.tell()
    is_written = np.zeros(count, dtype=bool)
    chunks = stream.chunks
    if stream.chunks_from is not None and stream.order is not None:
        is_written[stream.order[:done]] = True
        chunks = stream.chunks_from(done)
    saved = time.monotonic()
    console = Console(stderr=True, force_jupyter=False)
    # In a file a bar would leave empty lines.
    bar_is_off = not console.is_terminal
    with Progress(console=console, transient=True, disable=bar_is_off) as progress:
        bar = progress.add_task(f"converting to {directory}", total=count, completed=done)
        for positions, chunk in chunks:
            if not len(positions):
                continue
            rows = np.packbits(chunk, axis=-1) if packed else np.ascontiguousarray(chunk)
            # Images at consecutive positions go to disk in one write.
            breaks = np.flatnonzero(np.diff(positions) != 1) + 1
            runs = zip(np.split(positions, breaks), np.split(rows, breaks), strict=True)
            for run_positions, run in runs:
                file.seek(start + int(run_positions[0]) * row_bytes)
                file.write(run.data)
            if stream.chunks_from is not None:
                checksum.update(rows.data)
            is_written[positions] = True
            progress.advance(bar, len(positions))
            done += len(positions)
            if stream.chunks_from is not None and time.monotonic() - saved > SAVED_EVERY:
                _save_progress(file, directory, done, checksum)
                saved = time.monotonic()
    if not is_written.all():
        raise DataError(
            f"{int((~is_written).sum())} of {count} images are missing, the first at position "
            f"{int(np.argmin(is_written))}"
        )
    return shape


@contextmanager
def _named_errors(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ResourceError(
            f"cannot write the cache {directory}: {error.strerror or error}; set cache_dir "
            "elsewhere"
        ) from error


@contextmanager
def _unfinished_file(path: Path, *, resume: bool = False) -> Iterator[IO[bytes]]:
    """Open a file beside `path` to write it; move it there once it is whole and on disk.

    With `resume`, the file of an interrupted conversion is opened as it is.
    """
    temporary = path.with_name(f"{path.name}.tmp")
    if not resume:
        # A link may lie there, to a file elsewhere.
        temporary.unlink(missing_ok=True)
        temporary.touch(exist_ok=False)
    with open_to_change(temporary) as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)

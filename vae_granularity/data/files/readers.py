"""Readers of the official formats, piece by piece; nothing is unpickled or extracted to disk.

Each yields chunks (positions (n,), images (n, …) uint8) or the members of an archive, and turns
whatever is wrong with a file into one `DataError` that names the file and the cause.
"""

import gzip
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path, PurePosixPath

import numpy as np

from vae_granularity.data.files.declaration import GZIP
from vae_granularity.errors import DataError

CHUNK = 512  # images read at a time
MEMBER_BYTES = 64 << 20  # no picture or mesh comes near this

Chunks = Iterator[tuple[np.ndarray, np.ndarray]]
Member = tuple[str, int, Callable[[], bytes] | None]  # name, size, content; None for a link


@contextmanager
def reading(path: Path, kind: str) -> Iterator[None]:
    """What goes wrong while a file of this kind is read becomes one clear error.

    Raises:
        DataError: the file is unreadable, truncated or not of this kind.
    """
    damaged = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, gzip.BadGzipFile)
    try:
        yield
    except damaged as error:
        raise DataError(f"{path} is not a whole {kind} ({describe(path)}): {error}") from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error


def describe(path: Path) -> str:
    """What a file that is not what its name says looks like."""
    try:
        with path.open("rb") as file:
            head = file.read(256)
    except OSError as error:
        return str(error.strerror)
    if not head:
        return "0 bytes"
    if head.lstrip()[:1] == b"<":
        return "an HTML page saved under this name"
    return f"{path.stat().st_size:,} bytes, beginning with {head[:4]!r}"


def npz_images(path: Path, key: str, shape: tuple[int, ...]) -> Chunks:
    """Chunks of the member `key` of an .npz archive, which must be uint8 of exactly `shape`.

    Raises:
        DataError: the member is missing, pickled, of another type or shape, or truncated.
    """
    with reading(path, "npz archive"), zipfile.ZipFile(path) as archive:
        _has(path, key, (name.removesuffix(".npy") for name in archive.namelist()))
        with archive.open(f"{key}.npy") as member:
            try:
                version = np.lib.format.read_magic(member)
                old, new = np.lib.format.read_array_header_1_0, np.lib.format.read_array_header_2_0
                found, fortran, dtype = (old if version == (1, 0) else new)(member)
            except ValueError as error:
                raise DataError(f"{path}: array `{key}` has no readable header: {error}") from error
            if dtype.hasobject:
                refused = "pickles are never loaded, images must be uint8"
                raise DataError(f"{path}: array `{key}` is pickled ({dtype}); {refused}")
            _fits(path, key, shape, found, dtype, ", Fortran order" if fortran else "")
            row = prod(shape[1:])
            for start in range(0, shape[0], CHUNK):
                rows = min(CHUNK, shape[0] - start)
                raw = member.read(rows * row)
                if len(raw) != rows * row:
                    place = f"at image {start + len(raw) // row} of {shape[0]}"
                    raise DataError(f"{path}: array `{key}` is truncated {place}")
                images = np.frombuffer(raw, np.uint8).reshape(rows, *shape[1:])
                yield np.arange(start, start + rows), images


def h5_images(path: Path, key: str, shape: tuple[int, ...]) -> Chunks:
    """Chunks of the array `key` of an HDF5 file, which must be uint8 of exactly `shape`.

    Raises:
        DataError: no whole HDF5 file, or the array is missing or of another type or shape.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            # By links of its own: another kind, and other storage, would read any file there is.
            own = [name for name in file if type(file.get(name, getlink=True)) is h5py.HardLink]
            arrays = {name: file[name] for name in own if isinstance(file[name], h5py.Dataset)}
            _has(path, key, arrays)
            array = arrays[key]
            if array.is_virtual or array.external:
                raise DataError(f"{path}: array `{key}` lies in other files; it is refused")
            _fits(path, key, shape, array.shape, array.dtype)
            for start in range(0, len(array), CHUNK):
                images = array[start : start + CHUNK]
                yield np.arange(start, start + len(images)), images
    except OSError as error:
        what = f"not a whole HDF5 file ({describe(path)})"
        raise DataError(f"{path} is {what}: {error}") from error


def _fits(
    path: Path, key: str, shape: tuple[int, ...], found: tuple, dtype: np.dtype, order: str = ""
) -> None:
    if dtype != np.uint8 or found != shape or order:
        got = f"{dtype} of shape {found}{order}"
        raise DataError(f"{path}: array `{key}` must be uint8 of shape {shape}, got {got}")


def _has(path: Path, key: str, names: Iterable[str]) -> None:
    if key not in (found := sorted(names)):
        raise DataError(f"{path} has no array `{key}`; it holds {found}")


def idx_array(path: Path, ndim: int) -> np.ndarray:
    """The uint8 array of `ndim` dimensions in an IDX file (yann.lecun.com/exdb/mnist), or its gzip.

    Raises:
        DataError: not IDX, another type or number of dimensions, truncated, or longer than its
            header says.
    """
    with reading(path, "gzip file"):
        content = path.read_bytes()
        if content[:2] == GZIP:
            content = gzip.decompress(content)
    start = 4 + 4 * ndim
    if len(content) < start or content[:2] != b"\0\0":
        raise DataError(f"{path} is not an IDX file ({describe(path)})")
    if content[2] != 0x08 or content[3] != ndim:
        wanted = f"unsigned bytes (type 0x08) in {ndim} dimensions"
        raise DataError(f"{path} must hold {wanted}, got type {content[2]:#04x} in {content[3]}")
    shape = struct.unpack_from(f">{ndim}I", content, 4)
    expected = start + prod(shape)
    if len(content) != expected:
        needs = f"shape {shape} needs {expected} bytes, it has {len(content)}"
        raise DataError(f"{path} is truncated or too long: {needs}")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def members(
    path: Path, wanted: Callable[[str], bool], max_bytes: int
) -> Iterator[tuple[str, bytes]]:
    """(name, content) of the wanted members of a zip, a tar archive or a folder, in its order.

    Raises:
        DataError: the archive is unreadable, a name leads out of it, a wanted member is a link or a
            device, or the members are larger than `max_bytes` in all (a bomb).
    """
    total = 0
    with reading(path, "archive"):
        is_zip = not path.is_dir() and zipfile.is_zipfile(path)
        for name, size, read in (_folder if path.is_dir() else _zip if is_zip else _tar)(path):
            parts = PurePosixPath(name.replace("\\", "/"))
            if parts.is_absolute() or ".." in parts.parts:
                raise DataError(f"{path}: member {name!r} leads out of the archive; it is refused")
            if not wanted(name):
                continue
            if read is None:
                what = "a link or a device, not a file"
                raise DataError(f"{path}: member {name!r} is {what}; it is refused")
            total += size
            if size > MEMBER_BYTES or total > max_bytes:
                too_much = f"{total:,} bytes unpacked, more than the accepted {max_bytes:,}"
                raise DataError(f"{path}: member {name!r} makes {too_much}")
            yield name, read()


def _folder(path: Path) -> Iterator[Member]:
    for file in sorted(path.iterdir()):
        if file.is_file():
            yield file.name, file.stat().st_size, file.read_bytes


def _zip(path: Path) -> Iterator[Member]:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            link = (info.external_attr >> 16) & 0o170000 == 0o120000
            if not info.is_dir():
                read = None if link else lambda info=info: archive.read(info)
                yield info.filename, info.file_size, read


def _tar(path: Path) -> Iterator[Member]:
    with tarfile.open(path, "r|*") as archive:
        for info in archive:
            if not info.isdir():
                file = archive.extractfile(info) if info.isreg() else None
                yield info.name, info.size, file.read if file else None

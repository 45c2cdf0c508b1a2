"""Read the official formats, piece by piece; nothing is unpickled or extracted to disk.

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
from typing import IO, Any, Self, cast

import numpy as np

from vae_granularity.errors import DataError
from vae_granularity.files import GZIP

CHUNK = 512  # images read at a time
CHUNK_BYTES = 256 << 20  # that HDF5 unpacks at a time
MEMBER_BYTES = 64 << 20  # no picture or mesh comes near this
MAX_HEADER_BYTES = 1 << 16  # of an extended header of a tar archive, for a long name
EXTENDED = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
EXTENDED += (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE)

Chunks = Iterator[tuple[np.ndarray, np.ndarray]]
Member = tuple[str, int, Callable[[], bytes] | None]  # name, size, content; None for a link


@contextmanager
def reading(path: Path, kind: str) -> Iterator[None]:
    """Turn errors of reading a file of this kind into one clear error.

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


@contextmanager
def unzipped(path: Path) -> Iterator[IO[bytes]]:
    """Open the bytes of a file, or those inside of a gzip; errors as of `reading`."""
    with reading(path, "gzip file"), path.open("rb") as raw:
        zipped = raw.read(2) == GZIP
        raw.seek(0)
        with gzip.open(raw) if zipped else raw as inside:
            yield cast(IO[bytes], inside)


def describe(path: Path) -> str:
    """Describe a file of unexpected content for an error message."""
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


def npz_images(
    path: Path, key: str, shape: tuple[int, ...], *, rows: int = CHUNK, kind: str = "uint8"
) -> Chunks:
    """Yield chunks of `rows` images of the member `key` of an .npz archive, of exactly `shape`.

    `kind` is uint8 or bool.

    Raises:
        DataError: the member is missing, pickled, of another type or shape, or truncated.
    """
    with reading(path, "npz archive"), zipfile.ZipFile(path) as archive:
        _check_key(path, key, (name.removesuffix(".npy") for name in archive.namelist()))
        with archive.open(f"{key}.npy") as member:
            actual_shape, is_fortran, dtype = read_header(path, key, member)
            if dtype.hasobject:
                raise DataError(
                    f"{path}: array `{key}` is pickled ({dtype}); pickles are never loaded, images "
                    "must be uint8"
                )
            order = ", Fortran order" if is_fortran else ""
            expected = f"{kind} of shape {shape}"
            actual = f"{dtype} of shape {actual_shape}{order}"
            if actual != expected:
                raise DataError(f"{path}: array `{key}` must be {expected}, got {actual}")
            row_bytes = prod(shape[1:])
            for start in range(0, shape[0], rows):
                count = min(rows, shape[0] - start)
                raw = member.read(count * row_bytes)
                if len(raw) != count * row_bytes:
                    raise DataError(
                        f"{path}: array `{key}` is truncated at image "
                        f"{start + len(raw) // row_bytes} of {shape[0]}"
                    )
                images = np.frombuffer(raw, np.uint8).reshape(count, *shape[1:])
                yield np.arange(start, start + count), images


def read_header(path: Path, name: str, member: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Return shape, whether in Fortran order, and type of an array in NumPy's format.

    Raises:
        DataError: no array begins here.
    """
    try:
        version = np.lib.format.read_magic(member)
        # The header of another version may be of gigabytes.
        if version != (1, 0):
            raise ValueError(f"its version is {version}, not (1, 0)")
        return np.lib.format.read_array_header_1_0(member)
    except ValueError as error:
        raise DataError(f"{path}: array `{name}` has no readable header: {error}") from error


def h5_images(path: Path, key: str, shape: tuple[int, ...]) -> Chunks:
    """Yield chunks of the array `key` of an HDF5 file, which must be uint8 of exactly `shape`.

    Raises:
        DataError: no whole HDF5 file, or the array is missing or of another type or shape.
    """
    import h5py

    try:
        # Some network file systems have no locks, and nothing is written here.
        with h5py.File(path, "r", locking=False) as opened:
            file: Any = opened
            # Hard links alone: a link to another file would be followed.
            names = [
                name
                for name in file
                if isinstance(file.get(name, getlink=True), h5py.HardLink)
                and isinstance(file[name], h5py.Dataset)
            ]
            _check_key(path, key, names)
            array = file[key]
            expected = f"uint8 of shape {shape}"
            actual = f"{array.dtype} of shape {array.shape}"
            if actual != expected:
                raise DataError(f"{path}: array `{key}` must be {expected}, got {actual}")
            if array.external or array.is_virtual:
                raise DataError(f"{path}: array `{key}` lies in other files; it is refused")
            if prod(array.chunks or (0,)) > CHUNK_BYTES:
                raise DataError(
                    f"{path}: array `{key}` is stored in pieces of {prod(array.chunks):,} bytes; "
                    "it is refused"
                )
            for start in range(0, len(array), CHUNK):
                images = array[start : start + CHUNK]
                yield np.arange(start, start + len(images)), images
    except OSError as error:
        raise DataError(f"{path} is not a whole HDF5 file ({describe(path)}): {error}") from error


def _check_key(path: Path, key: str, names: Iterable[str]) -> None:
    arrays = sorted(names)
    if key not in arrays:
        raise DataError(f"{path} has no array `{key}`; it holds {arrays}")


def idx_array(path: Path, ndim: int, max_bytes: int = MEMBER_BYTES) -> np.ndarray:
    """Return the uint8 array of `ndim` dimensions in an IDX file (LeCun's format), or its gzip.

    Raises:
        DataError: not IDX, another type or number of dimensions, truncated, or longer than its
            header says, or than `max_bytes` (a bomb).
    """
    # One byte more than accepted tells a bomb before it is unpacked whole.
    with unzipped(path) as inside:
        content = inside.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise DataError(f"{path} holds more than the accepted {max_bytes:,} bytes")
    start = 4 + 4 * ndim
    if len(content) < start or content[:2] != b"\0\0":
        raise DataError(f"{path} is not an IDX file ({describe(path)})")
    if content[2] != 0x08 or content[3] != ndim:
        raise DataError(
            f"{path} must hold unsigned bytes (type 0x08) in {ndim} dimensions, got type "
            f"{content[2]:#04x} in {content[3]}"
        )
    shape = struct.unpack_from(f">{ndim}I", content, 4)
    expected = start + prod(shape)
    if len(content) != expected:
        raise DataError(
            f"{path} is truncated or too long: shape {shape} needs {expected} bytes, it has "
            f"{len(content)}"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def members(
    path: Path, select: Callable[[str], bool], max_bytes: int
) -> Iterator[tuple[str, bytes]]:
    """Yield (name, content) of the selected members of a zip, a tar archive or a folder.

    Raises:
        DataError: the archive is unreadable, a name leads out of it, a selected member is a link or
            a device, or the members are larger than `max_bytes` in all (a bomb).
    """
    total = 0
    with reading(path, "archive"):
        is_zip = not path.is_dir() and zipfile.is_zipfile(path)
        for name, size, read in (_folder if path.is_dir() else _zip if is_zip else _tar)(path):
            member = PurePosixPath(name.replace("\\", "/"))
            if member.is_absolute() or ".." in member.parts:
                raise DataError(f"{path}: member {name!r} leads out of the archive; it is refused")
            if not select(name):
                continue
            if read is None:
                raise DataError(
                    f"{path}: member {name!r} is a link or a device, not a file; it is refused"
                )
            # Sizes are those that the archive declares; its reader stops at them.
            total += size
            if size > MEMBER_BYTES or total > max_bytes:
                raise DataError(
                    f"{path}: member {name!r} makes {total:,} bytes unpacked, more than the "
                    f"accepted {max_bytes:,}"
                )
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


class _SmallHeaders(tarfile.TarInfo):
    """A member of a tar archive whose extended header, which is read whole, is small."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        member = super().frombuf(buf, encoding, errors)
        if member.type in EXTENDED and member.size > MAX_HEADER_BYTES:
            raise tarfile.ReadError(f"a header of {member.size:,} bytes")
        return member


def _tar(path: Path) -> Iterator[Member]:
    with tarfile.open(path, "r|*", tarinfo=_SmallHeaders) as archive:
        for info in archive:
            if not info.isdir():
                file = archive.extractfile(info) if info.isreg() else None
                yield info.name, info.size, file.read if file else None

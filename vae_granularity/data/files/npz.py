"""Streams one array out of an .npz archive without unpacking it into memory and without unpickling
anything.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path

import numpy as np

from vae_granularity.errors import DataError

CHUNK = 512  # images read at a time


@contextmanager
def open_npz(path: Path) -> Iterator[zipfile.ZipFile]:
    """The archive; what goes wrong while it is read becomes one clear error.

    Raises:
        DataError: the file is unreadable, truncated or no zip archive.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise DataError(f"{path} is not a whole npz archive ({describe(path)}): {error}") from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error


def images_in(
    path: Path, key: str, shape: tuple[int, ...]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Chunks (positions (n,), images (n, …) uint8) of the member `key`, which must be uint8 of
    exactly `shape`.

    Raises:
        DataError: the member is missing, pickled, of another type or shape, or truncated.
    """
    with open_npz(path) as archive:
        names = sorted(name.removesuffix(".npy") for name in archive.namelist())
        if key not in names:
            raise DataError(f"{path} has no array `{key}`; it holds {names}")
        with archive.open(f"{key}.npy") as member:
            try:
                version = np.lib.format.read_magic(member)
                header = (
                    np.lib.format.read_array_header_1_0
                    if version == (1, 0)
                    else np.lib.format.read_array_header_2_0
                )
                found, fortran, dtype = header(member)
            except ValueError as error:
                raise DataError(f"{path}: array `{key}` has no readable header: {error}") from error
            if dtype.hasobject:
                raise DataError(
                    f"{path}: array `{key}` is pickled ({dtype}); pickles are never loaded, images must be uint8"
                )
            if dtype != np.uint8 or found != shape or fortran:
                order = ", Fortran order" if fortran else ""
                raise DataError(
                    f"{path}: array `{key}` must be uint8 of shape {shape}, got {dtype} of shape {found}{order}"
                )
            row = prod(shape[1:])
            for start in range(0, shape[0], CHUNK):
                rows = min(CHUNK, shape[0] - start)
                raw = member.read(rows * row)
                if len(raw) != rows * row:
                    raise DataError(
                        f"{path}: array `{key}` is truncated at image {start + len(raw) // row} of {shape[0]}"
                    )
                yield (
                    np.arange(start, start + rows),
                    np.frombuffer(raw, np.uint8).reshape(rows, *shape[1:]),
                )


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

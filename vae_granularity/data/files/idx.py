"""The IDX format of MNIST (yann.lecun.com/exdb/mnist): big-endian header, then unsigned bytes;
plain or gzipped.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from math import prod
from pathlib import Path

import numpy as np

from vae_granularity.data.files.npz import describe
from vae_granularity.errors import DataError


def read_idx(path: Path, ndim: int) -> np.ndarray:
    """The uint8 array of `ndim` dimensions in the file.

    Raises:
        DataError: not IDX, another type or number of dimensions, truncated, or longer than its
            header says.
    """
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path} is not a whole gzip file ({describe(path)}): {error}") from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    if len(content) < 4 + 4 * ndim or content[:2] != b"\0\0":
        raise DataError(f"{path} is not an IDX file ({describe(path)})")
    if content[2] != 0x08 or content[3] != ndim:
        raise DataError(
            f"{path} must hold unsigned bytes (type 0x08) in {ndim} dimensions, got type {content[2]:#04x} in {content[3]}"
        )
    shape = struct.unpack_from(f">{ndim}I", content, 4)
    expected = 4 + 4 * ndim + prod(shape)
    if len(content) != expected:
        raise DataError(
            f"{path} is truncated or too long: shape {shape} needs {expected} bytes, it has {len(content)}"
        )
    return np.frombuffer(content, np.uint8, offset=4 + 4 * ndim).reshape(shape)

"""A small MNIST in the official format."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np


def write_digits(folder: Path, seed: int = 0, counts: tuple[int, int] = (200, 20)) -> None:
    """The four files, with random images that the seed decides; their sizes do not depend on it.

    The IDX format: yann.lecun.com/exdb/mnist.
    """
    folder.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(seed)
    for part, count in zip(("train", "t10k"), counts, strict=True):
        images = draw.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        (folder / f"{part}-images-idx3-ubyte").write_bytes(_idx(images))
        labels = _idx(np.arange(count, dtype=np.uint8) % 10)
        (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels, mtime=0))


def _idx(array: np.ndarray) -> bytes:
    head = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return head + array.tobytes()

"""SmallNORB: 48 600 gray 96×96 pictures of 50 toys, used at 64×64."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image

from vae_granularity.data.factors import FactorSpace
from vae_granularity.data.files.cache import Conversion, ImageStream
from vae_granularity.data.files.declaration import DatasetCard, RemoteFile
from vae_granularity.data.files.readers import CHUNK, Chunks, describe, unzipped
from vae_granularity.data.grid import FactorGridDataModule
from vae_granularity.errors import ArgumentError, DataError

HOME = "https://cs.nyu.edu/~ylclab/data/norb-v1.0-small"
PARTS = ("5x46789x9x18x6x2x96x96-training", "5x01235x9x18x6x2x96x96-testing")
KINDS = ("dat", "cat", "info")
BYTES, INTEGERS = 0x1E3D4C55, 0x1E3D4C54  # how their matrices begin
SIDE, CAMERAS = 96, 2
RESIZED_BY = "lanczos"


def _name(part: str, kind: str) -> str:
    return f"smallnorb-{part}-{kind}.mat.gz"


def _file(part: str, kind: str) -> RemoteFile:
    name = _name(part, kind)
    return RemoteFile(name, urls=(f"{HOME}/{name}",), aliases=(name.removesuffix(".gz"),))


class SmallNORB(FactorGridDataModule):
    """SmallNORB (LeCun, Huang and Bottou, CVPR 2004), both parts, the first of the two cameras.

    The grid is category, instance, elevation, azimuth, lighting; the toy behind an instance is
    another in each category. disentanglement_lib leaves the instance out of its factors.
    """

    image_sizes = (32, 64, 96)
    card = DatasetCard(
        name="smallnorb",
        image_shape=(1, 64, 64),
        factors=FactorSpace(
            ("category", "instance", "elevation", "azimuth", "lighting"), (5, 10, 9, 18, 6)
        ),
        cyclic_labels=("azimuth",),
        factor_kinds={"category": "discrete", "instance": "discrete"},
        files=tuple(_file(part, kind) for part in PARTS for kind in KINDS),
        licence="research only; it cannot be sold",
        citation="Y. LeCun, F. J. Huang, L. Bottou: Learning Methods for Generic Object Recognition"
        " with Invariance to Pose and Lighting, CVPR 2004",
        homepage=HOME,
    )

    def read_official(self, files: dict[str, Path]) -> ImageStream:
        """Six matrices: pictures (n, 2, 96, 96), categories (n,), and (n, 4) of the other factors.

        In the last, the azimuth counts by two.
        """
        return self.stream(self._pictures(files))

    def conversion(self) -> Conversion | None:
        """As for every data set; its key names the filter, which was another before."""
        conversion = super().conversion()
        if conversion is None or self.cached_shape == self.source_shape:
            return conversion
        return replace(conversion, key=[*conversion.key, RESIZED_BY])

    def sized(self, stream: ImageStream) -> ImageStream:
        """Images resized by PIL's Lanczos filter, as disentanglement_lib does, not by area means.

        Its images of 64x64 pixels are the same to the last bit.
        """
        size = self.cached_shape[-1]
        if stream.shape[-1] == size:
            return stream
        chunks = ((positions, _lanczos(images, size)) for positions, images in stream.chunks)
        return replace(stream, shape=(1, size, size), chunks=chunks)

    @property
    def source_shape(self) -> tuple[int, ...]:
        """As published."""
        return 1, SIDE, SIDE

    def _pictures(self, files: dict[str, Path]) -> Chunks:
        for part in PARTS:
            pictures, *tables = (files[_name(part, kind)] for kind in KINDS)
            category, others = (_integers(path) for path in tables)
            if others.ndim != 2 or others.shape[1:] != (4,) or category.shape != others.shape[:1]:
                got = f"{category.shape} and {others.shape}"
                names = " and ".join(path.name for path in tables)
                raise DataError(f"{pictures.parent}: {names} must be (n,) and (n, 4), got {got}")
            if (others[:, 2] % 2).any():
                raise DataError(f"{tables[1]} must hold even azimuths, got an odd one")
            rows = np.column_stack([category, others // [1, 1, 2, 1]])
            try:
                positions = self.space.index(rows)
            except ArgumentError as error:
                raise DataError(f"{tables[1]} does not fit the factors: {error}") from error
            yield from _chunks(pictures, positions)


def _lanczos(images: np.ndarray, size: int) -> np.ndarray:
    """Gray images (n, 1, H, H) uint8 as (n, 1, size, size) uint8."""
    filter_ = Image.Resampling.LANCZOS
    resized = [Image.fromarray(image[0]).resize((size, size), filter_) for image in images]
    return np.stack([np.asarray(picture) for picture in resized])[:, None]


@contextmanager
def _matrix(path: Path, magic: int) -> Iterator[tuple[IO[bytes], tuple[int, ...]]]:
    """The values of a matrix file, plain or in a gzip, and its shape.

    Little-endian: a magic number for the type, the number of dimensions, at least three sizes.

    Raises:
        DataError: it is no such file, or of another type.
    """
    with unzipped(path) as file:
        head = file.read(8)
        found, ndim = struct.unpack("<II", head) if len(head) == 8 else (0, 0)
        if found != magic or not 1 <= ndim <= 8:
            wanted = f"a SmallNORB matrix that begins with {magic:#x}"
            raise DataError(f"{path} must be {wanted}; it is {describe(path)}")
        size = 4 * max(3, ndim)
        sizes = struct.unpack(f"<{size // 4}I", _exactly(file, size, path))
        yield file, sizes[:ndim]


def _exactly(file: IO[bytes], count: int, path: Path) -> bytes:
    content = file.read(count)
    if len(content) != count:
        raise DataError(f"{path} is truncated: {count - len(content):,} bytes are missing")
    return content


def _integers(path: Path) -> np.ndarray:
    with _matrix(path, INTEGERS) as (file, shape):
        if prod(shape) > 1 << 24:
            raise DataError(f"{path} must hold a small table of integers, got shape {shape}")
        return np.frombuffer(_exactly(file, 4 * prod(shape), path), "<i4").reshape(shape)


def _chunks(path: Path, positions: np.ndarray) -> Chunks:
    """Pictures (n, 96, 96, 1) of the first camera."""
    wanted = (len(positions), CAMERAS, SIDE, SIDE)
    with _matrix(path, BYTES) as (file, shape):
        if shape != wanted:
            raise DataError(f"{path} must have shape {wanted}, as its tables, got {shape}")
        for start in range(0, len(positions), CHUNK):
            where = positions[start : start + CHUNK]
            content = _exactly(file, len(where) * prod(shape[1:]), path)
            pictures = np.frombuffer(content, np.uint8).reshape(-1, *shape[1:])
            yield where, pictures[:, 0, :, :, None]

"""Shapes3D: 480 000 RGB 64×64 images of a solid in a room."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vae_granularity.data.factors import FactorSpace
from vae_granularity.data.files.cache import ImageStream
from vae_granularity.data.files.declaration import DatasetCard, HubTable, RemoteFile
from vae_granularity.data.files.npz import CHUNK, describe
from vae_granularity.data.grid import FactorGridDataModule
from vae_granularity.errors import DataError

FILE = "3dshapes.h5"


class Shapes3D(FactorGridDataModule):
    """3D Shapes (Burgess and Kim 2018)."""

    card = DatasetCard(
        name="shapes3d",
        image_shape=(3, 64, 64),
        factors=FactorSpace(
            ("floor_hue", "wall_hue", "object_hue", "scale", "shape", "orientation"),
            (10, 10, 10, 8, 4, 15),
        ),
        files=(
            RemoteFile(
                FILE,
                urls=(f"https://storage.googleapis.com/3d-shapes/{FILE}",),
                sha256="0a0f6ed98baff276a50f3a081a7434d788da63cb135a98189b2a5b5769be1785",
                md5="099a2078d58cec4daad0702c55d06868",
            ),
        ),
        licence="Apache-2.0",
        citation="C. Burgess, H. Kim: 3D Shapes Dataset, 2018",
        homepage="https://github.com/google-deepmind/3d-shapes",
        renderer="vae_granularity.data.render.shapes3d",
        hub=HubTable(
            "eurecom-ds/shapes3d",
            splits={"train": "train"},
            labels=(
                "label_floor_hue",
                "label_wall_hue",
                "label_object_hue",
                "label_scale",
                "label_shape",
                "label_orientation",
            ),
        ),
    )

    def read_official(self, files: dict[str, Path]) -> ImageStream:
        """`images` (N, 64, 64, 3) uint8 in index order; `labels` follow from the index and are not
        read.
        """
        return ImageStream(self.image_shape, {"train": self.space.size}, self._chunks(files[FILE]))

    def _chunks(self, path: Path) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        import h5py

        channels, height, width = self.image_shape
        expected = (self.space.size, height, width, channels)
        try:
            with h5py.File(path, "r") as file:
                if not isinstance(file.get("images"), h5py.Dataset):
                    raise DataError(f"{path} has no array `images`; it holds {sorted(file)}")
                images = file["images"]
                if images.shape != expected or images.dtype != np.uint8:
                    raise DataError(
                        f"{path}: array `images` must be uint8 of shape {expected}, got {images.dtype} of shape {images.shape}"
                    )
                for start in range(0, len(images), CHUNK):
                    chunk = images[start : start + CHUNK]
                    yield np.arange(start, start + len(chunk)), chunk.transpose(0, 3, 1, 2)
        except OSError as error:
            raise DataError(
                f"{path} is not a whole HDF5 file ({describe(path)}): {error}"
            ) from error

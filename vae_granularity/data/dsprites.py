"""dSprites: 737 280 binary 64×64 images of a square, an ellipse or a heart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL.Image import Image

from vae_granularity.data.factors import FactorSpace
from vae_granularity.data.files.cache import ImageStream
from vae_granularity.data.files.declaration import DatasetCard, HubTable, RemoteFile
from vae_granularity.data.files.npz import images_in
from vae_granularity.data.grid import FactorGridDataModule
from vae_granularity.errors import DataError

FILE = "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz"


class DSprites(FactorGridDataModule):
    """dSprites (Matthey, Higgins, Hassabis and Lerchner 2017). Kept bit-packed: 377 MB for 3.0 GB
    of pixels.
    """

    packed = True
    card = DatasetCard(
        name="dsprites",
        image_shape=(1, 64, 64),
        max_value=1,
        values="binary",
        factors=FactorSpace(
            ("color", "shape", "scale", "orientation", "pos_x", "pos_y"),
            (1, 3, 6, 40, 32, 32),
            twins=(("orientation", 0, 39),),  # both ends of the full turn
        ),
        files=(
            RemoteFile(
                FILE,
                urls=(
                    f"https://raw.githubusercontent.com/google-deepmind/dsprites-dataset/master/{FILE}",
                    f"https://github.com/google-deepmind/dsprites-dataset/raw/master/{FILE}",
                ),
                # No hash is published with the data set; nine independent projects pin this one.
                md5="7da33b31b13a06f4b04a70402ce90c2e",
            ),
        ),
        licence="Apache-2.0",
        citation="L. Matthey, I. Higgins, D. Hassabis, A. Lerchner: dSprites: Disentanglement testing Sprites dataset, 2017",
        homepage="https://github.com/google-deepmind/dsprites-dataset",
        renderer="vae_granularity.data.render.dsprites",
        hub=HubTable(
            "eurecom-ds/dsprites",
            splits={"train": "train"},
            labels=(
                None,
                "label_shape",
                "label_scale",
                "label_orientation",
                "label_x_position",
                "label_y_position",
            ),
        ),
    )

    def read_official(self, files: dict[str, Path]) -> ImageStream:
        """`imgs` (N, 64, 64) uint8 of 0 and 1, in index order; the pickled member `metadata` is
        never touched.
        """
        return ImageStream(self.image_shape, {"train": self.space.size}, self._chunks(files[FILE]))

    def pixels(self, picture: Image) -> np.ndarray:
        """Hub pictures hold 0 and 1, or 0 and 255."""
        pixels = super().pixels(picture)
        if np.isin(pixels, (0, 1)).all() or np.isin(pixels, (0, 255)).all():
            return (pixels > 0).astype(np.uint8)
        raise DataError(
            f"hub images of dsprites must be binary, got values {np.unique(pixels)[:8]}"
        )

    def _chunks(self, path: Path) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for positions, images in images_in(path, "imgs", (self.space.size, *self.image_shape[1:])):
            if images.max() > 1:
                raise DataError(f"{path}: array `imgs` must hold 0 and 1, got {images.max()}")
            yield positions, images[:, None]

"""dSprites: 737 280 binary 64×64 images of a square, an ellipse or a heart."""

from pathlib import Path

import numpy as np
from PIL.Image import Image

from vae_granularity.data.files.cache import ImageStream
from vae_granularity.data.files.declaration import DatasetCard, HubTable, RemoteFile
from vae_granularity.data.files.readers import Chunks, npz_images
from vae_granularity.data.grid import FactorGridDataModule
from vae_granularity.data.render.dsprites import FACTORS
from vae_granularity.errors import DataError

FILE = "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz"
REPOSITORY = "google-deepmind/dsprites-dataset"
COLUMNS = ("shape", "scale", "orientation", "x_position", "y_position")


class DSprites(FactorGridDataModule):
    """dSprites (Matthey et al. 2017). Kept bit-packed: 377 MB for 3.0 GB of pixels."""

    packed = True
    card = DatasetCard(
        name="dsprites",
        image_shape=(1, 64, 64),
        max_value=1,
        values="binary",
        factors=FACTORS,
        files=(
            RemoteFile(
                FILE,
                urls=(
                    f"https://raw.githubusercontent.com/{REPOSITORY}/master/{FILE}",
                    f"https://github.com/{REPOSITORY}/raw/master/{FILE}",
                ),
                # No hash is published with the data set; nine independent projects pin this one.
                md5="7da33b31b13a06f4b04a70402ce90c2e",
            ),
        ),
        licence="Apache-2.0",
        citation="L. Matthey, I. Higgins, D. Hassabis, A. Lerchner:"
        " dSprites: Disentanglement testing Sprites dataset, 2017",
        homepage=f"https://github.com/{REPOSITORY}",
        renderer="vae_granularity.data.render.dsprites",
        hub=HubTable("eurecom-ds/dsprites", labels=(None, *(f"label_{c}" for c in COLUMNS))),
    )

    def read_official(self, files: dict[str, Path]) -> ImageStream:
        """`imgs` (N, 64, 64) uint8 of 0 and 1, in index order; the pickled member is not read."""
        return self.stream(self._binary(files[FILE]))

    def _binary(self, path: Path) -> Chunks:
        for positions, images in npz_images(path, "imgs", self.official_shape[:3]):
            if images.max() > 1:
                raise DataError(f"{path}: array `imgs` must hold 0 and 1, got {images.max()}")
            yield positions, images[..., None]

    def pixels(self, picture: Image) -> np.ndarray:
        """Hub pictures hold 0 and 1, or 0 and 255."""
        pixels = super().pixels(picture)
        if np.isin(pixels, (0, 1)).all() or np.isin(pixels, (0, 255)).all():
            return (pixels > 0).astype(np.uint8)
        got = np.unique(pixels)[:8]
        raise DataError(f"hub images of dsprites must be binary, got values {got}")

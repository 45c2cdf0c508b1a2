"""dSprites: 737 280 binary 64×64 images of a square, an ellipse or a heart."""

import hashlib
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Unpack

import numpy as np
import torch
from PIL.Image import Image

from vae_granularity.data.files.cache import ImageStream
from vae_granularity.data.files.declaration import DatasetCard, HubTable, RemoteFile
from vae_granularity.data.files.pictures import area_means
from vae_granularity.data.files.readers import Chunks, npz_images
from vae_granularity.data.files.store import Store
from vae_granularity.data.grid import FactorGridDataModule, GridOptions
from vae_granularity.data.render.dsprites import FACTORS
from vae_granularity.data.sprite_variants import SIDE, Paint, checked_background, painter
from vae_granularity.errors import DataError

FILE = "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz"
REPOSITORY = "google-deepmind/dsprites-dataset"
COLUMNS = ("shape", "scale", "orientation", "x_position", "y_position")


class DSprites(FactorGridDataModule):
    """dSprites (Matthey et al. 2017). Kept bit-packed: 377 MB for 3.0 GB of pixels.

    Args:
        variant: None, or color | noise | scream: RGB images made from the sprites as they are asked
            for (`sprite_variants`).
        background: picture file for scream.
        options: as for `FactorGridDataModule`.
    """

    packed = True
    image_sizes = (32, 64)
    card = DatasetCard(
        name="dsprites",
        image_shape=(1, 64, 64),
        max_value=1,
        values="binary",
        factors=FACTORS,
        cyclic_labels=("orientation",),
        factor_kinds={"shape": "discrete"},
        files=(
            RemoteFile(
                FILE,
                urls=(
                    f"https://raw.githubusercontent.com/{REPOSITORY}/master/{FILE}",
                    f"https://github.com/{REPOSITORY}/raw/master/{FILE}",
                ),
                # No hash is published with the data set; nine independent projects pin this one.
                md5="7da33b31b13a06f4b04a70402ce90c2e",
                # A clone of the repository, and its zip unpacked.
                aliases=(f"dsprites-dataset/{FILE}", f"dsprites-dataset-master/{FILE}"),
            ),
        ),
        licence="Apache-2.0",
        citation="L. Matthey, I. Higgins, D. Hassabis, A. Lerchner:"
        " dSprites: Disentanglement testing Sprites dataset, 2017",
        homepage=f"https://github.com/{REPOSITORY}",
        renderer="vae_granularity.data.render.dsprites",
        hub=HubTable("eurecom-ds/dsprites", labels=(None, *(f"label_{c}" for c in COLUMNS))),
    )

    def __init__(
        self,
        *,
        variant: str | None = None,
        background: str | Path | None = None,
        **options: Unpack[GridOptions],
    ) -> None:
        super().__init__(**options)
        self.variant, self.paint = variant, None
        self.background: np.ndarray | None = None
        if variant is None and background is None:
            return
        self.background = checked_background(str(variant), background)
        self.paint = painter(str(variant), self.background)
        own, factors = type(self).card, replace(self.space, twins=())  # colours and noise differ
        shape = (3, *self.image_shape[1:])
        self.card = replace(self.card, image_shape=shape, factors=factors, max_value=255)
        self.card, self._source_card = replace(self.card, values="unit"), own

    @property
    def drawn_as(self) -> str:
        """The sprites of all variants are the same."""
        return self.card.name

    @property
    def cached_shape(self) -> tuple[int, ...]:
        """Of a variant, the sprites are cached."""
        return self.source_shape if self.paint else super().cached_shape

    @property
    def fingerprint(self) -> dict[str, str]:
        """As for every data set, and the hash of the background as it is drawn."""
        if self.background is None:
            return super().fingerprint
        pixels = hashlib.sha256(np.ascontiguousarray(self.background).tobytes()).hexdigest()
        return super().fingerprint | {"background": pixels}

    def open_store(self) -> Store:
        """The sprites, painted as they are asked for where a variant is."""
        sprites = super().open_store()
        if self.paint is None:
            return sprites
        return partial(_painted, sprites, self.paint, self.image_shape[-1])

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


def _painted(sprites: Store, paint: Paint, size: int, indices: torch.Tensor) -> torch.Tensor:
    """Images (n, 3, size, size) uint8 of the indices (n,), where the sprites are."""
    found = sprites(indices)
    images = paint(found.cpu().numpy(), indices.cpu().numpy())
    images = images if size == SIDE else area_means(images, size)
    return torch.from_numpy(images).to(found.device)

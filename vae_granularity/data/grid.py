"""Datasets that are a whole grid of factors: the index is the label, and most can be rendered."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import import_module
from math import prod
from pathlib import Path
from typing import Unpack

import numpy as np

from vae_granularity.data.base import DataOptions, ImageDataModule
from vae_granularity.data.factors import FactorSpace
from vae_granularity.data.files.cache import Conversion, ImageStream
from vae_granularity.data.files.readers import Chunks
from vae_granularity.data.files.store import ImageStore, RenderedStore
from vae_granularity.errors import ArgumentError

CONVERTED_BYTES = 1 << 29
DRAWN_AT_ONCE = 256  # the fastest of 16 to 1024 for Cars3D


class FactorGridDataModule(ImageDataModule):
    """An `ImageDataModule` whose images are all combinations of its factors.

    Beside what every data module does, `space` is the grid, and `renderer` draws look-alikes of the
    images: on demand, or once into the cache where all of them are small enough.

    Args:
        factor_sizes: sizes of a smaller (or older) grid in the official layout; None for the
            official sizes.
        options: as for `ImageDataModule`.

    Raises:
        ArgumentError: not one size >= 1 for each factor.
    """

    def __init__(
        self, *, factor_sizes: Sequence[int] | None = None, **options: Unpack[DataOptions]
    ) -> None:
        super().__init__(**options)
        if factor_sizes is not None:
            factors = FactorSpace(self.space.names, tuple(factor_sizes))
            self.card = replace(self.card, factors=factors)

    def official_images(self, files: dict[str, Path]) -> Chunks:
        """Chunks (positions, images (n, H, W, C) uint8) of the official files; in index order."""
        raise TypeError(f"{type(self).__name__} must define official_images() or read_official()")

    def read_official(self, files: dict[str, Path]) -> ImageStream:
        """The whole grid; labels are not read, they follow from the index."""
        return self._stream(self.official_images(files))

    def _stream(self, chunks: Chunks, **facts: str) -> ImageStream:
        turned = ((positions, images.transpose(0, 3, 1, 2)) for positions, images in chunks)
        return ImageStream(self.image_shape, self.parts, turned, facts=facts)

    @property
    def official_shape(self) -> tuple[int, ...]:
        """(N, H, W, C) of the array that most official files hold."""
        channels, height, width = self.image_shape
        return self.space.size, height, width, channels

    @property
    def space(self) -> FactorSpace:
        """The grid of factors."""
        if self.card.factors is None:
            raise ArgumentError(f"{type(self).__name__}.card must declare factors")
        return self.card.factors

    @property
    def parts(self) -> dict[str, int]:
        """The whole grid is for training: there is no official split."""
        return {"train": self.space.size}

    def conversion(self) -> Conversion | None:
        """As for every dataset; small rendered grids are drawn once, keyed by the drawing code."""
        if self.source != "rendered":
            return super().conversion()
        if self.space.size * prod(self.image_shape) > CONVERTED_BYTES:
            return None
        key = [self.title, self.image_shape, self.space.sizes, _source_of(self._renderer_name)]
        return Conversion(key, {}, lambda: self._stream(self._drawn(), source=self.source))

    def open_store(self) -> ImageStore:
        """The converted images, or the renderer."""
        if self.cache_directory is not None:
            return super().open_store()
        device = "cuda" if self.device == "cuda" else "cpu"
        return RenderedStore(self.space, self.renderer(), device)

    def _drawn(self) -> Chunks:
        render = self.renderer()
        for first in range(0, self.space.size, DRAWN_AT_ONCE):
            positions = np.arange(first, min(first + DRAWN_AT_ONCE, self.space.size))
            yield positions, render(self.space.factors(positions))

    @property
    def _renderer_name(self) -> str:
        assert self.card.renderer is not None, "the source would not be settled as rendered"
        return self.card.renderer

    def renderer(self) -> Callable[[np.ndarray], np.ndarray]:
        """Factors (n, F) to rendered images (n, H, W, C) uint8; variants bind theirs."""
        return import_module(self._renderer_name).render


def _source_of(renderer: str) -> str:
    """Hex digest of the module's folder of sources: another renderer draws other images."""
    folder = Path(str(import_module(renderer).__file__)).parent
    sources = (file.read_bytes() for file in sorted(folder.glob("*.py")))
    return hashlib.sha256(b"".join(sources)).hexdigest()

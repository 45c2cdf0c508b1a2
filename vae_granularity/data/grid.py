"""Data sets that are a whole grid of factors: the index is the label; most can be rendered."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import import_module
from math import prod
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from vae_granularity.data.base import ImageDataModule, SizedOptions
from vae_granularity.data.batches import split
from vae_granularity.data.factors import FactorSpace
from vae_granularity.data.files.cache import Conversion, ImageStream
from vae_granularity.data.files.pictures import area_means
from vae_granularity.data.files.readers import Chunks
from vae_granularity.data.files.store import Store, rendered_store
from vae_granularity.errors import ArgumentError
from vae_granularity.files import digest

CONVERTED_BYTES = 1 << 29
DRAWN_AT_ONCE = 256  # the fastest of 16 to 1024 for Cars3D


class GridOptions(SizedOptions, total=False):
    """The options of data sets that are a grid."""

    factor_sizes: Sequence[int] | None


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
        self, *, factor_sizes: Sequence[int] | None = None, **options: Unpack[SizedOptions]
    ) -> None:
        super().__init__(**options)
        if factor_sizes is not None:
            factors = replace(self.space, sizes=tuple(factor_sizes))
            self.card = replace(self.card, factors=factors)

    def stream(self, chunks: Chunks, side: int | None = None, **facts: str) -> ImageStream:
        """Return the grid from chunks of images (n, side, side, C), by default of `source_shape`.

        Labels follow from the index.
        """
        channels, *_, usual = self.source_shape
        planes = ((positions, images.transpose(0, 3, 1, 2)) for positions, images in chunks)
        shape = (channels, side or usual, side or usual)
        return ImageStream(shape, self.parts, planes, facts=facts)

    @property
    def official_shape(self) -> tuple[int, ...]:
        """(N, H, W, C) of the array that most official files hold."""
        channels, height, width = self.source_shape
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

    @property
    def provenance(self) -> dict[str, Any]:
        """Provenance of every data set, and `duplicate_of_training` if there is one."""
        twins = self.duplicate_of_training()
        return super().provenance | ({"duplicate_of_training": twins} if twins else {})

    def duplicate_of_training(self) -> dict[str, Any] | None:
        """Return the share of validation images whose declared twin is a training image.

        Keys `share` and `reason`; None if the grid holds no twins or nothing is held out.
        """
        present = [
            f"{factor} {value} and {other} are one picture"
            for factor, value, other in self.space.twins
            if max(value, other) < self.space.sizes[self.space.position(factor)]
        ]
        if not present or not self.val_fraction:
            return None
        indices = split(self.space.size, self.val_fraction, self.seed)
        train, validation = map(self.space.depicted, indices)
        return {"share": float(np.isin(validation, train).mean()), "reason": ", ".join(present)}

    @property
    def drawn_as(self) -> str:
        """Name of the drawn images in the cache."""
        return self.kind

    def conversion(self) -> Conversion | None:
        """Return how images are read; small rendered grids are drawn once a drawing code."""
        if self.source != "rendered":
            return super().conversion()
        # Larger grids are drawn as they are asked for: drawing them once would take the disk.
        if self.space.size * prod(self.cached_shape) > CONVERTED_BYTES:
            return None
        # The drawing code is part of the key: a changed renderer draws other images.
        look = f"{self.drawn_as} ({self.source})"
        key = [look, self.cached_shape, self.space.sizes, self._drawing_code()]
        stream = self.stream(self._drawn(), source=self.source)
        return Conversion(key, {}, lambda: self.sized(stream))

    def open_store(self) -> Store:
        """Open the converted images, or the renderer."""
        if self.cache_directory is not None:
            return super().open_store()
        device = "cuda" if self.device == "cuda" else "cpu"
        render = self.renderer()
        size = self.cached_shape[-1]
        if size == self.source_shape[-1]:
            return rendered_store(self.space, render, device)

        def smaller(factors: np.ndarray) -> np.ndarray:
            images = render(factors).transpose(0, 3, 1, 2)
            return area_means(images, size, self.resize_scale).transpose(0, 2, 3, 1)

        return rendered_store(self.space, smaller, device)

    def _drawn(self) -> Chunks:
        render = self.renderer()
        for first in range(0, self.space.size, DRAWN_AT_ONCE):
            positions = np.arange(first, min(first + DRAWN_AT_ONCE, self.space.size))
            yield positions, render(self.space.factors(positions))

    def renderer(self) -> Callable[..., np.ndarray]:
        """Return the function that draws images (n, H, W, C) uint8 from factors (n, F)."""
        return self._module().render

    def _module(self) -> Any:
        assert self.card.renderer is not None, "the source would not be settled as rendered"
        return import_module(self.card.renderer)

    def _drawing_code(self) -> str:
        """Return the digest of the sources in the renderer's folder: others draw other images."""
        files = sorted(Path(self._module().__file__).parent.glob("*.py"))
        return digest(b"".join(file.read_bytes() for file in files))

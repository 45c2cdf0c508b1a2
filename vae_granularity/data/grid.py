"""Datasets that are a whole grid of factors: the index is the label, and most can be rendered."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from importlib import import_module
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from vae_granularity.data.base import ImageDataModule
from vae_granularity.data.batches import split
from vae_granularity.data.factors import FactorSpace
from vae_granularity.data.files.cache import Conversion, ImageStream
from vae_granularity.data.files.store import ImageStore, RenderedStore
from vae_granularity.errors import ArgumentError

CONVERTED_BYTES = 1 << 29
DRAWN_AT_ONCE = 256  # the fastest of 16 to 1024 for Cars3D


class FactorGridDataModule(ImageDataModule):
    """An `ImageDataModule` whose images are all combinations of its factors.

    Args:
        factor_sizes: sizes of a smaller (or older) grid in the official layout; None for the
            official sizes.

    Raises:
        ArgumentError: not one size >= 1 for each factor.
    """

    def __init__(
        self,
        *,
        source: str = "auto",
        data_dir: str | Path = "data",
        cache_dir: str | Path = "data_cache",
        batch_size: int = 64,
        seed: int = 0,
        val_fraction: float = 0.1,
        device: str = "cpu",
        hub_id: str | None = None,
        factor_sizes: Sequence[int] | None = None,
    ) -> None:
        super().__init__(
            source=source,
            data_dir=data_dir,
            cache_dir=cache_dir,
            batch_size=batch_size,
            seed=seed,
            val_fraction=val_fraction,
            device=device,
            hub_id=hub_id,
        )
        if factor_sizes is not None:
            self.card = replace(self.card, factors=replace(self.space, sizes=tuple(factor_sizes)))

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
        """As for every data set, and `duplicate_of_training` where there is one."""
        twins = self.duplicate_of_training()
        return super().provenance | ({"duplicate_of_training": twins} if twins else {})

    def duplicate_of_training(self) -> dict[str, Any] | None:
        """`share` of the validation images whose declared twin is a training image, and the
        `reason`; None where the grid holds no twins or nothing is held out.
        """
        present = [
            f"{factor} {value} and {other} are one picture"
            for factor, value, other in self.space.twins
            if max(value, other) < self.space.sizes[self.space.position(factor)]
        ]
        if not present or not self.val_fraction:
            return None
        parts = split(self.space.size, self.val_fraction, self.seed)
        train, validation = map(self.space.depicted, parts)
        return {"share": float(np.isin(validation, train).mean()), "reason": ", ".join(present)}

    def conversion(self) -> Conversion | None:
        """As for every dataset; rendered grids of at most `CONVERTED_BYTES` are drawn once, with
        the renderer's own source in the key.
        """
        if self.source != "rendered":
            return super().conversion()
        if self.space.size * prod(self.image_shape) > CONVERTED_BYTES:
            return None
        key = [self.title, self.image_shape, self.space.sizes, _source_of(self._renderer_name)]
        return Conversion(
            key,
            {},
            lambda: ImageStream(
                self.image_shape, self.parts, self._drawn(), facts={"source": self.source}
            ),
        )

    def open_store(self) -> ImageStore:
        """The converted images, or the renderer."""
        if self.cache_directory is not None:
            return super().open_store()
        return RenderedStore(
            self.space, self.renderer(), "cuda" if self.device == "cuda" else "cpu"
        )

    def _drawn(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        render = self.renderer()
        for first in range(0, self.space.size, DRAWN_AT_ONCE):
            positions = np.arange(first, min(first + DRAWN_AT_ONCE, self.space.size))
            yield positions, render(self.space.factors(positions)).transpose(0, 3, 1, 2)

    @property
    def _renderer_name(self) -> str:
        assert self.card.renderer is not None, "the source would not be settled as rendered"
        return self.card.renderer

    def renderer(self) -> Callable[[np.ndarray], np.ndarray]:
        """Factors (n, F) to rendered images (n, H, W, C) uint8; data sets with variants bind
        theirs.
        """
        return import_module(self._renderer_name).render


def _source_of(renderer: str) -> str:
    """Hex digest of the module's source and of the files beside it: another renderer draws other
    images.
    """
    path = Path(str(import_module(renderer).__file__))
    return hashlib.sha256(
        b"".join(file.read_bytes() for file in sorted(path.parent.glob("*.py")))
    ).hexdigest()

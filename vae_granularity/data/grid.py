"""Datasets that are a whole grid of factors: the index is the label, and most can be rendered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np

from vae_granularity.data.base import ImageDataModule
from vae_granularity.data.factors import FactorSpace
from vae_granularity.data.store import ImageStore, RenderedStore
from vae_granularity.errors import ArgumentError


class FactorGridDataModule(ImageDataModule):
    """An `ImageDataModule` whose images are all combinations of its factors.

    Args:
        factor_sizes: sizes of a smaller (or older) grid in the official layout; None for the official sizes.

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
            self.card = replace(self.card, factors=FactorSpace(self.space.names, tuple(factor_sizes)))

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

    def open_store(self) -> ImageStore:
        """The converted images, or the renderer."""
        if self.source != "rendered":
            return super().open_store()
        return RenderedStore(self.space, self.renderer(), self.image_shape, "cuda" if self.device == "cuda" else "cpu")

    def renderer(self) -> Callable[[np.ndarray], np.ndarray]:
        """Factors (n, F) to rendered images (n, H, W, C) uint8; data sets with variants bind theirs."""
        assert self.card.renderer is not None
        return import_module(self.card.renderer).render

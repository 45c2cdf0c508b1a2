"""Gratings: grey stripes whose frequency, angle and phase are the factors."""

from typing import Unpack

import numpy as np
import torch

from vae_granularity.data.base import DataOptions
from vae_granularity.data.factors import FactorSpace
from vae_granularity.data.files.declaration import DatasetCard
from vae_granularity.data.files.store import Store, array_store
from vae_granularity.data.grid import FactorGridDataModule
from vae_granularity.errors import ArgumentError

GRID = FactorSpace(("frequency", "angle", "phase"), (4, 8, 8))


class Gratings(FactorGridDataModule):
    """All 256 gratings as 32×32 pictures, generated.

    Args:
        contrast: between the darkest and the brightest grey, in (0, 1].
        options: as for `FactorGridDataModule`; nothing is read, so source is auto or synthetic.

    Raises:
        ArgumentError: an argument outside its range.
    """

    card = DatasetCard(
        name="gratings",
        image_shape=(1, 32, 32),
        factors=GRID,
        files=(),
        licence="none needed: generated",
        citation="my_study",
        homepage="",
    )

    def __init__(self, *, contrast: float = 1.0, **options: Unpack[DataOptions]) -> None:
        if (source := options.pop("source", "auto")) not in ("auto", "synthetic"):
            raise ArgumentError(f"dataset.source must be auto or synthetic, got {source!r}")
        super().__init__(**options)
        self.source = "synthetic"
        if not 0 < contrast <= 1:
            raise ArgumentError(f"dataset.contrast must be in (0, 1], got {contrast}")
        self.contrast = contrast

    def resolve(self) -> str:
        """Always `synthetic`: the pictures are made here."""
        return self.source

    def open_store(self) -> Store:
        """All pictures in memory."""
        points = self.space.factors(np.arange(self.space.size))
        return array_store(torch.from_numpy(draw(points, self.contrast)))


def draw(points: np.ndarray, contrast: float = 1.0) -> np.ndarray:
    """Pictures (n, 1, 32, 32) uint8 of factors (n, 3)."""
    frequency, angle, phase = (column[:, None, None] for column in points.T)
    y, x = np.mgrid[:32, :32] / 32
    direction = np.pi * angle / 8
    along = x * np.cos(direction) + y * np.sin(direction)
    waves = np.cos(2 * np.pi * ((1 + frequency) * along + phase / 8))
    return np.rint(255 * (0.5 + 0.5 * contrast * waves)).astype(np.uint8)[:, None]

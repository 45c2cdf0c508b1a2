"""Codes of a factor grid by factor values, each image encoded at most once."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from vae_granularity.data.base import ImageDataModule
from vae_granularity.evaluation.encoding import encode_table
from vae_granularity.models.base import LatentModel


class GridCodes:
    """The function factors -> explicit means that metrics draw from; fills a table of the grid as
    points are asked for.
    """

    def __init__(self, model: LatentModel, data: ImageDataModule, batch_size: int) -> None:
        assert data.factor_space is not None, "only a factor grid can be looked up"
        self.model, self.data, self.space, self.batch_size = (
            model,
            data,
            data.factor_space,
            batch_size,
        )
        self._codes = torch.empty(self.space.size, model.latent_dim)
        self._known = np.zeros(self.space.size, dtype=bool)

    def __call__(self, factors: np.ndarray) -> Tensor:
        """Means (n, D) for factors (n, F)."""
        indices = self.space.index(factors)
        missing = np.unique(indices[~self._known[indices]])
        if len(missing):
            self._codes[missing] = encode_table(self.model, self.data, missing, self.batch_size).mu
            self._known[missing] = True
        return self._codes[indices]

    def add(self, indices: np.ndarray, mu: Tensor) -> None:
        """Means (n, D) that were encoded already."""
        self._codes[indices], self._known[indices] = mu, True

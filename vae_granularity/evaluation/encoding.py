"""Images through a model in evaluation mode, in chunks: by index, or by factor values of a grid."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vae_granularity.data.base import ImageDataModule
from vae_granularity.metrics.core import inactive
from vae_granularity.models.base import LatentModel


class LatentTable(NamedTuple):
    """Posterior parameters of n images, on the CPU: what every metric reads."""

    indices: np.ndarray  # (n,) positions in the data set
    mu: Tensor  # (n, D)
    logvar: Tensor  # (n, D)

    def mean_kl(self, rows: int | None = None) -> np.ndarray:
        """(D,) mean KL of the first rows (None: of all) to the prior, in nats."""
        return inactive.mean_kl(*(part[:rows].double().numpy() for part in self[1:]))


@contextmanager
def evaluation_mode(model: torch.nn.Module) -> Iterator[None]:
    """No gradients, layers as at test time; the training mode comes back afterwards."""
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(training)


def image_batches(
    data: ImageDataModule, indices: np.ndarray, batch_size: int, model: torch.nn.Module
) -> Iterator[Tensor]:
    """Yield the images of `indices` (n,) in order, (b, C, H, W), as the model takes them."""
    # The dtype of the weights: float64 under trainer.precision=64-true, else float32.
    like = next(model.parameters())
    for start in range(0, len(indices), batch_size):
        yield data.images(indices[start : start + batch_size]).to(like)


def encode_table(
    model: LatentModel, data: ImageDataModule, indices: np.ndarray, batch_size: int
) -> LatentTable:
    """Posterior parameters of the images with the given indices (n,)."""
    with evaluation_mode(model):
        posteriors = [model.encode(x) for x in image_batches(data, indices, batch_size, model)]
    mu, logvar = (torch.cat(field).cpu() for field in zip(*posteriors, strict=True))
    return LatentTable(indices, mu, logvar)


def num_images(data: ImageDataModule) -> int:
    """Images of a data set that is set up: training, held-out and test ones."""
    parts = (data.train_indices, data.val_indices, data.test_indices)
    return sum(len(part) for part in parts if part is not None)


def subset(indices: np.ndarray | int, size: int, seed: int) -> np.ndarray:
    """At most `size` of the indices (n: of 0..n-1), drawn by the seed without replacement, sorted.

    >>> subset(3, 5, seed=0), subset(np.array([10, 20, 30]), 2, seed=0)
    (array([0, 1, 2]), array([20, 30]))
    """
    every = np.arange(indices) if isinstance(indices, int) else np.asarray(indices)
    if len(every) <= size:
        return every
    return every[np.sort(np.random.default_rng(seed).choice(len(every), size, replace=False))]


class GridCodes:
    """The function factors (n, F) -> means (n, D) of a factor grid; no image is encoded twice."""

    def __init__(self, model: LatentModel, data: ImageDataModule, known: LatentTable, batch: int):
        assert data.factor_space is not None, "only a factor grid can be looked up"
        self.model, self.data, self.space, self.batch = model, data, data.factor_space, batch
        self._codes = torch.empty(self.space.size, model.latent_dim)
        self._known = np.zeros(self.space.size, dtype=bool)
        self._add(known)

    def __call__(self, factors: np.ndarray) -> Tensor:
        """Means (n, D) for factors (n, F)."""
        indices = self.space.index(factors)
        missing = np.unique(indices[~self._known[indices]])
        if len(missing):
            self._add(encode_table(self.model, self.data, missing, self.batch))
        return self._codes[indices]

    def _add(self, table: LatentTable) -> None:
        self._codes[table.indices], self._known[table.indices] = table.mu, True

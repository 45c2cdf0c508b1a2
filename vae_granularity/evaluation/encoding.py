"""Passing many images through a model in evaluation mode, in chunks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vae_granularity.data.base import ImageDataModule
from vae_granularity.models.base import LatentModel


class LatentTable(NamedTuple):
    """Posterior parameters of n images, on the CPU: what every metric reads."""

    indices: np.ndarray  # (n,) positions in the data set
    mu: Tensor  # (n, D)
    logvar: Tensor  # (n, D)


@contextmanager
def evaluation_mode(model: torch.nn.Module) -> Iterator[None]:
    """No gradients, batch normalisation and the like as at test time; the training mode comes back
    afterwards.
    """
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(training)


def image_batches(
    data: ImageDataModule, indices: np.ndarray, batch_size: int, device: torch.device
) -> Iterator[Tensor]:
    """The images of `indices` (n,) in order, (b, C, H, W) float32 on `device`."""
    for start in range(0, len(indices), batch_size):
        yield data.images(indices[start : start + batch_size]).to(device)


def encode_table(
    model: LatentModel, data: ImageDataModule, indices: np.ndarray, batch_size: int
) -> LatentTable:
    """Posterior parameters of the images with the given indices (n,)."""
    with evaluation_mode(model):
        parts = [model.encode(x) for x in image_batches(data, indices, batch_size, model.device)]
    mu, logvar = (torch.cat(field).cpu() for field in zip(*parts, strict=True))
    return LatentTable(indices, mu, logvar)


def subset(indices: np.ndarray | int, size: int, seed: int) -> np.ndarray:
    """At most `size` of the indices, drawn without replacement by the seed and sorted; all of them
    if there are no more.
    """
    count = indices if isinstance(indices, int) else len(indices)
    if count <= size:
        return np.arange(count) if isinstance(indices, int) else np.asarray(indices)
    chosen = np.sort(np.random.default_rng(seed).choice(count, size, replace=False))
    return chosen if isinstance(indices, int) else np.asarray(indices)[chosen]

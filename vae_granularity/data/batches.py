"""Which images when: the seeded split and the order of batches, as pure functions of (seed,
step).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.utils.data import Dataset

from vae_granularity.distributed import world
from vae_granularity.errors import ArgumentError

if TYPE_CHECKING:
    from vae_granularity.data.base import ImageDataModule

SPLIT, ORDER = 0, 1  # streams of one seed that must not coincide


def split(num_images: int, val_fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Seeded random split of 0..num_images-1 into (train, validation), each sorted int64;
    round(n·fraction) validate.
    """
    order = np.random.default_rng([seed, SPLIT]).permutation(num_images)
    held_out = round(num_images * val_fraction)
    return np.sort(order[held_out:]), np.sort(order[:held_out])


class BatchOrder:
    """Batches of indices without replacement: epoch e is the permutation of generator (seed, e),
    the rest dropped.

    Raises:
        ArgumentError: the training set is smaller than one batch.
    """

    def __init__(self, indices: np.ndarray, batch_size: int, seed: int) -> None:
        if batch_size > len(indices):
            raise ArgumentError(
                f"batch_size must be in [1, size of the training set = {len(indices)}], got {batch_size}"
            )
        self.indices, self.batch_size, self.seed = indices, batch_size, seed
        self.steps_per_epoch = len(indices) // batch_size
        self._epoch, self._permuted = -1, torch.empty(0, dtype=torch.long)

    def __call__(self, step: int) -> torch.Tensor:
        """Indices (B,) int64 of the batch of training step `step`, counted from 0 over all
        epochs.
        """
        epoch, batch = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            order = np.random.default_rng([self.seed, ORDER, epoch]).permutation(len(self.indices))
            self._epoch, self._permuted = epoch, torch.from_numpy(self.indices[order])
        return self._permuted[batch * self.batch_size : (batch + 1) * self.batch_size]


class BatchesByNumber(Dataset):
    """Batches (B, C, H, W) by their number, for a torch DataLoader."""

    def __init__(
        self, images: Callable[[torch.Tensor], torch.Tensor], batches: list[torch.Tensor]
    ) -> None:
        self.images, self.batches = images, batches

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, number: int) -> torch.Tensor:
        return self.images(self.batches[number])


class TrainBatches:
    """Iterates over the batches (B, C, H, W) from the data module's step on. Its length counts
    those already served.
    """

    def __init__(self, data: ImageDataModule) -> None:
        self.data = data

    def __len__(self) -> int:
        max_steps = self.data.trainer.max_steps if self.data.trainer is not None else -1
        return max_steps if max_steps >= 0 else self.data.step + self.data.steps_per_epoch

    def __iter__(self) -> Iterator[torch.Tensor]:
        rank, size = world()  # each process takes its own batch
        for step in range(self.data.step, len(self)):
            self.data.step = (
                step + 1
            )  # before the yield: while a step runs, its batch counts as served
            yield self.data.images(self.data.batch_indices(step * size + rank))

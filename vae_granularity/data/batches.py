"""Split images and order batches, as pure functions of (seed, step)."""

from collections.abc import Callable, Iterator

import numpy as np
import torch

from vae_granularity.errors import ArgumentError

# Streams of one seed that must not coincide.
SPLIT = 0
ORDER = 1
DRAWS = 2


def split(num_images: int, val_fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Split 0..num_images-1 at random by the seed into (train, validation), each sorted int64.

    >>> train, val = split(10, 0.2, seed=0)
    >>> len(train), len(val), sorted([*train, *val]) == list(range(10))
    (8, 2, True)
    """
    order = np.random.default_rng([seed, SPLIT]).permutation(num_images)
    held_out = round(num_images * val_fraction)
    return np.sort(order[held_out:]), np.sort(order[:held_out])


class BatchOrder:
    """Batches of indices without replacement: epoch e is the permutation of generator (seed, e).

    What is left of an epoch after its last whole batch is dropped.

    >>> order = BatchOrder(np.arange(7), batch_size=3, seed=0)
    >>> order.steps_per_epoch, len(order(0)), set(order(0).tolist()) & set(order(1).tolist())
    (2, 3, set())

    Raises:
        ArgumentError: the training set is smaller than one batch.
    """

    def __init__(self, indices: np.ndarray, batch_size: int, seed: int) -> None:
        if batch_size > len(indices):
            raise ArgumentError(
                f"batch_size must be in [1, size of the training set = {len(indices)}], "
                f"got {batch_size}"
            )
        self.indices = indices
        self.batch_size = batch_size
        self.seed = seed
        self.steps_per_epoch = len(indices) // batch_size
        self._epoch = -1
        self._permuted = torch.empty(0, dtype=torch.long)

    def __call__(self, step: int) -> torch.Tensor:
        """Return indices (B,) int64 of training step `step`, counted from 0 over all epochs."""
        epoch, batch = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            order = np.random.default_rng([self.seed, ORDER, epoch]).permutation(len(self.indices))
            self._permuted = torch.from_numpy(self.indices[order])
            self._epoch = epoch
        return self._permuted[batch * self.batch_size : (batch + 1) * self.batch_size]


class WeightedOrder:
    """Batches of indices drawn with given probabilities, each draw independent of all others.

    Step t is drawn by generator (seed, t). There are as many steps in an epoch as without
    probabilities.

    >>> order = WeightedOrder(np.arange(3), np.array([0.0, 1.0, 0.0]), batch_size=2, seed=0)
    >>> order.steps_per_epoch, order(5).tolist()
    (1, [1, 1])
    """

    def __init__(
        self, indices: np.ndarray, probabilities: np.ndarray, batch_size: int, seed: int
    ) -> None:
        self.indices = indices
        self.batch_size = batch_size
        self.seed = seed
        self.steps_per_epoch = len(indices) // batch_size
        self._cumulative = np.cumsum(probabilities)

    def __call__(self, step: int) -> torch.Tensor:
        """Return indices (B,) int64 of training step `step`, counted from 0."""
        rng = np.random.default_rng([self.seed, ORDER, step])
        return torch.from_numpy(drawn(self.indices, self._cumulative, self.batch_size, rng))


def drawn(
    indices: np.ndarray, cumulative: np.ndarray, count: int, rng: np.random.Generator
) -> np.ndarray:
    """Draw `count` of the indices (n,) independently by cumulative probabilities (n,)."""
    position = np.searchsorted(cumulative, rng.random(count) * cumulative[-1], side="right")
    return indices[position]


class TrainBatches:
    """Iterates over the batches (B, C, H, W) of the steps still to do; its length is the last step.

    Args:
        steps: the range of steps from the next one on, asked anew at every use.
        batch: makes the batch of a step.
    """

    def __init__(self, steps: Callable[[], range], batch: Callable[[int], torch.Tensor]) -> None:
        self.steps = steps
        self.batch = batch

    def __len__(self) -> int:
        return self.steps().stop

    def __iter__(self) -> Iterator[torch.Tensor]:
        for step in self.steps():
            yield self.batch(step)

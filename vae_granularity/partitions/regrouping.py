"""Regroup the dimensions of a model by the dependence of its codes."""

from typing import Any, Protocol

import numpy as np
import torch

from vae_granularity.densities.gaussian import reparametrise
from vae_granularity.densities.noise import standard_normal
from vae_granularity.partition import LatentPartition
from vae_granularity.partitions import dependence
from vae_granularity.partitions.grouping import Regrouping

CHUNK = 256


class Encoder(Protocol):
    """Protocol of a model whose dimensions can be regrouped."""

    seed: int
    training: bool
    partition: LatentPartition

    # On the device of the weights, and of their dtype.
    membership: torch.Tensor

    def encode(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]: ...

    def train(self, mode: bool = True) -> Any: ...


def regrouped(model: Encoder, data: Any, step: int, rule: Regrouping) -> LatentPartition:
    """Return the partition that gathers the pairwise dependence of z ~ q(z) at this step.

    A function of the weights, the seed and the step alone: the images are drawn by (seed, step)
    from the training images.

    Args:
        data: the data module, with `train_indices` and `images(indices)`.
    """
    z = _codes(model, data, step, rule.num_images)
    mi = dependence.pairwise_mutual_information(z)
    if rule.free:
        return dependence.free_groups(mi, rule.threshold)
    return dependence.equal_groups(mi, model.partition)


def _codes(model: Encoder, data: Any, step: int, num_images: int) -> np.ndarray:
    """Draw samples (n, D) of q(z), one for each of n training images."""
    generator = np.random.default_rng((model.seed, step))
    count = min(num_images, len(data.train_indices))
    chosen = np.sort(generator.choice(len(data.train_indices), count, replace=False))
    indices = data.train_indices[chosen]
    training = model.training
    model.train(False)
    with torch.no_grad():
        chunks = (data.images(indices[i : i + CHUNK]) for i in range(0, count, CHUNK))
        posteriors = [model.encode(images.to(model.membership)) for images in chunks]
    model.train(training)
    mu, logvar = (torch.cat(field).cpu() for field in zip(*posteriors, strict=True))
    noise = standard_normal(model.seed, step, mu.shape, like=mu)
    return reparametrise(mu, logvar, noise).double().numpy()

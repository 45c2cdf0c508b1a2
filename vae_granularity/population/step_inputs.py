"""What the members of a population get in a step: each the images, noise, dials and partition that
it would have alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from vae_granularity.data.base import ImageDataModule
from vae_granularity.densities.noise import standard_normal
from vae_granularity.models.base import LatentModel
from vae_granularity.partitions.schedules import Constant


class Inputs(NamedTuple):
    """One step of K members: B images, D latent dimensions, G columns for groups."""

    x: Tensor  # (K, B, *image_shape)
    noise: Tensor  # (K, B, D)
    settings: dict[str, Tensor]  # (K,) each
    membership: Tensor  # (K, D, G)


class Feed:
    """Inputs by step.

    Drawn one member at a time, outside the batched computation; members of equal seed share what is
    drawn.

    Args:
        models: K models; their partitions are read at each step.
        data: K data modules of one data set, after `setup`.
    """

    def __init__(self, models: Sequence[LatentModel], data: Sequence[ImageDataModule]) -> None:
        self.models, self.data = models, data
        self._like = next(models[0].parameters())
        self._orders, self._order_of = _distinct(data, lambda module: module.seed)
        self._noises, self._noise_of = _distinct(models, lambda model: model.seed)
        self._constant = all(
            isinstance(dial, Constant) for model in models for dial in model.dials.values()
        )
        self._settings: dict[str, Tensor] | None = None
        self._partitions: list[object] = []
        self._columns = max(most_groups(model) for model in models)

    def __call__(self, step: int) -> Inputs:
        """The inputs of training step `step`, counted from 0."""
        return Inputs(self._images(step), self._noise(step), self._dials(step), self._memberships())

    def _images(self, step: int) -> Tensor:
        indices = torch.cat([order.batch_indices(step) for order in self._orders])
        images = self.data[0].images(indices).to(self._like)
        return _spread(images.unflatten(0, (len(self._orders), -1)), self._order_of)

    def _noise(self, step: int) -> Tensor:
        shape = (self.data[0].batch_size, self.models[0].latent_dim)
        drawn = [
            standard_normal(model.seed, step, shape, like=self._like) for model in self._noises
        ]
        return _spread(torch.stack(drawn), self._noise_of)

    def _dials(self, step: int) -> dict[str, Tensor]:
        if self._settings is None or not self._constant:
            each = [model.settings(step) for model in self.models]
            table = torch.tensor(
                [[float(one[name]) for one in each] for name in each[0]], dtype=self._like.dtype
            )
            self._settings = dict(zip(each[0], table.to(self._like.device), strict=True))
        return self._settings

    def _memberships(self) -> Tensor:
        partitions = [model.partition for model in self.models]
        if partitions != self._partitions:
            self._partitions = list(partitions)
            self._membership = torch.stack([p.membership(self._columns) for p in partitions]).to(
                self._like
            )
        return self._membership


def most_groups(model: LatentModel) -> int:
    """The largest number of groups that a model's partition can have during training."""
    return model.grouping.most_groups


def _distinct(items: Sequence, key: Callable) -> tuple[list, list[int]]:
    """The first item of each key, and for every item the position of its key's."""
    keys = list(dict.fromkeys(map(key, items)))
    return [next(item for item in items if key(item) == k) for k in keys], [
        keys.index(key(item)) for item in items
    ]


def _spread(distinct: Tensor, of: list[int]) -> Tensor:
    """(K, ...) from the U distinct ones (U, ...); a view where all or none are the same."""
    if len(distinct) == len(of):
        return distinct
    return distinct.expand(len(of), *distinct.shape[1:]) if len(distinct) == 1 else distinct[of]

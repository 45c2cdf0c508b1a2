"""What members of a population get in a step: the images, noise, dials and partition of a run."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

from vae_granularity.data.base import ImageDataModule
from vae_granularity.densities.noise import standard_normal
from vae_granularity.models.base import LatentModel
from vae_granularity.partition import LatentPartition
from vae_granularity.partitions.schedules import Constant

Item = TypeVar("Item")


class Inputs(NamedTuple):
    """One step of K members: B images, D latent dimensions. The order is that of a model's step."""

    x: Tensor  # (K, B, *image_shape)
    noise: Tensor  # (K, B, D)
    settings: dict[str, Tensor]  # (K,) each
    membership: Tensor  # (K, D, D), padded with empty groups: any partition fits


class StepInputs:
    """Inputs by step, each a pure function of seed and step.

    Drawn one member at a time, outside the batched computation; members of equal seed share what
    is drawn.

    Args:
        models: K models; their partitions are read at each step.
        data: K data modules of one data set, after `setup`.
        rows: above K, the last member is repeated up to this number.
    """

    def __init__(
        self, models: Sequence[LatentModel], data: Sequence[ImageDataModule], rows: int = 0
    ) -> None:
        more = rows - len(models)
        self.models = [*models, *[models[-1]] * more]
        self.data = [*data, *[data[-1]] * more]
        self._like = next(models[0].parameters())
        self._orders, self._order_of = _distinct(self.data, lambda module: module.seed)
        self._noises, self._noise_of = _distinct(self.models, lambda model: model.seed)
        dials = [dial for model in models for dial in model.schedules.values()]
        self._constant = all(isinstance(dial, Constant) for dial in dials)
        self._settings: dict[str, Tensor] | None = None
        self._partitions: list[LatentPartition] = []

    def __call__(self, step: int) -> Inputs:
        """The inputs of training step `step`, counted from 0."""
        return Inputs(self._images(step), self._noise(step), self._dials(step), self._memberships())

    def _images(self, step: int) -> Tensor:
        indices = torch.cat([order.batch_indices(step) for order in self._orders])
        images = self.data[0].images(indices).to(self._like)
        return _spread(images.unflatten(0, (len(self._orders), -1)), self._order_of)

    def _noise(self, step: int) -> Tensor:
        shape = (self.data[0].batch_size, self.models[0].latent_dim)
        drawn = [standard_normal(m.seed, step, shape, like=self._like) for m in self._noises]
        return _spread(torch.stack(drawn), self._noise_of)

    def _dials(self, step: int) -> dict[str, Tensor]:
        if self._settings is None or not self._constant:
            each = [model.hyperparameters(step) for model in self.models]
            rows = [[float(one[name]) for one in each] for name in each[0]]
            table = torch.tensor(rows, dtype=self._like.dtype).to(self._like.device)
            self._settings = dict(zip(each[0], table, strict=True))
        return self._settings

    def _memberships(self) -> Tensor:
        partitions = [model.partition for model in self.models]
        if partitions != self._partitions:
            self._partitions = partitions
            padded = [p.membership(p.latent_dim) for p in partitions]
            self._membership = torch.stack(padded).to(self._like)
        return self._membership


def _distinct(items: Sequence[Item], key: Callable[[Item], int]) -> tuple[list[Item], list[int]]:
    """The first item of each key, and for every item the position of its key's."""
    keys = list(dict.fromkeys(map(key, items)))
    firsts = [next(item for item in items if key(item) == k) for k in keys]
    return firsts, [keys.index(key(item)) for item in items]


def _spread(distinct: Tensor, of: list[int]) -> Tensor:
    """(K, ...) from the U distinct ones (U, ...); a view where all or none are the same."""
    if len(distinct) == len(of):
        return distinct
    return distinct.expand(len(of), *distinct.shape[1:]) if len(distinct) == 1 else distinct[of]

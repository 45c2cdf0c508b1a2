"""Draw the inputs of a population's step: each run's images, noise, dials and partition."""

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
    """Inputs of a step of K members, B images and D latent dimensions, in the order of its call."""

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
        self._constant = all(map(_has_constant_dials, models))
        self._settings: dict[str, Tensor] | None = None
        self._partitions: list[LatentPartition] = []

    def __call__(self, step: int) -> Inputs:
        """Return the inputs of a training step, counted from 0."""
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
            members = [model.hyperparameters(step) for model in self.models]
            names = list(members[0])
            rows = [[float(values[name]) for name in names] for values in members]
            table = torch.tensor(rows, dtype=self._like.dtype).T.contiguous()
            self._settings = dict(zip(names, table.to(self._like.device), strict=True))
        return self._settings

    def _memberships(self) -> Tensor:
        partitions = [model.partition for model in self.models]
        if partitions != self._partitions:
            self._partitions = partitions
            padded = [p.membership(p.latent_dim) for p in partitions]
            self._membership = torch.stack(padded).to(self._like)
        return self._membership


def _has_constant_dials(model: LatentModel) -> bool:
    return all(isinstance(schedule, Constant) for schedule in model.schedules.values())


def _distinct(items: Sequence[Item], key: Callable[[Item], int]) -> tuple[list[Item], list[int]]:
    """Return the first item of each key, and for every item the position of its key's first."""
    firsts: dict[int, Item] = {}
    for item in items:
        firsts.setdefault(key(item), item)
    position = {value: i for i, value in enumerate(firsts)}
    return list(firsts.values()), [position[key(item)] for item in items]


def _spread(distinct: Tensor, positions: list[int]) -> Tensor:
    """Return (K, ...) from U distinct rows (U, ...); a view where all or none are the same."""
    if len(distinct) == len(positions):
        return distinct
    if len(distinct) == 1:
        return distinct.expand(len(positions), *distinct.shape[1:])
    return distinct[positions]

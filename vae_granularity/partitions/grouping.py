"""Rule of a run's partition: fixed, by a schedule of granularity, or regrouped by dependence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vae_granularity.errors import ArgumentError, integer, number
from vae_granularity.partition import LatentPartition
from vae_granularity.partitions.schedules import Constant, Schedule, ends, schedule

ADAPTIVE = "adaptive"


@dataclass(frozen=True)
class Regrouping:
    """Times and options of regrouping the dimensions by their dependence.

    Args:
        every: steps between regroupings.
        first, last: no regrouping before step `first` (default: `every`) or after step `last`
            (default: never ends).
        free: let the groups have any size, in place of equal groups of `model.granularity`.
        threshold: smallest mean pairwise mutual information, in nats, that joins two groups where
            the size is free.
        num_images: training images, at most, behind the estimate.
    """

    every: int = 500
    first: int | None = None
    last: int | None = None
    free: bool = False
    threshold: float = 0.05
    num_images: int = 4_000

    def __post_init__(self) -> None:
        integer("model.partition.every", self.every, 1)
        if self.first is not None:
            integer("model.partition.first", self.first, 1)
        if self.last is not None:
            integer("model.partition.last", self.last, 0)
        if not isinstance(self.free, bool):
            raise ArgumentError(f"model.partition.free must be true or false, got {self.free!r}")
        number("model.partition.threshold", self.threshold, 0.0)
        integer("model.partition.num_images", self.num_images, 50)

    def due(self, step: int) -> bool:
        """Return whether the dimensions are regrouped before training step `step`."""
        first = self.every if self.first is None else self.first
        if step < first or (self.last is not None and step > self.last):
            return False
        return (step - first) % self.every == 0


@dataclass(frozen=True)
class Grouping:
    """The rule behind `model.granularity` and `model.partition`, and the names that it gives.

    >>> rule = grouping(10, {"schedule": "piecewise", "levels": [10, 2], "at": [500]}, None)
    >>> rule.at(499).num_groups, rule.at(500).num_groups, rule.label
    (1, 5, 'g10to2')
    """

    latent_dim: int
    granularity: Schedule
    sizes: tuple[int, ...] | None = None
    regrouping: Regrouping | None = None

    def at(self, step: int) -> LatentPartition:
        """Return the partition at a step; for an adaptive one, that before the first regrouping."""
        if self.sizes is not None:
            return LatentPartition.from_sizes(self.sizes, self.latent_dim)
        return LatentPartition.from_granularity(self.latent_dim, int(self.granularity(step)))

    @property
    def scheduled(self) -> bool:
        """True if the partition is a function of the step."""
        return self.sizes is None and not isinstance(self.granularity, Constant)

    @property
    def moves(self) -> bool:
        """True if the partition may change during training."""
        return self.scheduled or self.regrouping is not None

    @property
    def label(self) -> str:
        """Part of a run's name: `g2`, `g10to2` on a schedule, `p1-1-2-4` or `adaptive-g2`."""
        if self.sizes is not None:
            return "p" + "-".join(map(str, self.sizes))
        return ("g" if self.regrouping is None else f"{ADAPTIVE}-g") + ends(self.granularity)

    @property
    def tag(self) -> str:
        """W&B tag: `granularity=2`, `partition=[1, 1, 2, 4]` or `partition=adaptive`."""
        if self.sizes is not None:
            return f"partition={list(self.sizes)}"
        if self.regrouping is not None:
            return f"partition={ADAPTIVE}"
        return f"granularity={ends(self.granularity)}"


def grouping_of(model: Mapping[str, Any]) -> Grouping:
    """Return the grouping of a model's resolved config.

    >>> grouping_of({"latent_dim": 8, "granularity": 2, "partition": [1, 1, 2, 4]}).tag
    'partition=[1, 1, 2, 4]'

    Raises:
        ArgumentError: as `grouping`.
    """
    return grouping(model["latent_dim"], model["granularity"], model.get("partition"))


def grouping(
    latent_dim: int,
    granularity: int | Mapping[str, Any],
    partition: Sequence[int] | Mapping[str, Any] | str | None,
) -> Grouping:
    """Return the grouping of the config keys of the same names under `model`.

    Args:
        latent_dim: D.
        granularity: dimensions per group, or a schedule of it.
        partition: None for equal groups, sizes of unequal ones, `adaptive`, or a mapping
            `{schedule: adaptive, every: …}` with the arguments of `Regrouping`.

    Raises:
        ArgumentError: an argument is out of its range.
    """
    latent_dim = integer("latent_dim", latent_dim, 1)
    if not isinstance(granularity, Mapping):
        LatentPartition.from_granularity(latent_dim, granularity)  # for its message
    rule = schedule("model.granularity", granularity, 1, latent_dim, whole=True)
    if partition is None:
        return Grouping(latent_dim, rule)
    if isinstance(partition, (str, Mapping)):
        options = {"schedule": partition} if isinstance(partition, str) else partition
        if options.get("schedule") != ADAPTIVE:
            raise ArgumentError(
                f"model.partition must be a list of sizes, {ADAPTIVE} or "
                f"{{schedule: {ADAPTIVE}, …}}, got {partition!r}"
            )
        if not isinstance(rule, Constant):
            raise ArgumentError(
                "model.granularity must be a number with an adaptive partition, got a schedule"
            )
        arguments: dict[str, Any] = {str(k): v for k, v in options.items() if k != "schedule"}
        accepted = Regrouping.__dataclass_fields__
        if unknown := sorted(set(arguments) - set(accepted)):
            raise ArgumentError(
                f"model.partition takes {', '.join(accepted)}, got {', '.join(unknown)}"
            )
        return Grouping(latent_dim, rule, regrouping=Regrouping(**arguments))
    sizes = LatentPartition.from_sizes(list(partition), latent_dim).sizes
    return Grouping(latent_dim, rule, sizes=sizes)

"""Group the points of a sweep that can be trained as one population."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from vae_granularity.models.base import LatentModel
from vae_granularity.runs.identity import acting_callbacks, identity, short_digest, without

# Keys of a config, besides the dials of the model, in which the members of a population may differ.
FREE = ("seed", "dataset.seed", "optimizer.lr", "model.granularity", "model.partition")
OPTIMIZERS = ("torch.optim.Adam", "torch.optim.AdamW")
PRECISIONS = ("32-true", "64-true")
TRAINER = ("_target_", "max_steps", "accelerator", "devices", "precision", "gradient_clip_val")
# Besides what decides the weights: where members are measured and saved is decided for all at once.
MEASURED = ("dataset", "trainer", "callbacks", "evaluation", "metrics")


@dataclass(frozen=True)
class Packing:
    """Positions of points that train together, by group; the others, with the reason."""

    groups: list[list[int]]
    alone: dict[int, str]


def reason_to_train_alone(config: Mapping[str, Any], model: LatentModel) -> str | None:
    """Return why a run cannot be a member of any population, or None if it can.

    Args:
        config: resolved.
        model: of the class and with the dials that the config names.
    """
    trainer = config["trainer"]
    optimizer = config["optimizer"]
    if model.stateful:
        return f"{type(model).__name__} keeps a state of its own between steps"
    plain = not (optimizer.get("amsgrad") or optimizer.get("maximize"))
    if optimizer["_target_"] not in OPTIMIZERS or not plain:
        return f"optimizer is {optimizer['_target_']} with its options, not plain Adam or AdamW"
    if str(trainer["precision"]) not in PRECISIONS:
        return f"trainer.precision is {trainer['precision']}, not one of {', '.join(PRECISIONS)}"
    if trainer["devices"] != 1:
        return f"trainer.devices is {trainer['devices']}, not 1"
    unknown = sorted(set(trainer) - set(TRAINER))
    if unknown:
        return f"trainer.{unknown[0]} is set"
    for name in acting_callbacks(config):
        return f"callbacks.{name} may act at every step"
    return None


def pack(points: Sequence[tuple[Mapping[str, Any], LatentModel]]) -> Packing:
    """Group points, resolved configs with models of their class, by what members share.

    Members share shapes, data set, batch size, likelihood, length and evaluation; they may differ
    in the model's dials, partition, seed and learning rate.
    """
    alone: dict[int, str] = {}
    groups: dict[str, list[int]] = {}
    for i, (config, model) in enumerate(points):
        reason = reason_to_train_alone(config, model)
        if reason is None:
            groups.setdefault(shared(config, model.hyperparameters(0)), []).append(i)
        else:
            alone[i] = reason
    single = [group[0] for group in groups.values() if len(group) == 1]
    alone |= dict.fromkeys(single, "no other point has its shapes and settings")
    return Packing([group for group in groups.values() if len(group) > 1], alone)


def shared(config: Mapping[str, Any], dials: Iterable[str]) -> str:
    """Return a digest of what the members of a population must have in common."""
    measured = {node: config[node] for node in MEASURED}
    free = (*FREE, *(f"model.{dial}" for dial in dials))
    return short_digest(without({**identity(config), **measured}, free))


def evenly(group: Sequence[int], most: int) -> list[list[int]]:
    """Split a group into runs of nearly equal size, at most `most` each."""
    count = -(-len(group) // most)
    ends = [i * len(group) // count for i in range(count + 1)]
    return [list(group[start:end]) for start, end in pairwise(ends)]

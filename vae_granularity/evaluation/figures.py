"""Figures of a model: reconstructions, traversals by dimension and by group."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from vae_granularity.data.base import ImageDataModule
from vae_granularity.evaluation.encoding import LatentTable, encode_table, evaluation_mode, subset
from vae_granularity.evaluation.protocol import EvaluationProtocol
from vae_granularity.metrics.core.inactive import inactive, marked, mean_kl
from vae_granularity.models.base import LatentModel
from vae_granularity.partition import LatentPartition
from vae_granularity.viz.traversals import dimension_figure, group_figure, reconstruction_figure

RECONSTRUCTIONS = 10
REACH = 2.5  # standard deviations of the prior
STEPS, GRID_STEPS = 11, 7
MAX_PANELS = 32  # rows or groups in one picture


def model_figures(
    model: LatentModel, data: ImageDataModule, protocol: EvaluationProtocol, title: str
) -> Iterator[tuple[str, Figure]]:
    """Name and figure of each picture; `title` names the run and stands above all of them."""
    held_out = data.val_indices if len(data.val_indices) else data.train_indices
    table = encode_table(model, data, subset(held_out, 256, protocol.seed), protocol.batch_size)
    shown = table.indices[np.linspace(0, len(table.indices) - 1, RECONSTRUCTIONS).astype(int)]
    mu = table.mu[np.searchsorted(table.indices, shown)]
    yield (
        "reconstructions",
        reconstruction_figure(
            data.images(shown).cpu().numpy(), _decode(model, mu), f"{title}: reconstructions"
        ),
    )

    origin = mu[0]
    reach = (
        REACH if model.stochastic else float(table.mu.abs().max())
    )  # a code without a prior goes as far as codes go
    values = np.linspace(-reach, reach, STEPS)
    rows = [
        traverse(origin, torch.eye(model.latent_dim)[d : d + 1], values)
        for d in range(min(model.latent_dim, MAX_PANELS))
    ]
    quiet = _inactive(model, table)
    labels = marked([f"z{d}" for d in range(len(rows))], [(d,) for d in range(len(rows))], quiet)
    yield (
        "traversals",
        dimension_figure(
            _decode(model, torch.stack(rows)), values, labels, f"{title}: one dimension at a time"
        ),
    )

    groups = [
        (g, label)
        for g, label in zip(model.partition.groups, model.partition.labels, strict=True)
        if len(g) > 1
    ][:MAX_PANELS]
    if groups:
        planes = [group_plane(group, table.mu) for group, _ in groups]
        grid = np.linspace(-reach, reach, GRID_STEPS)
        codes = torch.stack([traverse(origin, plane, grid) for plane in planes])
        names = [plane_names(group) for group, _ in groups]
        pictures = _decode(model, codes)
        yield (
            "group_traversals",
            group_figure(
                pictures,
                marked([label for _, label in groups], [group for group, _ in groups], quiet),
                names,
                f"{title}: one group at a time",
            ),
        )


def _inactive(model: LatentModel, table: LatentTable) -> list[int]:
    """Dimensions that hold nothing; none in a model without posterior."""
    if not model.stochastic:
        return []
    kl = mean_kl(*(part.double().numpy() for part in (table.mu, table.logvar)))
    return np.flatnonzero(inactive(kl, len(kl))).tolist()


def traverse(origin: Tensor, directions: Tensor, values: np.ndarray) -> Tensor:
    """Codes around `origin` (D,) along one or two directions (k, D): (T, D) or (T, T, D).

    The origin's own component along the directions is replaced by the value, the rest of it stays.
    """
    steps = torch.from_numpy(values).to(origin.dtype)
    rest = origin - (origin @ directions.t()) @ directions
    if len(directions) == 1:
        return rest + steps[:, None] * directions[0]
    return rest + steps[:, None, None] * directions[0] + steps[None, :, None] * directions[1]


def group_plane(group: tuple[int, ...], mu: Tensor) -> Tensor:
    """Two orthonormal directions (2, D) inside a group: its axes if it has two, else the main axes
    of the encoded means mu (n, D).
    """
    dims = list(group)
    if len(dims) == 2:
        inner = torch.eye(2)
    else:
        _, vectors = torch.linalg.eigh(torch.cov(mu[:, dims].t()))
        inner = vectors[:, -2:].flip(1).t()
    plane = torch.zeros(2, mu.shape[1])
    plane[:, dims] = inner
    return plane


def plane_names(group: tuple[int, ...]) -> tuple[str, str]:
    """Axis names of `group_plane`."""
    return (f"z{group[0]}", f"z{group[1]}") if len(group) == 2 else ("main axis 1", "main axis 2")


def run_title(model: LatentModel, data: ImageDataModule, step: int) -> str:
    """Model, data (and that it is rendered, where it is), hyperparameters and step."""
    name = type(model).__name__
    beta = f", β={model.dials['beta'](step):g}" if "beta" in model.dials else ""
    return f"{name} on {data.title}{beta}, {_partition_name(model.partition)}, step {step}"


def save_figures(figures: Iterable[tuple[str, Figure]], folder: Path) -> dict[str, Path]:
    """Draw every figure into `folder` as PNG, replacing earlier ones; name and path of each."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    for name, figure in figures:
        paths[name] = folder / f"{name}.png"
        figure.savefig(paths[name])
    return paths


def _partition_name(partition: LatentPartition) -> str:
    if partition == LatentPartition.from_granularity(partition.latent_dim, partition.sizes[0]):
        return f"γ={partition.sizes[0]}"
    return "groups of " + "+".join(str(size) for size in partition.sizes)


def _decode(model: LatentModel, z: Tensor) -> np.ndarray:
    """Means for codes (..., D), as (..., *image_shape)."""
    flat = z.reshape(-1, z.shape[-1]).to(model.device)
    with evaluation_mode(model):
        means = torch.cat([model.decode(part) for part in flat.split(256)]).cpu().numpy()
    return means.reshape(*z.shape[:-1], *means.shape[1:])

"""Draw what a model does: reconstructions, traversals, samples, KL, curves of its training."""

import csv
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from vae_granularity.data.base import ImageDataModule
from vae_granularity.densities.noise import standard_normal
from vae_granularity.evaluation.encoding import LatentTable, encode_table, evaluation_mode, subset
from vae_granularity.evaluation.protocol import EvaluationProtocol
from vae_granularity.metrics.core.inactive import KL_THRESHOLD, inactive
from vae_granularity.models.base import LatentModel
from vae_granularity.partition import LatentPartition
from vae_granularity.viz import latents, traversals

NUM_RECONSTRUCTIONS = 10
NUM_SAMPLES = 60
# Held-out images behind KL, scatter and the choice of starting images.
NUM_HELD_OUT = 1000
DECOMPOSITION = ("mutual_information", "between_group_tc", "within_group_tc", "dimension_kl")
# Ends of a traversal, in standard deviations of the prior.
REACH = 2.5
NUM_STEPS = 11
NUM_GRID_STEPS = 7
NUM_ANIMATION_STEPS = 20
# Rows or groups in one picture.
MAX_PANELS = 32
NUM_STARTS = 3
# Share of the held-out images, those nearest to the mean code, that a traversal may start from.
TYPICAL_SHARE = 0.25

Pictures = Iterator[tuple[str, Figure]]


@dataclass(frozen=True, eq=False)
class ModelView:
    """A model with the held-out codes that its figures are drawn from.

    Args:
        table: codes of n held-out images.
        starts: rows of the table that traversals start from, the best one first.
        kl: (D,) mean KL of each dimension to the prior in nats; None for a code without a prior.
        quiet: inactive dimensions.
        title: names the run; stands above every figure.
    """

    model: LatentModel
    data: ImageDataModule
    protocol: EvaluationProtocol
    table: LatentTable
    starts: list[int]
    kl: np.ndarray | None
    quiet: list[int]
    title: str

    @property
    def has_vectors(self) -> bool:
        """Return whether the data are vectors."""
        return len(self.data.image_shape) == 1

    @property
    def shown_dims(self) -> list[int]:
        """Return the dimensions to be drawn: the active ones, or all if none is active."""
        dims = list(range(self.model.latent_dim))
        active = [d for d in dims if d not in self.quiet]
        return (active or dims)[:MAX_PANELS]

    @property
    def reach(self) -> float:
        """Return the ends of a traversal; a code without a prior goes as far as codes go."""
        return REACH if self.model.stochastic else float(self.table.mu.abs().max())

    def images(self, rows: np.ndarray) -> np.ndarray:
        """Return the held-out images (r, *image_shape) of rows (r,) of the table."""
        return self.data.images(self.table.indices[rows]).cpu().numpy()


def view_model(
    model: LatentModel, data: ImageDataModule, protocol: EvaluationProtocol, title: str
) -> ModelView:
    """Encode the held-out images that the figures of a model are drawn from."""
    held_out = data.val_indices if len(data.val_indices) else data.train_indices
    rows = subset(held_out, NUM_HELD_OUT, protocol.seed)
    table = encode_table(model, data, rows, protocol.batch_size)
    images = data.images(table.indices)
    # Over the pixels of each channel: a red floor before a red wall has none.
    channels = images.flatten(2) if images.ndim > 2 else images[:, None]
    contrast = channels.std(2).mean(1).cpu()
    starts = starting_rows(table.mu, contrast, NUM_STARTS)
    kl = table.mean_kl() if model.stochastic else None
    quiet = np.flatnonzero(inactive(kl, model.latent_dim)).tolist()
    return ModelView(model, data, protocol, table, starts, kl, quiet, title)


def starting_rows(codes: Tensor, contrast: Tensor, count: int) -> list[int]:
    """Return the rows of typical images of high contrast, which show a change best.

    Of the quarter of codes (n, D) nearest to the mean code, those with the largest contrast (n,).

    >>> starting_rows(torch.tensor([[0.0], [0.1], [-0.1], [9.0]]), torch.tensor([1, 3, 2, 9]), 1)
    [1]
    """
    spread = codes.std(0).clamp_min(1e-12)
    distance = ((codes - codes.mean(0)) / spread).square().sum(1)
    num_typical = min(len(codes), max(count, math.ceil(TYPICAL_SHARE * len(codes))))
    typical = distance.argsort()[:num_typical]
    order = contrast[typical].argsort(descending=True, stable=True)
    return typical[order[:count]].tolist()


def model_figures(view: ModelView) -> Pictures:
    """Yield name and figure of each picture of a model."""
    yield "reconstructions", _reconstructions(view)
    yield "traversals", _traversals(view)
    if len(view.starts) > 1 and not view.has_vectors:
        yield "traversals_of_several_images", _traversals_of_several_images(view)
    yield from _group_traversals(view)
    if view.kl is not None:
        partition = view.model.partition
        heading = f"{view.title}: KL of each dimension"
        labels = partition.labels
        yield "kl", latents.kl_figure(view.kl, partition.groups, labels, KL_THRESHOLD, heading)
        yield "samples", _samples(view)


def _reconstructions(view: ModelView) -> Figure:
    count = min(256, len(view.table.indices)) if view.has_vectors else NUM_RECONSTRUCTIONS
    rows = np.linspace(0, len(view.table.indices) - 1, count).astype(int)
    decoded = _decode(view.model, view.table.mu[rows])
    heading = f"{view.title}: reconstructions"
    return traversals.reconstruction_figure(view.images(rows), decoded, heading)


def _dimension_labels(view: ModelView, dims: list[int]) -> list[str]:
    if view.kl is None:
        return [f"z{d}" for d in dims]
    return [f"z{d}  KL {view.kl[d]:.2f}" for d in dims]


def _places_of_groups(view: ModelView, dims: list[int]) -> list[list[int]]:
    """Return the groups as places in a list of dimensions, without the dimensions not in it."""
    places = {dim: place for place, dim in enumerate(dims)}
    groups = [[places[d] for d in group if d in places] for group in view.model.partition.groups]
    return [group for group in groups if group]


def _inactive_note(view: ModelView, dims: list[int]) -> str:
    left_out = [f"z{d}" for d in view.quiet if d not in dims]
    return f"; inactive: {' '.join(left_out)}" if left_out else ""


def _traversals(view: ModelView) -> Figure:
    dims = view.shown_dims
    origin = view.table.mu[view.starts[0]]
    axes = torch.eye(view.model.latent_dim, dtype=origin.dtype)[dims]
    values = np.linspace(-view.reach, view.reach, NUM_STEPS)
    rows = _decode(view.model, torch.stack([traverse(origin, axis[None], values) for axis in axes]))
    return traversals.dimension_figure(
        rows,
        values,
        _dimension_labels(view, dims),
        f"{view.title}: one dimension at a time",
        groups=_places_of_groups(view, dims),
        start=origin[dims].numpy(),
        note=_inactive_note(view, dims),
    )


def _traversals_of_several_images(view: ModelView) -> Figure:
    """Draw each dimension from several images: what it does should not depend on the image."""
    dims = view.shown_dims[: MAX_PANELS // NUM_STARTS]
    origins = view.table.mu[view.starts]
    axes = torch.eye(view.model.latent_dim, dtype=origins.dtype)[dims]
    values = np.linspace(-view.reach, view.reach, NUM_STEPS)
    codes = [traverse(origin, axis[None], values) for axis in axes for origin in origins]
    labels = _dimension_labels(view, dims)
    count = len(origins)
    bands = [list(range(count * i, count * (i + 1))) for i in range(len(dims))]
    return traversals.dimension_figure(
        _decode(view.model, torch.stack(codes)),
        values,
        [labels[row // count] if row % count == 0 else "" for row in range(len(codes))],
        f"{view.title}: one dimension at a time, from {count} images",
        groups=bands,
        start=origins[:, dims].t().flatten().numpy(),
        note=_inactive_note(view, dims),
    )


def _group_traversals(view: ModelView) -> Pictures:
    """Draw each group of several dimensions in two directions, beside the codes of held-out images
    in the same directions, coloured by the factor that they tell most of."""
    partition = view.model.partition
    groups = [group for group in partition.groups if len(group) > 1]
    active = [group for group in groups if not set(group) <= set(view.quiet)]
    shown = (active or groups)[:MAX_PANELS]
    if not shown:
        return
    labels = dict(zip(partition.groups, partition.labels, strict=True))
    left_out = [labels[group] for group in groups if group not in active and group not in shown]
    origin = view.table.mu[view.starts[0]]
    grid = np.linspace(-view.reach, view.reach, NUM_GRID_STEPS)
    factors = view.data.labels(view.table.indices)
    panels = []
    for group in shown:
        plane = group_plane(group, view.table.mu)
        names = (f"z{group[0]}", f"z{group[1]}") if len(group) == 2 else ("axis 1", "axis 2")
        points = (view.table.mu @ plane.t()).numpy()
        colour = None
        if factors is not None:
            shares = [explained(points, factor) for factor in factors.T]
            best = int(np.argmax(shares))
            name = view.data.label_names[best]
            cyclic = name in view.data.card.cyclic_labels
            colour = traversals.Colour(name, factors[:, best], cyclic)
        panels.append(
            traversals.GroupPanel(
                label=labels[group],
                axes_names=names,
                decoded=_decode(view.model, traverse(origin, plane, grid)),
                start=(plane @ origin).numpy(),
                points=points,
                colour=colour,
            )
        )
    heading = f"{view.title}: one group at a time"
    note = f"inactive groups: {' '.join(left_out)}" if left_out else ""
    yield "group_traversals", traversals.group_figure(panels, heading, values=grid, note=note)


def _samples(view: ModelView) -> Figure:
    count = 500 if view.has_vectors else NUM_SAMPLES
    shape = (count, view.model.latent_dim)
    z = standard_normal(view.protocol.seed, 3, shape, like=view.table.mu)
    rows = np.arange(min(256, len(view.table.indices)))
    held_out = view.images(rows) if view.has_vectors else view.images(rows[:1])
    heading = f"{view.title}: samples from the prior"
    return traversals.sample_figure(_decode(view.model, z), heading, held_out)


def animation_frames(view: ModelView) -> list[np.ndarray]:
    """Return frames (height, width, 3) in which every active dimension moves at once, there and
    back: a column a dimension, a row a starting image."""
    dims = view.shown_dims
    origins = view.table.mu[view.starts]
    axes = torch.eye(view.model.latent_dim, dtype=origins.dtype)[dims]
    values = np.linspace(-view.reach, view.reach, NUM_ANIMATION_STEPS)
    codes = [traverse(origin, axis[None], values) for origin in origins for axis in axes]
    decoded = _decode(view.model, torch.stack(codes))
    cells = decoded.reshape(len(origins), len(dims), *decoded.shape[1:])
    forth = [traversals.montage(cells[:, :, step]) for step in range(NUM_ANIMATION_STEPS)]
    return [*forth, *forth[-2:0:-1]]


def explained(z: np.ndarray, factor: np.ndarray) -> float:
    """Return the share of the variance of z (n, k) that lies between the values of a factor (n,).

    Adjusted for the number of values; 0 for a factor of one value.

    >>> explained(np.array([[0.0], [0.0], [1.0], [1.0]]), np.array([5, 5, 7, 7]))
    1.0
    """
    values, which = np.unique(factor, return_inverse=True)
    if not 1 < len(values) < len(z):
        return 0.0
    sums = np.zeros((len(values), z.shape[1]))
    np.add.at(sums, which, z)
    means = sums / np.bincount(which)[:, None]
    inside = np.square(z - means[which]).sum() / (len(z) - len(values))
    whole = np.square(z - z.mean(0)).sum() / (len(z) - 1)
    return float(1 - inside / whole) if whole > 0 else 0.0


def training_figure(file: Path, title: str) -> Pictures:
    """Yield the curves of a run's metrics.csv: the ELBO, and the four terms of the KL.

    Terms estimated from the training batch and exact terms of held-out images have panels of their
    own: the two may differ by tens of nats.
    """
    if not file.is_file():
        return
    with file.open(encoding="utf-8") as opened:
        rows = list(csv.DictReader(opened))
    curves: dict[str, dict[str, tuple[np.ndarray, np.ndarray]]] = {}
    for term in ("elbo", *DECOMPOSITION):
        for column in rows[0] if rows else ():
            if not re.fullmatch(f"(train(/[a-z]+)?|val)/{term}", column):
                continue
            pairs = [(float(row["step"]), float(row[column])) for row in rows if row.get(column)]
            steps, values = np.array(pairs, float).reshape(-1, 2).T
            finite = np.isfinite(values)
            if not finite.any():
                continue
            source = latents.HELD_OUT if column.startswith("val") else latents.TRAINING
            name = term.replace("_", " ")
            panel = "elbo" if term == "elbo" else f"{name}, {source}"
            curves.setdefault(panel, {})[source] = (steps[finite], values[finite])
    if curves:
        yield "training_curves", latents.curves_figure(curves, f"{title}: training")


def traverse(origin: Tensor, directions: Tensor, values: np.ndarray) -> Tensor:
    """Return codes around `origin` (D,) along one or two directions (k, D): (T, D) or (T, T, D).

    The origin's own component along the directions is replaced by the value, the rest of it stays.

    >>> traverse(torch.tensor([5.0, 1.0]), torch.tensor([[1.0, 0.0]]), np.array([-2, 2])).tolist()
    [[-2.0, 1.0], [2.0, 1.0]]
    """
    steps = torch.from_numpy(values).to(origin.dtype)
    rest = origin - (origin @ directions.t()) @ directions
    if len(directions) == 1:
        return rest + steps[:, None] * directions[0]
    return rest + steps[:, None, None] * directions[0] + steps[None, :, None] * directions[1]


def group_plane(group: tuple[int, ...], mu: Tensor) -> Tensor:
    """Return two orthonormal directions (2, D) inside a group.

    Its axes, or of a group of more dimensions the main axes of its means mu (n, D).

    >>> group_plane((0, 2), torch.zeros(5, 3)).tolist()
    [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    dims = list(group)
    inner = torch.eye(2, dtype=mu.dtype)
    if len(dims) > 2:
        _, vectors = torch.linalg.eigh(torch.cov(mu[:, dims].t()))
        inner = vectors[:, -2:].flip(1).t()
    plane = torch.zeros(2, mu.shape[1], dtype=mu.dtype)
    plane[:, dims] = inner
    return plane


def run_title(model: LatentModel, data: ImageDataModule, step: int) -> str:
    """Return model, data (with their source, where it is rendered), β, groups and step."""
    beta = f", β={model.schedules['beta'](step):g}" if "beta" in model.schedules else ""
    partition = model.partition
    first = partition.sizes[0]
    groups = "groups of " + "+".join(map(str, partition.sizes))
    if partition == LatentPartition.from_granularity(partition.latent_dim, first):
        groups = f"γ={first}"
    name = type(model).__module__.rpartition(".")[2]  # as the option of its config
    return f"{name} on {data.title}{beta}, {groups}, step {step}"


def _decode(model: LatentModel, z: Tensor) -> np.ndarray:
    """Return the decoded means (..., *image_shape) of codes (..., D)."""
    flat = z.reshape(-1, z.shape[-1]).to(model.device)
    with evaluation_mode(model):
        means = torch.cat([model.decode(part) for part in flat.split(256)]).cpu().numpy()
    return means.reshape(*z.shape[:-1], *means.shape[1:])

"""Figures of a model (reconstructions, traversals) and of what metrics found in it."""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from matplotlib import rc_context
from matplotlib.figure import Figure
from torch import Tensor

from vae_granularity.data.base import ImageDataModule
from vae_granularity.densities.noise import standard_normal
from vae_granularity.evaluation.encoding import LatentTable, encode_table, evaluation_mode, subset
from vae_granularity.evaluation.protocol import EvaluationProtocol
from vae_granularity.evaluation.score_table import Scores, saturation_notes, score_table
from vae_granularity.files import replace_file
from vae_granularity.metrics.core.inactive import KL_THRESHOLD, inactive, marked
from vae_granularity.metrics.core.result import MetricResult
from vae_granularity.metrics.dci import DCIResult
from vae_granularity.metrics.mig import MIGResult
from vae_granularity.metrics.modularity import ModularityKNNResult
from vae_granularity.metrics.partition_comparison import PartitionComparisonResult
from vae_granularity.models.base import LatentModel
from vae_granularity.partition import LatentPartition
from vae_granularity.viz import latents, traversals
from vae_granularity.viz.matrices import Panel, matrix_figure, profile_figure, table_figure

RECONSTRUCTIONS, SAMPLES = 10, 60
POINTS = 1000  # held-out images behind KL and scatter
DECOMPOSITION = ("mutual_information", "between_group_tc", "within_group_tc", "dimension_kl")
REACH = 2.5  # standard deviations of the prior
STEPS, GRID_STEPS = 11, 7
MAX_PANELS = 32  # rows or groups in one picture
SHARE, NATS = "mutual information / entropy of the factor", "mutual information, nats"

Named = Iterator[tuple[str, Figure]]


def model_figures(
    model: LatentModel, data: ImageDataModule, protocol: EvaluationProtocol, title: str
) -> Named:
    """Name and figure of each picture; `title` names the run and stands above all of them."""
    held_out = data.val_indices if len(data.val_indices) else data.train_indices
    table = encode_table(model, data, subset(held_out, POINTS, protocol.seed), protocol.batch_size)
    vectors = len(data.image_shape) == 1
    count = min(256, len(table.indices)) if vectors else RECONSTRUCTIONS
    shown = np.linspace(0, len(table.indices) - 1, count).astype(int)
    images, heading = data.images(table.indices[shown]), f"{title}: reconstructions"
    pairs = (images.cpu().numpy(), _decode(model, table.mu[shown]))
    yield "reconstructions", traversals.reconstruction_figure(*pairs, heading)

    origin = table.mu[0]
    axes = torch.eye(model.latent_dim, dtype=origin.dtype)[:MAX_PANELS]
    # A code without a prior goes as far as codes go.
    reach = REACH if model.stochastic else float(table.mu.abs().max())
    values = np.linspace(-reach, reach, STEPS)
    rows = _decode(model, torch.stack([traverse(origin, axis[None], values) for axis in axes]))
    kl = table.mean_kl() if model.stochastic else None
    quiet = np.flatnonzero(inactive(kl, model.latent_dim)).tolist()
    labels = _dimensions(len(axes), quiet)
    if kl is not None:
        pairs = zip(labels, kl, strict=False)
        labels = [f"{label.replace(' (inactive)', '')}  KL {nats:.2f}" for label, nats in pairs]
    marks = {"start": origin.numpy(), "quiet": quiet, "groups": model.partition.groups}
    heading = f"{title}: one dimension at a time"
    yield "traversals", traversals.dimension_figure(rows, values, labels, heading, **marks)

    units = zip(model.partition.groups, model.partition.labels, strict=True)
    several = [unit for unit in units if len(unit[0]) > 1][:MAX_PANELS]
    if several:
        groups, labels = zip(*several, strict=True)
        grid = np.linspace(-reach, reach, GRID_STEPS)
        planes = [group_plane(group, table.mu) for group in groups]
        squares = _decode(model, torch.stack([traverse(origin, p, grid) for p in planes]))
        starts = torch.stack([plane @ origin for plane in planes]).numpy()
        labels, main = marked(labels, groups, quiet), ("main axis 1", "main axis 2")
        names = [(f"z{g[0]}", f"z{g[1]}") if len(g) == 2 else main for g in groups]
        drawn = (squares, labels, names, f"{title}: one group at a time")
        yield "group_traversals", traversals.group_figure(*drawn, values=grid, start=starts)
    if kl is not None:
        parts = (model.partition.groups, model.partition.labels, KL_THRESHOLD)
        yield "kl", latents.kl_figure(kl, *parts, f"{title}: KL of each dimension")
        count = 500 if vectors else SAMPLES
        z = standard_normal(protocol.seed, 3, (count, model.latent_dim), like=table.mu)
        drawn = (_decode(model, z), f"{title}: samples from the prior", images.cpu().numpy())
        yield "samples", traversals.sample_figure(*drawn)
    yield from _scatter(model, data, table, title)


def _scatter(model: LatentModel, data: ImageDataModule, table: LatentTable, title: str) -> Named:
    """Groups of two dimensions as points, coloured by the factor that they tell most of."""
    factors = data.labels(table.indices)
    pairs = [group for group in model.partition.groups if len(group) == 2][:MAX_PANELS]
    if factors is None or not pairs:
        return
    points = [table.mu[:, list(group)].numpy() for group in pairs]
    told = [np.argmax([explained(z, f) for f in factors.T]) for z in points]
    colours = [(data.label_names[f], factors[:, f]) for f in told]
    names = [(f"z{first}", f"z{second}") for first, second in pairs]
    heading = f"{title}: groups of two dimensions"
    yield "latent_scatter", latents.scatter_figure(points, names, colours, heading)


def explained(z: np.ndarray, factor: np.ndarray) -> float:
    """Share of the variance of z (n, k) that lies between the values of a factor (n,), adjusted for
    their number; 0 for a factor of one value.

    >>> explained(np.array([[0.0], [0.0], [1.0], [1.0]]), np.array([5, 5, 7, 7]))
    1.0
    """
    found, which = np.unique(factor, return_inverse=True)
    if not 1 < len(found) < len(z):
        return 0.0
    sums = np.zeros((len(found), z.shape[1]))
    np.add.at(sums, which, z)
    means = sums / np.bincount(which)[:, None]
    inside = np.square(z - means[which]).sum() / (len(z) - len(found))
    whole = np.square(z - z.mean(0)).sum() / (len(z) - 1)
    return float(1 - inside / whole) if whole > 0 else 0.0


def training_figure(file: Path, title: str) -> Named:
    """ELBO and the four terms over training, from a run's metrics.csv; nothing without one."""
    if not file.is_file():
        return
    with file.open(encoding="utf-8") as opened:
        rows = list(csv.DictReader(opened))
    curves: dict[str, dict[str, tuple[np.ndarray, np.ndarray]]] = {}
    for term in ("elbo", *DECOMPOSITION):
        for column in rows[0] if rows else ():
            if re.fullmatch(f"(train(/[a-z]+)?|val)/{term}", column):
                pairs = [(float(r["step"]), float(r[column])) for r in rows if r.get(column)]
                steps, values = np.array(pairs, float).reshape(-1, 2).T
                known = np.isfinite(values)
                held_out = column.startswith("val")
                name = "held-out, exact" if held_out else "training, from the batch"
                if known.any():
                    curves.setdefault(term, {})[name] = (steps[known], values[known])
    if curves:
        yield "training_curves", latents.curves_figure(curves, f"{title}: training")


def metric_figures(
    results: Mapping[str, MetricResult],
    scores: Scores,
    protocol: Mapping[str, Any],
    partition: LatentPartition,
    title: str,
) -> Named:
    """Matrices, factor-granularity profile and table of scores, of what metrics found just now.

    Args:
        results: of the metrics computed now, by name.
        scores: all of the run, under the `protocol` of its results.json.
        title: names the run.
    """
    for result in results.values():
        if isinstance(result, PartitionComparisonResult) and result.by_granularity:
            yield "granularity_profile", _profile(result, f"{title}: factor-granularity profile")
        elif (found := _matrices(result)) is not None:
            how: Any = result.protocol
            names = [protocol["label_names"][f] for f in how["kept_factors"]]
            panels = _panels(found, partition, names, protocol.get("inactive_latents", []))
            note = f"{_facts(how)}, {found.note}"
            heading = f"{title}: {found.title}"
            yield found.name, matrix_figure(panels, heading, note, found.cell, found.high)
    table = score_table(scores)
    if results and table.rows:
        facts = [f"groups: {' '.join(partition.labels)}", protocol["codes"]]
        facts += saturation_notes(protocol)
        heading = f"{title}: scores"
        yield "scores", table_figure(table.columns, table.rows, heading, "; ".join(facts))


class _Matrices(NamedTuple):
    """How a metric's matrices are shown: F factors, D dimensions, G groups."""

    name: str
    title: str
    note: str
    cell: str
    by_dimension: np.ndarray  # (D, F)
    by_group: np.ndarray | None = None  # (G, F)
    high: float | None = 1.0  # end of the scale; None: the largest cell


def _matrices(result: MetricResult) -> _Matrices | None:
    how = result.protocol
    if isinstance(result, MIGResult):
        shown = ("mi_histogram", "information by latent (histograms)", f"{how['num_bins']} bins")
        return _Matrices(*shown, SHARE, result.mi_matrix / result.factor_entropy)
    if isinstance(result, ModularityKNNResult):
        shown = ("mi_knn", "information by latent and group (k-NN)")
        matrices = (result.mi_matrix, result.mi_matrix_group)
        return _Matrices(*shown, f"{how['num_neighbors']} neighbours", NATS, *matrices, None)
    if isinstance(result, DCIResult):
        shown = (f"{result.prefix}_importances", "DCI importances", str(how["regressor"]))
        matrices = (result.importance_matrix, result.importance_matrix_group)
        return _Matrices(*shown, "importance (columns sum to 1)", *matrices)
    return None


def _panels(
    found: _Matrices, partition: LatentPartition, factors: list[str], quiet: list[int]
) -> list[Panel]:
    """By dimension and, unless groups are single dimensions, by group; inactive units say so."""
    latents = _dimensions(len(found.by_dimension), quiet)
    panels = [Panel("by dimension", found.by_dimension, latents, factors)]
    if found.by_group is not None and partition.num_groups < partition.latent_dim:
        groups = marked(partition.labels, partition.groups, quiet)
        panels.append(Panel("by group", found.by_group, groups, factors))
    return panels


def _dimensions(dim: int, quiet: list[int]) -> list[str]:
    return marked([f"z{d}" for d in range(dim)], [(d,) for d in range(dim)], quiet)


def _profile(result: PartitionComparisonResult, title: str) -> Figure:
    profiles, nothing = result.by_granularity, np.full(len(result.factor_names), np.nan)
    found = [(p.share, nothing if p.gap is None else p.gap, p.alone) for p in profiles.values()]
    share, gap, alone = (np.stack(columns, 1) for columns in zip(*found, strict=True))
    neighbours = f"{result.protocol['num_neighbors']} neighbours"
    note = f"{_facts(result.protocol)}, {neighbours}, contiguous groups of γ"
    return profile_figure(share, gap, alone, list(profiles), result.factor_names, title, note)


def _facts(protocol: Mapping[str, Any]) -> str:
    dropped, points = len(protocol["dropped_factors"]), f"{protocol['num_samples']} points"
    return points + (f", {dropped} factor(s) of one value left out" if dropped else "")


def traverse(origin: Tensor, directions: Tensor, values: np.ndarray) -> Tensor:
    """Codes around `origin` (D,) along one or two directions (k, D): (T, D) or (T, T, D).

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
    """Two orthonormal directions (2, D) inside a group: its axes, or of means (n, D) the main ones.

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
    """Model, data (and that it is rendered, where it is), hyperparameters and step."""
    beta = f", β={model.schedules['beta'](step):g}" if "beta" in model.schedules else ""
    partition, first = model.partition, model.partition.sizes[0]
    groups = "groups of " + "+".join(map(str, partition.sizes))
    if partition == LatentPartition.from_granularity(partition.latent_dim, first):
        groups = f"γ={first}"
    name = type(model).__module__.rpartition(".")[2]  # as the option of its config
    return f"{name} on {data.title}{beta}, {groups}, step {step}"


def save_figures(figures: Iterable[tuple[str, Figure]], folder: Path) -> dict[str, Path]:
    """Draw every figure into `folder` as PNG, replacing earlier ones; name and path of each."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    # Factors and data sets may have a dollar in their names: they are no formula.
    with rc_context({"text.parse_math": False}):
        for name, figure in figures:
            paths[name] = folder / f"{name}.png"
            with replace_file(paths[name]) as file:
                figure.savefig(file, format="png")
    return paths


def _decode(model: LatentModel, z: Tensor) -> np.ndarray:
    """Means for codes (..., D), as (..., *image_shape)."""
    flat = z.reshape(-1, z.shape[-1]).to(model.device)
    with evaluation_mode(model):
        means = torch.cat([model.decode(part) for part in flat.split(256)]).cpu().numpy()
    return means.reshape(*z.shape[:-1], *means.shape[1:])

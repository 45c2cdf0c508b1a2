"""Draw what metrics measured: matrices of unit and factor, and the profile over granularities."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from vae_granularity.metrics.core.inactive import marked
from vae_granularity.metrics.core.result import MetricResult
from vae_granularity.metrics.dci import DCIResult
from vae_granularity.metrics.mig import MIGResult
from vae_granularity.metrics.modularity import ModularityKNNResult
from vae_granularity.metrics.partition_comparison import PartitionComparisonResult
from vae_granularity.partition import LatentPartition
from vae_granularity.viz.matrices import Panel, matrix_figure, profile_figure

SHARE = "mutual information / entropy of the factor"
NATS = "mutual information, nats"


def metric_figures(
    results: Mapping[str, MetricResult],
    protocol: Mapping[str, Any],
    partition: LatentPartition,
    title: str,
) -> Iterator[tuple[str, Figure]]:
    """Yield name and figure of each matrix and of the factor-granularity profile.

    Args:
        results: of the metrics that were computed now, by name.
        protocol: of the run's results.json.
        title: names the run.
    """
    for result in results.values():
        if isinstance(result, PartitionComparisonResult):
            if result.by_granularity:
                heading = f"{title}: factor-granularity profile"
                yield "granularity_profile", _profile_of(result, heading)
            continue
        matrices = _matrices_of(result)
        if matrices is None:
            continue
        factors = [protocol["label_names"][f] for f in result.protocol["kept_factors"]]
        panels = _panels(matrices, partition, factors, protocol.get("inactive_latents", []))
        note = f"{_facts(result.protocol)}, {matrices.note}"
        heading = f"{title}: {matrices.title}"
        figure = matrix_figure(panels, heading, note, matrices.cell, matrices.high)
        yield matrices.name, figure


@dataclass(frozen=True, eq=False)
class _Matrices:
    """The matrices of one metric, for F factors, D dimensions and G groups.

    Args:
        name: of the figure's file.
        note: how the numbers were computed.
        cell: what a cell holds.
        by_dimension: (D, F).
        by_group: (G, F), or None.
        high: end of the scale; None is the largest cell.
    """

    name: str
    title: str
    note: str
    cell: str
    by_dimension: np.ndarray
    by_group: np.ndarray | None = None
    high: float | None = 1.0


def _matrices_of(result: MetricResult) -> _Matrices | None:
    protocol = result.protocol
    if isinstance(result, MIGResult):
        return _Matrices(
            name="mi_histogram",
            title="information by latent (histograms)",
            note=f"{protocol['num_bins']} bins",
            cell=SHARE,
            by_dimension=result.mi_matrix / result.factor_entropy,
        )
    if isinstance(result, ModularityKNNResult):
        return _Matrices(
            name="mi_knn",
            title="information by latent and group (k-NN)",
            note=f"{protocol['num_neighbors']} neighbours",
            cell=NATS,
            by_dimension=result.mi_matrix,
            by_group=result.mi_matrix_group,
            high=None,
        )
    if isinstance(result, DCIResult):
        return _Matrices(
            name=f"{result.prefix}_importances",
            title="DCI importances",
            note=str(protocol["regressor"]),
            cell="importance (columns sum to 1)",
            by_dimension=result.importance_matrix,
            by_group=result.importance_matrix_group,
        )
    return None


def _panels(
    matrices: _Matrices, partition: LatentPartition, factors: list[str], quiet: list[int]
) -> list[Panel]:
    """Return a panel by dimension and, unless groups are single dimensions, one by group."""
    dims = range(len(matrices.by_dimension))
    latents = marked([f"z{d}" for d in dims], [(d,) for d in dims], quiet)
    panels = [Panel("by dimension", matrices.by_dimension, latents, factors)]
    if matrices.by_group is not None and partition.num_groups < partition.latent_dim:
        groups = marked(partition.labels, partition.groups, quiet)
        panels.append(Panel("by group", matrices.by_group, groups, factors))
    return panels


def _profile_of(result: PartitionComparisonResult, title: str) -> Figure:
    profiles = list(result.by_granularity.values())
    no_gap = np.full(len(result.factor_names), np.nan)
    share = np.stack([profile.share for profile in profiles], axis=1)
    gap = np.stack([no_gap if p.gap is None else p.gap for p in profiles], axis=1)
    alone = np.stack([profile.alone for profile in profiles], axis=1)
    neighbours = f"{result.protocol['num_neighbors']} neighbours"
    note = f"{_facts(result.protocol)}, {neighbours}, contiguous groups of γ"
    granularities = list(result.by_granularity)
    return profile_figure(share, gap, alone, granularities, result.factor_names, title, note)


def _facts(protocol: Mapping[str, Any]) -> str:
    points = f"{protocol['num_samples']} points"
    num_dropped = len(protocol["dropped_factors"])
    return points + (f", {num_dropped} factor(s) of one value left out" if num_dropped else "")

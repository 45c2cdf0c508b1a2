"""Figures of what metrics found: unit × factor matrices, the factor-granularity profile, the table
of scores.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from vae_granularity.evaluation.evaluate import Evaluation
from vae_granularity.evaluation.score_table import saturation_notes, score_table
from vae_granularity.metrics.core.inactive import marked
from vae_granularity.metrics.core.result import MetricResult
from vae_granularity.metrics.dci import DCIResult
from vae_granularity.metrics.mig import MIGResult
from vae_granularity.metrics.modularity import ModularityKNNResult, ModularityResult
from vae_granularity.metrics.partition_comparison import PartitionComparisonResult
from vae_granularity.partition import LatentPartition
from vae_granularity.viz.matrices import Panel, matrix_figure, profile_figure, table_figure

SHARE = "mutual information / entropy of the factor"


def metric_figures(
    found: Evaluation, partition: LatentPartition, title: str
) -> Iterator[tuple[str, Figure]]:
    """Name and figure of each picture that the metrics computed now give; `title` names the run."""
    names, quiet = found.protocol["label_names"], found.protocol.get("inactive_latents", [])
    for result in found.results.values():
        yield from _matrices(result, partition, names, title, quiet)
    table = score_table(found.scores)
    if found.results and table.rows:
        facts = (
            f"groups: {' '.join(partition.labels)}",
            found.protocol["codes"],
            "errors from subsamples or repeated draws",
        )
        note = "; ".join((*facts, *saturation_notes(found.protocol)))
        yield "scores", table_figure(table.columns, table.rows, f"{title}: scores", note)


def _matrices(
    result: MetricResult,
    partition: LatentPartition,
    names: Sequence[str],
    title: str,
    quiet: Sequence[int],
) -> Iterator[tuple[str, Figure]]:
    if isinstance(result, MIGResult):
        factors, note = (
            _factors(result.protocol, names),
            f"{_facts(result.protocol)}, {result.protocol['num_bins']} bins",
        )
        panels = _panels(result.mi_matrix / result.factor_entropy, None, partition, factors, quiet)
        yield (
            "mi_histogram",
            matrix_figure(panels, f"{title}: information by latent (histograms)", note, SHARE),
        )
    elif isinstance(result, ModularityResult) and result.knn is not None:
        yield from _matrices(result.knn, partition, names, title, quiet)
    elif isinstance(result, ModularityKNNResult):
        factors, note = (
            _factors(result.protocol, names),
            f"{_facts(result.protocol)}, {result.protocol['num_neighbors']} neighbours",
        )
        panels = _panels(result.mi_matrix, result.mi_matrix_group, partition, factors, quiet)
        yield (
            "mi_knn",
            matrix_figure(
                panels,
                f"{title}: information by latent and group (k-NN)",
                note,
                "mutual information, nats",
                None,
            ),
        )
    elif isinstance(result, DCIResult):
        note = f"{_facts(result.protocol)}, {result.protocol['regressor']}"
        panels = _panels(
            result.importance_matrix,
            result.importance_matrix_group,
            partition,
            _factors(result.protocol, names),
            quiet,
        )
        yield (
            f"{result.prefix}_importances",
            matrix_figure(
                panels, f"{title}: DCI importances", note, "importance (columns sum to 1)"
            ),
        )
    elif isinstance(result, PartitionComparisonResult) and result.by_granularity:
        yield "granularity_profile", _profile(result, title)


def _profile(result: PartitionComparisonResult, title: str) -> Figure:
    profiles = result.by_granularity
    share, alone = (
        np.stack([getattr(profile, name) for profile in profiles.values()], 1)
        for name in ("share", "alone")
    )
    nothing = np.full(len(result.factor_names), np.nan)
    gap = np.stack(
        [nothing if profile.gap is None else profile.gap for profile in profiles.values()], 1
    )
    note = f"{_facts(result.protocol)}, {result.protocol['num_neighbors']} neighbours, contiguous groups of γ"
    return profile_figure(
        share,
        gap,
        alone,
        list(profiles),
        result.factor_names,
        f"{title}: factor-granularity profile",
        note,
    )


def _panels(
    by_dimension: np.ndarray,
    by_group: np.ndarray | None,
    partition: LatentPartition,
    factors: list[str],
    quiet: Sequence[int],
) -> list[Panel]:
    """(D, F) and (G, F), the second left out where groups are single dimensions; inactive units
    say so.
    """
    dim = len(by_dimension)
    latents = marked([f"z{d}" for d in range(dim)], [(d,) for d in range(dim)], quiet)
    panels = [Panel("by dimension", by_dimension, latents, factors)]
    if by_group is not None and partition.num_groups < partition.latent_dim:
        groups = marked(partition.labels, partition.groups, quiet)
        panels.append(Panel("by group", by_group, groups, factors))
    return panels


def _factors(protocol: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    return [names[f] for f in protocol["kept_factors"]]


def _facts(protocol: Mapping[str, Any]) -> str:
    dropped = protocol["dropped_factors"]
    return f"{protocol['num_samples']} points" + (
        f", {len(dropped)} factor(s) of one value left out" if dropped else ""
    )

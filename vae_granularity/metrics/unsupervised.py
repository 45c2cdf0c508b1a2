"""Scores without labels: Gaussian total correlation, Gaussian Wasserstein correlation, mutual
information score.

As in Locatello et al. (arXiv 1811.12359, section "unsupervised scores"). The code is treated as a
Gaussian with its covariance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vae_granularity.metrics.core import histogram, inactive
from vae_granularity.metrics.core.inputs import Array, as_latents, units
from vae_granularity.metrics.core.result import MetricResult, Scores
from vae_granularity.metrics.core.table_metric import TableMetric
from vae_granularity.partition import LatentPartition


@dataclass(frozen=True, eq=False, kw_only=True)
class UnsupervisedResult(MetricResult):
    standard_error = "subsamples"
    covariance: Array  # (D, D), with n - 1
    mi_matrix: (
        Array  # (A, A) nats, between the 20-bin histograms of the latents that are not constant
    )
    active_latents: tuple[int, ...]

    def rescore(self, partition: LatentPartition) -> Scores:
        live = live_groups(partition.groups, self.active_latents)
        return {
            "gaussian_tc_group": gaussian_tc(self.covariance, live),
            "gaussian_wasserstein_group": gaussian_wasserstein(self.covariance, live)
            if live
            else None,
        }


def unsupervised(
    latents: Any, *, num_bins: int = 20, partition: LatentPartition | None = None, kl: Any = None
) -> UnsupervisedResult:
    """`gaussian_tc` = ½(Σ log Σ_dd - log det Σ); `gaussian_wasserstein` = 2 tr Σ - 2 tr (diag(Σ)
    Σ)^½, `…_norm` divides by tr Σ; `mutual_info_score` = mean off-diagonal mutual information of
    histograms. Constant latents are left out and counted.

    A partition adds the dependence between groups: `gaussian_tc_group` = ½(Σ_g log det Σ_gg - log
    det Σ) and `gaussian_wasserstein_group`, with the block diagonal for diag(Σ). A singular
    dependence (one unit a linear function of the others) has
    infinite TC: missing, and `singular` in the protocol.

    Args:
        kl: (D,) mean KL of each dimension in nats; None, or those of at most 0.01 are left out.

    Raises:
        ArgumentError: bad table or partition, num_bins outside [2, n].
    """
    z = inactive.silenced(as_latents(latents, min_rows=2), kl)
    groups = units(partition, z.shape[1])
    active = np.ptp(z, axis=0) > 1e-12 * np.abs(z).max(0)
    alive = np.flatnonzero(active)
    covariance = np.atleast_2d(np.cov(z, rowvar=False))
    mi = (
        histogram.mutual_information(*(2 * (histogram.discretize(z[:, active], num_bins),)))
        if len(alive)
        else np.zeros((0, 0))
    )
    scores: Scores = {}
    singular = []
    for suffix, of in (
        ("", units(None, z.shape[1])),
        ("_group", groups if partition is not None else None),
    ):
        if of is None:
            continue
        live = live_groups(of, alive.tolist())
        tc = gaussian_tc(covariance, live)
        if live and tc is None:
            singular.append(f"gaussian_tc{suffix}")
        scores[f"gaussian_tc{suffix}"] = tc
        scores[f"gaussian_wasserstein{suffix}"] = (
            gaussian_wasserstein(covariance, live) if live else None
        )
    trace, distance = float(np.trace(covariance)), scores["gaussian_wasserstein"]
    scores["gaussian_wasserstein_norm"] = None if distance is None else distance / trace
    pairs = mi[~np.eye(len(mi), dtype=bool)]
    scores["mutual_info_score"] = float(pairs.mean()) if len(pairs) else None
    protocol = {
        "num_samples": len(z),
        "num_bins": num_bins,
        "found": {
            "dead_latents": np.flatnonzero(~active).tolist(),
            "singular": singular,
            **inactive.found(kl, len(active)),
        },
    }
    return UnsupervisedResult(
        scores=scores,
        protocol=protocol,
        covariance=covariance,
        mi_matrix=mi,
        active_latents=tuple(alive.tolist()),
    )


def live_groups(groups: Sequence[Sequence[int]], active: Sequence[int]) -> list[list[int]]:
    """The active dimensions of each group; groups without one are left out."""
    return [group for group in ([d for d in unit if d in active] for unit in groups) if group]


def gaussian_tc(covariance: Array, groups: Sequence[Sequence[int]]) -> float | None:
    """Total correlation between groups of a Gaussian, in nats: covariance (D, D). None where it is
    infinite, or without groups.

    Each group is whitened on its own, which leaves -½ log det of the whitened covariance:
    duplicates inside a group drop out.
    """
    whiteners = [_whitener(covariance[np.ix_(group, group)]) for group in groups]
    if not whiteners:
        return None
    rows = [
        np.hstack(
            [wa.T @ covariance[np.ix_(a, b)] @ wb for b, wb in zip(groups, whiteners, strict=True)]
        )
        for a, wa in zip(groups, whiteners, strict=True)
    ]
    eigenvalues = np.linalg.eigvalsh(np.vstack(rows))
    if eigenvalues[0] <= 1e-13 * len(eigenvalues):
        return None
    return max(0.0, float(-0.5 * np.sum(np.log(eigenvalues))))


def gaussian_wasserstein(covariance: Array, groups: Sequence[Sequence[int]]) -> float:
    """Squared 2-Wasserstein distance between N(0, Σ) and N(0, block diagonal of Σ)."""
    dims = [d for group in groups for d in group]
    sigma = covariance[np.ix_(dims, dims)]
    labels = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    values, vectors = np.linalg.eigh(np.where(labels[:, None] == labels, sigma, 0.0))
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    # tr (BΣ)^½ = tr (B^½ Σ B^½)^½, whose argument is symmetric.
    overlap = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ sigma @ root), 0)).sum()
    return float(2 * np.trace(sigma) - 2 * overlap)


def _whitener(block: Array) -> Array:
    values, vectors = np.linalg.eigh(block)
    kept = values > 1e-12 * values[-1]
    return vectors[:, kept] / np.sqrt(values[kept])


class Unsupervised(TableMetric):
    """`unsupervised` over collected batches of latents."""

    function = staticmethod(unsupervised)
    inputs = ("latents",)

"""Scores without labels (Locatello et al., arXiv 1811.12359): Gaussian total correlation, Gaussian
Wasserstein correlation (the code as a Gaussian with its covariance), mutual information score.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vae_granularity.metrics.core import histogram, inactive
from vae_granularity.metrics.core.inputs import Array, as_latents, unit_sets
from vae_granularity.metrics.core.result import MetricResult, Scores
from vae_granularity.partition import LatentPartition

OF_UNITS = ("gaussian_tc", "gaussian_wasserstein")


@dataclass(frozen=True, eq=False, kw_only=True)
class UnsupervisedResult(MetricResult):
    score_names = (
        *OF_UNITS,
        *(f"{name}_group" for name in OF_UNITS),
        "gaussian_wasserstein_norm",
        "mutual_info_score",
    )
    covariance: Array  # (D, D), with n - 1
    mi_matrix: Array  # (A, A) nats, between histograms of the latents that are not constant
    active_latents: tuple[int, ...]

    def rescore(self, partition: LatentPartition) -> Scores:
        on = np.isin(np.arange(len(self.covariance)), self.active_latents)
        return _of_units(self.covariance, inactive.active_groups(partition.groups, on), "_group")


def unsupervised(
    latents: Any, *, num_bins: int = 20, partition: LatentPartition | None = None, kl: Any = None
) -> UnsupervisedResult:
    """Gaussian TC, Gaussian Wasserstein correlation, mutual information score of latents (n, D).

    `gaussian_tc` = ½(Σ log Σ_dd - log det Σ); `gaussian_wasserstein` = 2 tr Σ - 2 tr (diag(Σ) Σ)^½,
    `…_norm` divides by tr Σ; `mutual_info_score` = mean off-diagonal mutual information of
    histograms. Constant latents are left out and counted.

    A partition adds the dependence between groups: `gaussian_tc_group` = ½(Σ_g log det Σ_gg - log
    det Σ) and `gaussian_wasserstein_group`, with the block diagonal for diag(Σ). A singular
    dependence (one unit a linear function of the others) has infinite TC: missing, and `singular`
    in the protocol.

    Args:
        kl: (D,) mean KL of each dimension in nats; None, or those of at most 0.01 are left out.

    Raises:
        ArgumentError: bad table or partition, num_bins outside [2, n].
    """
    z = inactive.silenced(as_latents(latents, min_rows=2), kl)
    units, active = unit_sets(partition, z.shape[1]), inactive.active(z)
    covariance = np.atleast_2d(np.cov(z, rowvar=False))
    mi = np.zeros((0, 0))
    if active.any():
        bins = histogram.discretize(z[:, active], num_bins)
        mi = histogram.mutual_information(bins, bins)
    scores: Scores = {}
    for suffix, groups in units.items():
        scores |= _of_units(covariance, inactive.active_groups(groups, active), suffix)
    tcs = [name for name in scores if name.startswith("gaussian_tc")]
    singular = [name for name in tcs if active.any() and scores[name] is None]
    distance = scores["gaussian_wasserstein"]
    scores["gaussian_wasserstein_norm"] = (
        None if distance is None else distance / float(np.trace(covariance))
    )
    pairs = mi[~np.eye(len(mi), dtype=bool)]
    scores["mutual_info_score"] = float(pairs.mean()) if len(pairs) else None
    found = {"dead_latents": inactive.indices(~active), "singular": singular}
    found |= inactive.found(kl, len(active))
    return UnsupervisedResult(
        scores=scores,
        protocol={"num_samples": len(z), "num_bins": num_bins, "found": found},
        covariance=covariance,
        mi_matrix=mi,
        active_latents=tuple(inactive.indices(active)),
    )


def _of_units(covariance: Array, groups: Sequence[Sequence[int]], suffix: str) -> Scores:
    live = [group for group in groups if group]
    found = (gaussian_tc(covariance, live), gaussian_wasserstein(covariance, live))
    return {f"{name}{suffix}": value for name, value in zip(OF_UNITS, found, strict=True)}


def gaussian_tc(covariance: Array, groups: Sequence[Sequence[int]]) -> float | None:
    """Total correlation between groups of a Gaussian (D, D) in nats; None if infinite or no group.

    Each group is whitened on its own, which leaves -½ log det of the whitened covariance:
    duplicates inside a group drop out.

    >>> round(gaussian_tc(np.array([[1.0, 0.5], [0.5, 1.0]]), [[0], [1]]), 4)  # -½ log(1 - 0.5²)
    0.1438
    """
    if not groups:
        return None
    whiten = [(list(group), _whitener(covariance[np.ix_(group, group)])) for group in groups]
    blocks = [[wa.T @ covariance[np.ix_(a, b)] @ wb for b, wb in whiten] for a, wa in whiten]
    eigenvalues = np.linalg.eigvalsh(np.block(blocks))
    if eigenvalues[0] <= 1e-13 * len(eigenvalues):
        return None
    return max(0.0, float(-0.5 * np.sum(np.log(eigenvalues))))


def gaussian_wasserstein(covariance: Array, groups: Sequence[Sequence[int]]) -> float | None:
    """Squared 2-Wasserstein distance of N(0, Σ) and N(0, blocks of Σ); None without groups."""
    if not groups:
        return None
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

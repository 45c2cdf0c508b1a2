"""Interventional robustness (Suter et al. 2019, arXiv 1811.00007): latents that hold still."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vae_granularity.errors import number
from vae_granularity.metrics.core import inactive
from vae_granularity.metrics.core.inputs import (
    Array,
    Codes,
    FactorKinds,
    labelled_sample,
    unit_sets,
)
from vae_granularity.metrics.core.result import MetricResult, Scores
from vae_granularity.partition import LatentPartition


@dataclass(frozen=True, eq=False, kw_only=True)
class IRSResult(MetricResult):
    score_names = ("irs", "irs_group")
    needs = ("space",)  # labels that are not all factors cannot say what the others do
    active_latents: tuple[int, ...]  # A dimensions that are not constant
    irs_matrix: Array  # (A, F)
    max_deviations: Array  # (A,) the weights
    disentanglement_scores: Array  # (A,) best factor of each
    irs_matrix_group: Array | None  # (G', F), groups with an active dimension


def irs(
    latents: Any,
    factors: Any,
    *,
    diff_quantile: float = 0.99,
    partition: LatentPartition | None = None,
    factor_kinds: FactorKinds = None,
) -> IRSResult:
    """Mean over units, by largest deviation, of the robustness to all factors but the best one.

    Of a unit and a factor: 1 - (mean over the factor's values of the `diff_quantile` of |z - mean(z
    | value)|) / max |z - mean(z)|. The deviation of a group is the largest among its dimensions
    (maximum norm). Constant latents are left out. Factors keep their values: the reference cuts
    them into 20 bins like latents, which merges values of larger factors.

    Args:
        latents: (n, D); factors: (n, F) integers.
        diff_quantile: in [0, 1].
        partition: adds `irs_group`.
        factor_kinds: one kind for all factors or one each, see `core.inputs.FACTOR_KINDS`.

    Raises:
        ArgumentError: bad tables or partition, diff_quantile outside [0, 1].

    >>> irs([[0.0], [0.0], [1.0], [1.0]], [[0, 0], [0, 1], [1, 0], [1, 1]]).scores
    {'irs': 1.0}
    """
    diff_quantile = number("diff_quantile", diff_quantile, 0, 1)
    sample = labelled_sample(latents, factors, factor_kinds=factor_kinds)
    dim = sample.latents.shape[1]
    units, active = unit_sets(partition, dim), inactive.active(sample.latents)
    scores: Scores = {}
    robustness = {}
    for suffix, groups in units.items():
        live = [group for group in inactive.active_groups(groups, active) if group]
        found = _robustness(sample.latents, live, sample.factors, diff_quantile)
        robustness[suffix], scores[f"irs{suffix}"] = found, _weighted(*found)
    matrix, weights = robustness[""]
    found = {"dead_latents": inactive.indices(~active)}
    return IRSResult(
        scores=scores,
        protocol=sample.protocol() | {"diff_quantile": diff_quantile, "found": found},
        active_latents=tuple(inactive.indices(active)),
        irs_matrix=matrix,
        max_deviations=weights,
        disentanglement_scores=matrix.max(1),
        irs_matrix_group=robustness["_group"][0] if partition else None,
    )


def _robustness(
    latents: Array, groups: Sequence[Sequence[int]], factors: Codes, diff_quantile: float
) -> tuple[Array, Array]:
    def deviations(z: Array) -> Array:
        distance = np.abs(z - z.mean(0))
        columns = [distance[:, group].max(1) for group in groups]
        return np.column_stack(columns) if columns else distance[:, :0]

    largest = deviations(latents).max(0)
    matrix = np.empty((len(groups), factors.shape[1]))
    for f, factor in enumerate(factors.T):
        order = np.argsort(factor, kind="stable")
        cells = np.split(latents[order], np.flatnonzero(np.diff(factor[order])) + 1)
        inside = [np.quantile(deviations(cell), diff_quantile, axis=0) for cell in cells]
        matrix[:, f] = 1 - np.mean(inside, axis=0) / largest
    return matrix, largest


def _weighted(matrix: Array, weights: Array) -> float | None:
    return float(np.average(matrix.max(1), weights=weights)) if len(matrix) else None

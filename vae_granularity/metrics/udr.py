"""Unsupervised disentanglement ranking (Duan et al. 2020, arXiv 1905.12614): models that agree with
their siblings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torchmetrics import Metric
from torchmetrics.utilities.data import dim_zero_cat

from vae_granularity.errors import ArgumentError, choice, integer
from vae_granularity.metrics.core.inputs import Array, NoGroupForm, as_array, as_latents, units
from vae_granularity.metrics.core.result import MetricResult, Scores
from vae_granularity.partition import LatentPartition

CORRELATIONS = ("spearman", "lasso")
LASSO_ALPHA = 0.1


@dataclass(frozen=True, eq=False, kw_only=True)
class UDRResult(MetricResult):
    active_latents: NDArray[np.bool_]  # (models, D)
    raw_correlations: Array  # (models, models, D, D): rows are latents of the first model, columns of the second; 0 where not active
    pairwise: Array  # (models, models)
    model_scores: Array  # (models,) median agreement of each model with the others
    model_scores_group: Array | None


def udr(
    latents: Sequence[Any],
    *,
    kl: Any = None,
    correlation: str = "spearman",
    partition: LatentPartition | None = None,
    kl_threshold: float = 0.01,
) -> UDRResult:
    """Agreement of models that differ in their seed, on the same images; the score is the mean over
    models.

    Of two models, a latent × latent matrix R of |rank correlations| or of |Lasso coefficients|
    (alpha = 0.1); its agreement is the average of the means over columns and over rows of max² /
    sum; a model's score is the median over the others.

    Args:
        latents: one (n, D) table a model, rows in the same order of images.
        kl: (models, D) mean KL of each latent in nats; latents at or below `kl_threshold` are left
            out. None leaves out constant ones.
        correlation: `spearman` or `lasso`.
        partition: adds `udr_group`, R the largest canonical correlation of the ranks of two groups
            (Spearman only).

    Raises:
        ArgumentError: fewer than two models, tables that disagree, bad kl, too few rows for the
            groups.
        NoGroupForm: a partition with Lasso.
    """
    choice("correlation", correlation, CORRELATIONS)
    tables = [as_latents(table, f"latents[{m}]", min_rows=3) for m, table in enumerate(latents)]
    if len(tables) < 2:
        raise ArgumentError(f"latents must hold the tables of at least 2 models, got {len(tables)}")
    for m, table in enumerate(tables):
        if table.shape != tables[0].shape:
            raise ArgumentError(
                f"latents[{m}] must have the shape of latents[0], {tables[0].shape}, got {table.shape}"
            )
    n, dim = tables[0].shape
    groups = units(partition, dim)
    if partition is not None and correlation == "lasso":
        raise NoGroupForm(
            "partition must be None with correlation='lasso', which has no group form; use correlation='spearman'"
        )
    if n <= 2 * max(map(len, groups)):
        raise ArgumentError(
            f"latents must have more rows than twice the largest group, {2 * max(map(len, groups))}, got {n}"
        )
    active = np.stack([np.ptp(table, axis=0) > 1e-12 * np.abs(table).max(0) for table in tables])
    if kl is not None:
        divergence = np.stack([as_array("kl", row) for row in kl])
        if divergence.shape != active.shape or not np.isfinite(divergence).all():
            raise ArgumentError(
                f"kl must be finite numbers of shape {active.shape}, got shape {divergence.shape}"
            )
        active &= divergence > kl_threshold
    singles = units(None, dim)
    relate = _canonical if correlation == "spearman" else _lasso
    prepared = [
        _ranks(table) if correlation == "spearman" else _standardized(table, on)
        for table, on in zip(tables, active, strict=True)
    ]
    raw = relate(prepared, active, singles)
    pairwise, model_scores = _agreement(raw, active)
    scores: Scores = {"udr": float(model_scores.mean())}
    by_group = None
    if partition is not None:
        alive = np.stack([[bool(on[list(group)].any()) for group in groups] for on in active])
        by_group = _agreement(relate(prepared, active, groups), alive)[1]
        scores["udr_group"] = float(by_group.mean())
    protocol = {
        "num_models": len(tables),
        "num_samples": n,
        "correlation": correlation,
        "kl_threshold": None if kl is None else kl_threshold,
        "found": {"num_active_latents": active.sum(1).tolist()},
    }
    return UDRResult(
        scores=scores,
        protocol=protocol,
        active_latents=active,
        raw_correlations=raw,
        pairwise=pairwise,
        model_scores=model_scores,
        model_scores_group=by_group,
    )


def _ranks(table: Array) -> Array:
    from scipy.stats import rankdata

    ranks = rankdata(table, axis=0)
    return ranks - ranks.mean(0)


def _standardized(table: Array, active: NDArray[np.bool_]) -> Array:
    result = np.zeros_like(table)
    result[:, active] = (table[:, active] - table[:, active].mean(0)) / table[:, active].std(0)
    return result


def _canonical(
    ranks: list[Array], active: NDArray[np.bool_], groups: Sequence[Sequence[int]]
) -> Array:
    """Largest canonical correlation of every two groups; of single dimensions it is |Spearman's
    rho|.
    """
    bases = [
        [_basis(table[:, [d for d in group if on[d]]]) for group in groups]
        for table, on in zip(ranks, active, strict=True)
    ]
    result = np.zeros((len(ranks), len(ranks), len(groups), len(groups)))
    for i, first in enumerate(bases):
        for j, second in enumerate(bases):
            for a, left in enumerate(first):
                for b, right in enumerate(second):
                    if left.shape[1] and right.shape[1]:
                        result[i, j, a, b] = min(1.0, float(np.linalg.norm(left.T @ right, 2)))
    return result


def _basis(columns: Array) -> Array:
    if not columns.shape[1]:
        return columns
    basis, sizes, _ = np.linalg.svd(columns, full_matrices=False)
    return basis[:, sizes > 1e-10 * sizes[0]]


def _lasso(
    tables: list[Array], active: NDArray[np.bool_], groups: Sequence[Sequence[int]]
) -> Array:
    """|coefficients| of predicting each latent of the second model from all of the first, (models,
    models, D, D).
    """
    from sklearn.linear_model import Lasso

    dim = len(groups)
    result = np.zeros((len(tables), len(tables), dim, dim))
    for i, first in enumerate(tables):
        for j, second in enumerate(tables):
            result[i, j] = np.abs(
                Lasso(alpha=LASSO_ALPHA).fit(first, second).coef_.reshape(dim, dim).T
            )
    return result


def _agreement(raw: Array, active: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Pairwise agreement (models, models) and the median of each model with the others
    (models,).
    """
    models = len(raw)
    pairwise = np.array(
        [
            [_score(raw[i, j][np.ix_(active[i], active[j])]) for j in range(models)]
            for i in range(models)
        ]
    )
    others = ~np.eye(models, dtype=bool)
    return pairwise, np.array([np.median(pairwise[others[:, i], i]) for i in range(models)])


def _score(r: Array) -> float:
    if not r.size:
        return 0.0
    shares = [
        np.divide(
            r.max(axis) ** 2, r.sum(axis), out=np.zeros(r.shape[1 - axis]), where=r.sum(axis) > 0
        ).mean()
        for axis in (0, 1)
    ]
    return float(np.mean(shares))


class UDR(Metric):
    """`udr` over collected batches of `num_models` models: `update([latents of each model])`."""

    full_state_update = False
    is_differentiable = False
    higher_is_better = True

    def __init__(
        self,
        num_models: int,
        *,
        kl: Any = None,
        correlation: str = "spearman",
        partition: LatentPartition | None = None,
    ) -> None:
        super().__init__()
        self.num_models = integer("num_models", num_models, 2)
        self.options = {"kl": kl, "correlation": correlation, "partition": partition}
        for m in range(num_models):
            self.add_state(f"latents_{m}", [], dist_reduce_fx="cat")

    def update(self, latents: Sequence[Any]) -> None:
        """Add a batch of each model: `num_models` tables (b, D). Raises ArgumentError for another
        number.
        """
        import torch

        if len(latents) != self.num_models:
            raise ArgumentError(
                f"latents must hold the tables of {self.num_models} models, got {len(latents)}"
            )
        for m, table in enumerate(latents):
            getattr(self, f"latents_{m}").append(torch.as_tensor(table).detach())

    def result(self) -> UDRResult:
        """The pure function's result on everything collected so far."""
        return udr(
            [dim_zero_cat(getattr(self, f"latents_{m}")) for m in range(self.num_models)],
            **self.options,
        )

    def compute(self) -> dict[str, Any]:
        """Defined scores as float tensors."""
        import torch

        return {
            name: torch.tensor(value)
            for name, value in self.result().scores.items()
            if value is not None
        }

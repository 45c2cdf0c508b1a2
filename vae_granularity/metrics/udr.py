"""Unsupervised disentanglement ranking (Duan et al. 2020, arXiv 1905.12614): models that agree with
their siblings.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vae_granularity.errors import ArgumentError, choice, integer
from vae_granularity.metrics.core import factor_matrix, inactive
from vae_granularity.metrics.core.group_scores import Null, null_scores, random_partitions
from vae_granularity.metrics.core.inputs import Array, NoGroupForm, as_array, as_latents, groups_of
from vae_granularity.metrics.core.result import MetricResult, Scores
from vae_granularity.metrics.core.table_metric import TableMetric
from vae_granularity.partition import LatentPartition

CORRELATIONS = ("spearman", "lasso")
LASSO_ALPHA = 0.1


@dataclass(frozen=True, eq=False, kw_only=True)
class UDRResult(MetricResult):
    score_names = ("udr", "udr_group", "udr_null_group", "udr_null_sd_group", "udr_lift_group")
    active_latents: NDArray[np.bool_]  # (models, D)
    # (models, models, D, D): rows are latents of the first model, columns of the second; 0 where
    # not active.
    raw_correlations: Array
    pairwise: Array  # (models, models)
    model_scores: Array  # (models,) median agreement of each model with the others
    of_models: tuple[Scores, ...]  # the same scores of each model


def udr(
    latents: Sequence[Any],
    *,
    kl: Any = None,
    correlation: str = "spearman",
    partition: LatentPartition | None = None,
    kl_threshold: float = 0.01,
    null_draws: int = 20,
    seed: int = 0,
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
            (Spearman only); missing where there is one group, which has no other to be taken
            for.
        null_draws: random partitions of the same sizes, of each model its own, behind
            `udr_null_group`, `udr_null_sd_group` and `udr_lift_group` (see
            `group_scores.null_scores`; missing for G = 1 and G = D); 0 for none.
        seed: of these partitions.

    Raises:
        ArgumentError: fewer than two models, tables that disagree, bad kl, too few rows for the
            groups, null_draws of 1.
        NoGroupForm: a partition with Lasso.
    """
    choice("correlation", correlation, CORRELATIONS)
    if integer("null_draws", null_draws, 0) == 1:
        raise ArgumentError("null_draws must be 0 or at least 2, got 1")
    tables = [as_latents(table, f"latents[{m}]", min_rows=3) for m, table in enumerate(latents)]
    if len(tables) < 2:
        raise ArgumentError(f"latents must hold the tables of at least 2 models, got {len(tables)}")
    n, dim = tables[0].shape
    for m, table in enumerate(tables):
        if table.shape != (n, dim):
            shapes = f"the shape of latents[0], {(n, dim)}, got {table.shape}"
            raise ArgumentError(f"latents[{m}] must have {shapes}")
    groups = groups_of(partition, dim)
    if partition is not None and correlation == "lasso":
        raise NoGroupForm(
            "partition must be None with correlation='lasso', which has no group form; use"
            " correlation='spearman'"
        )
    widest = 2 * max(map(len, groups))
    if n <= widest:
        rows = f"more rows than twice the largest group, {widest}, got {n}"
        raise ArgumentError(f"latents must have {rows}")
    active = np.stack([inactive.active(table) for table in tables])
    if kl is not None:
        divergence = np.stack([as_array("kl", row) for row in kl])
        if divergence.shape != active.shape or not np.isfinite(divergence).all():
            raise ArgumentError(
                f"kl must be finite numbers of shape {active.shape}, got shape {divergence.shape}"
            )
        active &= divergence > kl_threshold
    prepare, relate = (_ranks, _canonical) if correlation == "spearman" else (_scaled, _lasso)
    prepared = [prepare(table, on) for table, on in zip(tables, active, strict=True)]
    raw = relate(prepared, active, [groups_of(None, dim)] * len(tables))
    pairwise, model_scores = _agreement(raw, active)
    scores: Scores = {"udr": float(model_scores.mean())}
    of_models: list[Scores] = [{"udr": float(score)} for score in model_scores]
    protocol = {
        "num_models": len(tables),
        "num_samples": n,
        "correlation": correlation,
        "kl_threshold": None if kl is None else kl_threshold,
        "found": {"num_active_latents": active.sum(1).tolist()},
    }
    if partition is not None:
        own, dealt = _by_groups(prepared, active, partition, null_draws, seed)
        protocol |= {"null_draws": null_draws, "seed": seed}
        nulls = ["udr_group"] if null_draws else []
        scores |= _beside_null(own.mean() if own.size else None, dealt.mean(1), nulls)
        for m, of_model in enumerate(of_models):
            of_model |= _beside_null(own[m] if own.size else None, dealt[:, m], nulls)
    return UDRResult(
        scores=scores,
        protocol=protocol,
        active_latents=active,
        raw_correlations=raw,
        pairwise=pairwise,
        model_scores=model_scores,
        of_models=tuple(of_models),
    )


def _by_groups(
    tables: list[Array],
    active: NDArray[np.bool_],
    partition: LatentPartition,
    null_draws: int,
    seed: int,
) -> tuple[Array, Array]:
    """Agreement of each model by groups (models,) and by `null_draws` random partitions (draws,
    models), from tables of ranks; empty where undefined.
    """
    models = len(tables)
    own, dealt = np.empty(0), np.empty((0, models))

    def by(partitions: Sequence[LatentPartition]) -> Array:
        groups = [each.groups for each in partitions]
        live = [inactive.active_groups(of, on) for on, of in zip(active, groups, strict=True)]
        alive = np.array([[bool(dims) for dims in of] for of in live])
        return _agreement(_canonical(tables, active, groups), alive)[1]

    if partition.num_groups > 1:
        own = by([partition] * models)
    if null_draws and 1 < partition.num_groups < partition.latent_dim:
        # A model's own order of its latents means nothing: each is dealt its own groups.
        deals = random_partitions(partition, null_draws * models, seed)
        dealt = np.stack([by(deals[i::null_draws]) for i in range(null_draws)])
    return own, dealt


def _beside_null(score: float | None, dealt: Array, nulls: Sequence[str]) -> Scores:
    """`udr_group` and the nulls of `nulls`, from the scores under random partitions (draws,), which
    are none where there is no null.
    """
    score = None if score is None else float(score)
    null = None if score is None or not len(dealt) else Null.of(score, dealt)
    return {"udr_group": score} | null_scores({"udr_group": null}, nulls)


def _ranks(table: Array, active: NDArray[np.bool_]) -> Array:
    """Ranks of each column of a table (n, D), of mean 0."""
    from scipy.stats import rankdata

    order = rankdata(table, axis=0)
    return order - order.mean(0)


def _scaled(table: Array, active: NDArray[np.bool_]) -> Array:
    """Columns (n, D) of mean 0 and deviation 1; 0 where not active."""
    result = np.zeros_like(table)
    result[:, active] = (table[:, active] - table[:, active].mean(0)) / table[:, active].std(0)
    return result


def _canonical(
    ranks: list[Array], active: NDArray[np.bool_], groups: Sequence[Sequence[Sequence[int]]]
) -> Array:
    """Largest canonical correlation of every group of a model with every group of another, of
    single dimensions |Spearman's rho|; groups are given for each model.
    """
    bases = [
        [factor_matrix.basis(table[:, dims]) for dims in inactive.active_groups(of, on)]
        for table, on, of in zip(ranks, active, groups, strict=True)
    ]
    joined = [np.hstack(of) for of in bases]
    ends = [np.cumsum([basis.shape[1] for basis in of])[:-1] for of in bases]
    result = np.zeros((len(ranks), len(ranks), len(groups[0]), len(groups[0])))
    for i, first in enumerate(joined):
        for j, second in enumerate(joined):
            for a, rows in enumerate(np.split(first.T @ second, ends[i])):
                for b, block in enumerate(np.split(rows, ends[j], axis=1)):
                    if block.size:
                        result[i, j, a, b] = min(1.0, float(np.linalg.norm(block, 2)))
    return result


def _lasso(
    tables: list[Array], active: NDArray[np.bool_], groups: Sequence[Sequence[Sequence[int]]]
) -> Array:
    """|coefficients| of predicting each latent of the second model from all of the first, (models,
    models, D, D).
    """
    from sklearn.linear_model import Lasso

    dim, model = len(groups[0]), Lasso(alpha=LASSO_ALPHA)
    found = [[model.fit(a, b).coef_.reshape(dim, dim).T for b in tables] for a in tables]
    return np.abs(np.array(found))


def _agreement(raw: Array, active: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Pairwise agreement (models, models) and the median of each model with the others
    (models,).
    """
    models = range(len(raw))
    parts = [[raw[i, j][np.ix_(active[i], active[j])] for j in models] for i in models]
    pairwise = np.array([[_score(part) for part in row] for row in parts])
    others = ~np.eye(len(raw), dtype=bool)
    return pairwise, np.array([np.median(pairwise[others[:, i], i]) for i in models])


def _score(r: Array) -> float:
    if not r.size:
        return 0.0
    sums = (r.sum(axis) for axis in (0, 1))
    largest = (r.max(axis) ** 2 for axis in (0, 1))
    shares = [
        np.divide(top, of, out=np.zeros_like(of), where=of > 0).mean()
        for top, of in zip(largest, sums, strict=True)
    ]
    return float(np.mean(shares))


class UDR(TableMetric):
    """`udr` over collected batches of `num_models` models: `update([latents of each model])`."""

    function = staticmethod(udr)

    def __init__(self, num_models: int, **options: Any) -> None:
        count = integer("num_models", num_models, 2)
        self.inputs = tuple(f"latents_{m}" for m in range(count))
        super().__init__(**options)

    def update(self, *arrays: Any, test: bool = False) -> None:
        """Add a batch: one list of a table (b, D) for each model, whose number is checked."""
        (latents,) = arrays
        count = len(self.inputs)
        if len(latents) != count:
            raise ArgumentError(
                f"latents must hold the tables of {count} models, got {len(latents)}"
            )
        super().update(*latents, test=test)

    def result(self) -> UDRResult:
        """The pure function's result on everything collected so far."""
        return udr(self.table(), **self.options)

"""InfoM, InfoC, InfoE: modularity, compactness and explicitness as information (Hsu et al. 2023,
arXiv 2310.10644).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vae_granularity.metrics.core import (
    classifiers,
    factor_matrix,
    histogram,
    inactive,
    knn,
    unit_information,
)
from vae_granularity.metrics.core.inputs import (
    Array,
    FactorKinds,
    LabelledSample,
    mean_ranks,
    unit_sets,
)
from vae_granularity.metrics.core.result import MetricResult, Scores
from vae_granularity.partition import LatentPartition

MOST_BIAS = 0.1  # share of a factor's entropy, of the plug-in estimate of a discrete group


@dataclass(frozen=True, eq=False, kw_only=True)
class InfoMECResult(MetricResult):
    score_names = ("infom", "infoc", "infoe", "infom_group", "infoc_group")
    nmi: Array  # (D, F) mutual information / entropy of the factor; 0 for inactive latents
    active_latents: NDArray[np.bool_]  # (D,)
    explicitness_per_factor: Array  # (F,)
    nmi_group: Array | None  # (G, F)


def infomec(
    latents: Any,
    factors: Any,
    *,
    discrete_latents: bool = False,
    partition: LatentPartition | None = None,
    seed: int = 0,
    num_neighbors: int = 10,
    kl: Any = None,
    factor_kinds: FactorKinds = None,
) -> InfoMECResult:
    """InfoM: how much of a latent's information is on one factor; InfoC: how much of a factor's
    information is in one latent;
    InfoE: how well a linear readout predicts the factors. 0 is chance, 1 is best.

    Continuous factors: k-NN information on the tenth of the ranks that a factor lies in, so that
    there is an entropy to share; the readout is a linear regression of ranks on latents by rank,
    and InfoE its R². A monotone map of the labels changes nothing.

    Latents are active if their range exceeds a 20th of the widest one (continuous, without
    outliers: see `inactive.typical_range`) or 0 (discrete).
    InfoM averages over the active latents that share information with a factor; the reference is
    nan where one shares none. It does not vanish on noise.

    Args:
        latents: (n, D); continuous ones get k-NN mutual information, discrete ones plug-in mutual
            information of their values.
        factors: (n, F) numbers.
        partition: adds `infom_group` and `infoc_group`, from the information in each group's active
            dimensions as one vector (see `unit_information`).
        seed: of the tie-breaking noise and of the halves that groups are cross-fitted on.
        kl: (D,) mean KL of each dimension in nats; None, or those of at most 0.01 are left out.
        factor_kinds: one kind for all factors or one each, see `core.inputs.FACTOR_KINDS`.

    Raises:
        ArgumentError: bad tables or partition; not more rows than `num_neighbors`.
    """
    sample = unit_information.knn_sample(latents, factors, num_neighbors, kl, factor_kinds)
    units = unit_sets(partition, sample.latents.shape[1])
    active = active_latents(sample.latents, discrete=discrete_latents)
    entropy, known = histogram.entropies(sample.factors), {}
    scores: Scores = {}
    shares = {}
    for suffix, groups in units.items():
        if discrete_latents:
            found = _plug_in(sample, inactive.active_groups(groups, active))
        else:
            found = unit_information.mutual_information_matrix(
                sample, inactive.active_groups(groups, active), num_neighbors, seed, known
            )
        shares[suffix] = found / entropy
        scores |= info_scores(shares[suffix], active, groups, suffix)
    explicitness, unconverged = _explicitness(sample, discrete=discrete_latents)
    noted = {
        "unconverged_fits": unconverged,
        "inactive_latents": inactive.indices(~active),
        "outlying_latents": [] if discrete_latents else inactive.outlying(sample.latents),
        **inactive.found(kl, len(active)),
        **unit_information.missing(shares.get("_group")),
        "uninformative_latents": inactive.indices(active & (shares[""].sum(1) == 0)),
    }
    asked = {"discrete_latents": discrete_latents, "num_neighbors": num_neighbors, "seed": seed}
    how = {"classifier": classifiers.version("linear"), "found": noted}
    return InfoMECResult(
        scores=scores | {"infoe": float(explicitness.mean())},
        protocol=sample.protocol() | asked | how,
        nmi=shares[""],
        active_latents=active,
        explicitness_per_factor=explicitness,
        nmi_group=shares.get("_group"),
    )


def _explicitness(sample: LabelledSample, *, discrete: bool) -> tuple[Array, int]:
    """Return InfoE of each factor (F,), and how many fits did not converge."""
    standard, alive = knn.standardize(sample.latents)
    x = _one_hot(sample.latents) if discrete else standard
    by_rank = x
    if sample.continuous.any() and not discrete:
        by_rank = np.zeros_like(x)
        for d in np.flatnonzero(alive):
            by_rank[:, d] = mean_ranks(x[:, d], x[:, d])
    values = np.empty(sample.factors.shape[1])
    unconverged = 0
    for f, factor in enumerate(sample.factors.T):
        if sample.continuous[f]:
            values[f] = factor_matrix.explained_variance(by_rank, sample.ranks(f)[0][:, None])[0]
        else:
            values[f], converged = classifiers.predictive_information(x, factor)
            unconverged += not converged
    return values, unconverged


def active_latents(latents: Array, *, discrete: bool = False) -> NDArray[np.bool_]:
    """Return which of latents (n, D) have a range, without outliers, above a 20th of the widest
    one; of discrete ones, which change at all.

    The reference takes the whole range, so that one row at 60 deviations switches off all other
    dimensions. Without outliers the two are the same.
    """
    return inactive.active(latents, least_range=0.0 if discrete else 1 / 20)


def info_scores(
    shares: Array, active: NDArray[np.bool_], groups: Sequence[Sequence[int]], suffix: str
) -> Scores:
    """`infom` and `infoc` from the shares (G, F) of the factors' entropy; units without an active
    latent do not count.
    """
    used = [bool(dims) for dims in inactive.active_groups(groups, active)]
    return {
        f"infom{suffix}": factor_matrix.mean_max_share(shares),
        f"infoc{suffix}": factor_matrix.mean_max_share(shares[used].T),
    }


def _plug_in(sample: LabelledSample, live: Sequence[Sequence[int]]) -> Array:
    """(G, F) nats of discrete groups, one variable each: its value is the tuple of their values.

    nan for a group whose tuples are so many that the bias exceeds a tenth of the factor's entropy.
    """
    tables = [sample.latents[:, list(g)] if g else np.zeros((len(sample.latents), 1)) for g in live]
    codes = [np.unique(table, axis=0, return_inverse=True)[1].ravel() for table in tables]
    codes = np.column_stack(codes)
    found = histogram.mutual_information(codes, sample.factors)
    tuples, values = (
        np.array([len(np.unique(column)) for column in table.T])
        for table in (codes, sample.factors)
    )
    bias = np.outer(tuples - 1, values - 1) / (2 * len(codes))
    joint = np.array([len(g) > 1 for g in live])[:, None]
    too_many = joint & (bias > MOST_BIAS * histogram.entropies(sample.factors))
    return np.where(too_many, np.nan, found)


def _one_hot(latents: Array) -> Array:
    return np.hstack([(column[:, None] == np.unique(column)).astype(float) for column in latents.T])

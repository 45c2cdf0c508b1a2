"""FactorVAE score (Kim and Mnih 2018, arXiv 1802.05983, section 4), per dimension and per group."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vae_granularity.errors import ArgumentError, integer, number
from vae_granularity.metrics.core import inactive
from vae_granularity.metrics.core.inputs import Array, Codes, Encode, FactorSpace, unit_sets
from vae_granularity.metrics.core.result import MetricResult, Scores
from vae_granularity.metrics.core.sampling import (
    encode_rows,
    grid_sample,
    shared_factor_batches,
    varying_factors,
)
from vae_granularity.partition import LatentPartition


@dataclass(frozen=True, eq=False, kw_only=True)
class FactorVAEScoreResult(MetricResult):
    score_names = ("factor_vae", "factor_vae_group")
    global_variances: Array  # (D,) with n - 1
    active_latents: tuple[int, ...]  # standard deviation at or above prune_std
    votes: Codes  # (D, F) training votes
    votes_group: Codes | None  # (G, F)
    train_accuracy: float


def factor_vae_score(
    encode: Encode,
    space: FactorSpace,
    *,
    seed: int = 0,
    partition: LatentPartition | None = None,
    num_train: int = 10_000,
    num_eval: int = 5_000,
    batch_size: int = 64,
    prune_std: float = 0.05,
    num_variance: int = 10_000,
    kl: Any = None,
) -> FactorVAEScoreResult:
    """Accuracy of the majority vote from "unit that varies least while one factor is held" to
    "factor held".

    A vote: among `batch_size` random points that share the value of one factor, the unit of
    smallest variance, normalised by its variance over the grid; of a group, the mean of that over
    its active dimensions. Dimensions whose standard deviation is below `prune_std` are
    left out: a constant one (0/0) would win every vote. Without an active dimension the score is
    missing.

    Args:
        encode: factors (n, F) to latents (n, D), arrays or tensors.
        space: the grid; factors of one value are never held.
        partition: adds `factor_vae_group`.
        kl: (D,) mean KL of each dimension in nats; None, or those of at most 0.01 are left out.

    Raises:
        ArgumentError: a number out of range, a bad partition, latents of the wrong shape or not
            finite, a grid of one point.
    """
    num_train, num_eval = integer("num_train", num_train, 1), integer("num_eval", num_eval, 1)
    batch_size = integer("batch_size", batch_size, 2)
    num_variance = integer("num_variance", num_variance, 2)
    prune_std = number("prune_std", prune_std, 0)
    rng = np.random.default_rng(integer("seed", seed, 0))
    varying = varying_factors(space)
    sample = grid_sample(encode, space, num_variance, rng)
    variances = sample.var(0, ddof=1)
    dim = len(variances)
    units = unit_sets(partition, dim)
    active = inactive.active(sample, kl) & (np.sqrt(variances) >= prune_std)
    live = {suffix: inactive.active_groups(of, active) for suffix, of in units.items()}
    ballots: dict[str, list[Codes]] = {suffix: [] for suffix in live}
    held: list[Codes] = []
    for factors, fixed in shared_factor_batches(space, num_train + num_eval, batch_size, rng):
        latents = encode_rows(encode, factors.reshape(-1, factors.shape[-1]), dim)
        local = batch_variances(latents.reshape(len(fixed), batch_size, dim))
        held.append(fixed)
        for suffix, of in live.items():
            ballots[suffix].append(least_varying(local, variances, of))
    labels = np.concatenate(held)
    scores: Scores = {}
    votes, train = {}, {}
    for suffix, of in live.items():
        choices, sizes = np.concatenate(ballots[suffix]), (len(of), len(space.sizes))
        votes[suffix], train[suffix], right = majority_vote(choices, labels, num_train, *sizes)
        scores[f"factor_vae{suffix}"] = right if active.any() else None
    asked = {"num_train": num_train, "num_eval": num_eval, "num_variance": num_variance}
    asked |= {"batch_size": batch_size, "prune_std": prune_std, "seed": seed}
    found = {"pruned_latents": inactive.indices(~active), **inactive.found(kl, dim)}
    return FactorVAEScoreResult(
        scores=scores,
        protocol=asked | {"kept_factors": varying, "found": found},
        global_variances=variances,
        active_latents=tuple(inactive.indices(active)),
        votes=votes[""],
        votes_group=votes.get("_group"),
        train_accuracy=train[""],
    )


def batch_variances(latents: Array) -> Array:
    """Variance with n - 1 inside each batch: (B, n, D) to (B, D)."""
    # Centred on one of its points first: the variance of a batch can be far below its mean's
    # square.
    shifted = latents - latents[:, :1]
    n = latents.shape[1]
    return (np.einsum("bnd,bnd->bd", shifted, shifted) - shifted.sum(1) ** 2 / n) / (n - 1)


def least_varying(local: Array, variances: Array, groups: Sequence[Sequence[int]]) -> Codes:
    """Unit of smallest mean normalised variance: local (B, D), variances (D,) to (B,); units
    without dimensions never win, and where all are without, the first does."""
    never = np.full(len(local), np.inf)
    means = [(local[:, g] / variances[g]).mean(1) if g else never for g in groups]
    return np.stack(means, axis=1).argmin(1)


def majority_vote(
    choices: Codes, labels: Codes, num_train: int, num_units: int, num_factors: int
) -> tuple[Codes, float, float]:
    """Votes (U, F) of the training part, and the accuracy on both parts of each unit's most
    frequent factor (the first on ties).
    """
    if len(choices) != len(labels):
        raise ArgumentError(
            f"choices must have as many rows as labels, got {len(choices)} and {len(labels)}"
        )
    pairs = choices[:num_train] * num_factors + labels[:num_train]
    table = np.bincount(pairs, minlength=num_units * num_factors).reshape(num_units, num_factors)
    right = table.argmax(1)[choices] == labels
    return table, float(right[:num_train].mean()), float(right[num_train:].mean())

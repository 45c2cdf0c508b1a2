"""Codes whose scores are known by reasoning, and every score of them, each metric computed once a
code.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch

from vae_granularity import LatentPartition, metrics
from vae_granularity.data.factors import FactorSpace
from vae_granularity.elbo import decompose_exact
from vae_granularity.metrics.core.group_scores import harmonic_scores

SPACE = FactorSpace(("a", "b", "c", "d"), (6, 6, 6, 6))
GRID = SPACE.factors(np.arange(SPACE.size))
EQUAL = 2 * GRID / 5 - 1
LINES = EQUAL * np.array([1.5, 1.2, 1.0, 0.8])
SHARP = 0.05  # posterior standard deviation: a sixth of the smallest step between two values
SIBLINGS = 3  # models behind UDR
FEW = {"num_train": 1000, "num_eval": 500}


class Code(NamedTuple):
    """Posterior means and deviations (n, D) of the grid, the table (n, D) that metrics of latents
    see, groups, number of factors.
    """

    mean: np.ndarray
    sigma: np.ndarray
    latents: np.ndarray
    partition: LatentPartition
    num_factors: int = 4


def sampled(mean: np.ndarray, sizes: list[int], seed: int, num_factors: int = 4) -> Code:
    """The table is a sample of a sharp posterior."""
    noise = np.random.default_rng(seed).normal(size=mean.shape)
    return Code(
        mean,
        np.full_like(mean, SHARP),
        mean + SHARP * noise,
        LatentPartition.from_sizes(sizes),
        num_factors,
    )


def collapsed(dim: int, sizes: list[int]) -> Code:
    """The posterior is the prior, and the table its means."""
    zero = np.zeros((len(GRID), dim))
    return Code(zero, np.ones_like(zero), zero, LatentPartition.from_sizes(sizes))


def any_rotation(dim: int, seed: int) -> np.ndarray:
    """A random orthogonal matrix (D, D)."""
    return np.linalg.qr(np.random.default_rng(100 + seed).normal(size=(dim, dim)))[0]


def perfect(seed: int) -> Code:
    """One latent a factor."""
    return sampled(LINES, [1, 1, 1, 1], seed)


def all_zero(seed: int) -> Code:
    """The means of a collapsed posterior."""
    return collapsed(4, [2, 2])


def pure_noise(seed: int) -> Code:
    """Samples of a collapsed posterior."""
    code = collapsed(4, [2, 2])
    return code._replace(latents=np.random.default_rng(seed).normal(size=code.mean.shape))


def duplicated(seed: int) -> Code:
    """Every latent of the perfect code twice, the copies in one group."""
    mean, sigma, latents, *_ = perfect(seed)
    twice = (np.repeat(table, 2, axis=1) for table in (mean, sigma, latents))
    return Code(*twice, LatentPartition.from_sizes([2, 2, 2, 2]))


def rotated(seed: int) -> Code:
    """Every latent is the sum of all factors, each with the same weight but for its sign; siblings
    are rotated otherwise.
    """
    signs = np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]])
    return sampled(LINES @ (any_rotation(4, seed) if seed else signs / 2), [1, 1, 1, 1], seed)


def permuted(seed: int) -> Code:
    """The mixed pairs in another order of dimensions, with other signs, the groups along."""
    mean, sigma, latents, partition, _ = mixed_pairs(seed)
    order, signs = [2, 0, 3, 1], np.array([-1, 1, -1, -1])
    groups = tuple(tuple(sorted(order.index(d) for d in group)) for group in partition.groups)
    return Code(mean[:, order] * signs, sigma, latents[:, order] * signs, LatentPartition(groups))


def circle(seed: int) -> Code:
    """Factor a as an angle in a group of two, each sibling from another point on."""
    angle = 2 * np.pi * GRID[:, 0] / 6 + np.pi / 6 * seed
    return sampled(
        np.column_stack((np.cos(angle), np.sin(angle), LINES[:, 1:])), [2, 1, 1, 1], seed
    )


def mixed_pairs(seed: int) -> Code:
    """Two factors mixed inside each group of two, by 45 degrees; siblings by 15 and 75."""
    angle = np.pi / 4 + (0, np.pi / 6, -np.pi / 6)[seed]
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return sampled(EQUAL @ np.kron(np.eye(2), turn), [2, 2], seed)


def one_group(seed: int) -> Code:
    """Three factors in a group of three, each mostly in two of its latents; the other group is
    collapsed, its means are 0.
    """
    mirror = np.eye(3) - 2 / 3
    held = sampled(EQUAL[:, :3] @ (any_rotation(3, seed) if seed else mirror), [3], seed, 3)
    rest = collapsed(3, [3])
    tables = (np.hstack(pair) for pair in zip(held[:3], rest[:3], strict=True))
    return Code(*tables, LatentPartition.from_sizes([3, 3]), 3)


CODES: dict[str, Callable[[int], Code]] = {
    "perfect": perfect,
    "all zero": all_zero,
    "duplicated": duplicated,
    "rotated": rotated,
    "pure noise": pure_noise,
    "permuted, signs flipped": permuted,
    "circle": circle,
    "mixed pairs": mixed_pairs,
    "all in one group": one_group,
}


def split(code: Code) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """(latents, factors) of 864 points to train on and of the other 432 to test."""
    order, factors = np.random.default_rng(1).permutation(len(GRID)), GRID[:, : code.num_factors]
    train, test = ((code.latents[rows], factors[rows]) for rows in (order[:864], order[864:]))
    return train, test


@lru_cache
def scores(name: str) -> dict[str, float | None]:
    """Every score of one code; `continuous_sap…` is SAP for continuous factors, `…_tc` the exact
    terms.
    """
    codes = [CODES[name](seed) for seed in range(SIBLINGS)]
    mean, sigma, latents, partition, num_factors = codes[0]
    factors, logvar = GRID[:, :num_factors], 2 * np.log(sigma)
    z = mean + sigma * np.random.default_rng(2).normal(size=mean.shape)
    train, test = split(codes[0])
    grouped = {"partition": partition}
    continuous = metrics.sap(*train, continuous_factors=True, **grouped).scores

    def encode(points: np.ndarray) -> np.ndarray:
        return latents[SPACE.index(points)]

    results = (
        metrics.mig(*train),
        metrics.mig_entropy(z, mean, logvar, factors, **grouped),
        metrics.sap(*train, test=test, **grouped),
        metrics.dci(*train, test=test, regressor="lightgbm", n_jobs=1, **grouped),
        metrics.factor_vae_score(encode, SPACE, **FEW, **grouped),
        metrics.beta_vae_score(encode, SPACE, **FEW),
        metrics.modularity(*train),
        metrics.modularity_knn(*train, **grouped),
        metrics.explicitness(*train, test=test),
        metrics.irs(*train, **grouped),
        metrics.infomec(*train, **grouped),
        metrics.unsupervised(latents, **grouped),
        metrics.udr(
            [code.latents for code in codes], kl=[kl_of(code) for code in codes], **grouped
        ),
        metrics.active_units(mean, logvar, **grouped),
    )
    found = {f"continuous_{score}": value for score, value in continuous.items()} | exact_tc(
        z, mean, logvar, partition
    )
    for result in results:
        found |= result.scores
    return found | harmonic_scores(found)


@lru_cache
def published_tree_scores(name: str) -> dict[str, float | None]:
    """DCI with scikit-learn's trees."""
    code = CODES[name](0)
    train, test = split(code)
    found = metrics.dci(*train, test=test, n_jobs=1, partition=code.partition).scores
    return found | harmonic_scores(found)


def kl_of(code: Code) -> np.ndarray:
    """Mean KL to the prior (D,) in nats."""
    return 0.5 * np.mean(code.mean**2 + code.sigma**2 - 2 * np.log(code.sigma) - 1, axis=0)


def exact_tc(
    z: np.ndarray, mean: np.ndarray, logvar: np.ndarray, partition: LatentPartition
) -> dict[str, float | None]:
    """`between_group_tc` and `within_group_tc` in nats, from every third sample under all
    posteriors.
    """
    rows = torch.arange(0, len(z), 3)
    posteriors = [torch.from_numpy(np.ascontiguousarray(table)) for table in (z, mean, logvar)]
    terms = decompose_exact(
        posteriors[0][rows], *posteriors[1:], partition=partition, component=rows
    )
    return {
        "between_group_tc": terms.between_group_tc.mean().item(),
        "within_group_tc": terms.within_group_tc.sum(1).mean().item(),
    }

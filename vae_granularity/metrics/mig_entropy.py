"""Mutual information gap from entropies of the aggregate posterior (Chen et al. 2018, arXiv
1802.04942), by dimension and group.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vae_granularity.errors import ArgumentError, integer
from vae_granularity.metrics.core import factor_matrix, histogram
from vae_granularity.metrics.core.inputs import Array, Codes, as_latents, groups_of, labelled_sample
from vae_granularity.metrics.core.mixture_entropy import mixture_entropies
from vae_granularity.metrics.core.progress_bar import Progress
from vae_granularity.metrics.core.result import MetricResult, Scores
from vae_granularity.partition import LatentPartition

WIDEST = 0.15  # share of a factor's entropy between the bounds of a group, from which it is missing
SATURATED = (
    f"posteriors too narrow for their number: the bounds of a group are {WIDEST} or more "
    "of a factor's entropy apart"
)


@dataclass(frozen=True, eq=False, kw_only=True)
class MIGEntropyResult(MetricResult):
    score_names = ("mig_entropy", "mig_entropy_group")
    mi_matrix: Array  # (D, F) nats, clipped at 0
    factor_entropy: Array  # (F,) empirical, nats
    marginal_entropies: Array  # (D,) H(z_d), differential: may be negative
    cond_entropies: Array  # (D, F) H(z_d | factor)
    joint_entropy: float  # H(z)
    mi_matrix_group: Array | None  # (G, F); nan where the bounds are too far apart
    bounds_group: Array | None  # (2, G, F) nats: without and with each sample's own posterior
    marginal_entropies_group: Array | None  # (G,) joint entropy of each group
    cond_entropies_group: Array | None  # (G, F)


def mig_entropy(
    z: Any,
    mu: Any,
    logvar: Any,
    factors: Any,
    *,
    partition: LatentPartition | None = None,
    num_samples: int = 10_000,
    seed: int = 0,
    progress: Progress = None,
) -> MIGEntropyResult:
    """Mean over factors of (largest - second largest mutual information with a unit) / entropy of
    the factor, in the mixture of all rows' posteriors: I(unit; factor) = H(unit) - Σ_v p(v) H(unit
    | v).

    H(unit) is the mean of -log q(unit) over samples, q the mixture of all M posteriors; H(unit | v)
    that over the samples and the posteriors of value v. Entropies are differential and may be
    negative; they are not clipped (mutual information is, at 0).
    The rows *are* the aggregate posterior: pass a whole grid, or a subset and say so.

    Of a subset, a sample's own posterior outweighs all others in a group: one of 5 dimensions that
    is independent of the factor showed a share of 0.95 at σ = 0.1 (0.39 at γ = 3). The mixture with
    it errs upwards (entropy is concave), the one without it downwards (Jensen), and both more the
    fewer the components; a group's information is the middle of the two, and missing where they
    differ by more than 0.15 of the factor's entropy. On a whole grid the mixture is exact.

    Args:
        z: (M, D), row i drawn from N(mu[i], exp(logvar[i])); mu, logvar: (M, D). Three float32 or
            three float64 tensors of one device are used as they are, anything else in float64 on
            the CPU.
        factors: (M, F) integers.
        partition: adds `mig_entropy_group` from the joint entropies of groups, in the same mixture.
        num_samples: a seeded subset of that many rows of z is used where M is larger; all M
            posteriors are.
        progress: called with (sample-posterior pairs done, in all); None shows a bar on a terminal
            where more than seconds are expected, False shows none. The expected time is logged
            before it starts.

    Raises:
        ArgumentError: bad tables, shapes that disagree, logvar above 200, a bad partition.
    """
    sample = labelled_sample(mu, factors)
    num_samples, seed = integer("num_samples", num_samples, 1), integer("seed", seed, 0)
    rows, dim = sample.latents.shape
    groups = LatentPartition(groups_of(partition, dim))
    checked = (as_latents(z, "z"), sample.latents, as_latents(logvar, "logvar"))
    for name, array in zip(("z", "mu", "logvar"), checked, strict=True):
        if array.shape != (rows, dim):
            shapes = f"{(rows, dim)}, got {array.shape}"
            raise ArgumentError(f"{name} must have the shape of mu, {shapes}")
    if checked[2].max() > 200:
        raise ArgumentError(f"logvar must be at most 200, got {checked[2].max():g}")
    chosen = np.arange(rows)
    if rows > num_samples:
        chosen = np.sort(np.random.default_rng(seed).choice(rows, num_samples, replace=False))
    tensors = _tensors((z, mu, logvar), checked)
    entropies = mixture_entropies(tensors, groups, sample.factors, chosen, progress)
    marginal, conditional = entropies.marginal, entropies.conditional
    mi = np.maximum(marginal[:, None] - conditional, 0.0)
    factor_entropy = histogram.entropies(sample.factors)
    scores: Scores = {"mig_entropy": factor_matrix.mean_gap(mi[:dim], factor_entropy)}
    dtype = str(tensors[0].dtype).removeprefix("torch.")
    protocol = sample.protocol() | {"num_components": rows, "num_samples": len(chosen)}
    protocol |= {"seed": seed, "dtype": dtype}
    grouped, whole_grid = partition is not None, _is_grid(sample.factors)
    others = mi[dim:] if whole_grid else entropies.others[dim:]
    middle, bounds = _of_groups(mi[dim:], others, factor_entropy, groups)
    if grouped:
        scores["mig_entropy_group"] = factor_matrix.mean_gap(middle, factor_entropy)
        found = {"missing": SATURATED} if np.isnan(middle).any() else {}
        protocol |= {"whole_grid": whole_grid, "found": found}
    return MIGEntropyResult(
        scores=scores,
        protocol=protocol,
        mi_matrix=mi[:dim],
        factor_entropy=factor_entropy,
        marginal_entropies=marginal[:dim],
        cond_entropies=conditional[:dim],
        joint_entropy=entropies.joint,
        mi_matrix_group=middle if grouped else None,
        bounds_group=bounds if grouped else None,
        marginal_entropies_group=marginal[dim:] if grouped else None,
        cond_entropies_group=conditional[dim:] if grouped else None,
    )


def _is_grid(factors: Codes) -> bool:
    """Whether the rows (M, F) are all combinations of the factors' values, each once."""
    sizes = [len(np.unique(column)) for column in factors.T]
    return math.prod(sizes) == len(factors) == len(np.unique(factors, axis=0))


def _of_groups(
    upper: Array, others: Array, factor_entropy: Array, groups: LatentPartition
) -> tuple[Array, Array]:
    """Information of groups (G, F), nan where the bounds are too far apart, and the bounds; a
    single dimension keeps its published value.
    """
    lower = np.clip(others, 0.0, upper)
    middle = np.where(upper - lower <= WIDEST * factor_entropy, (lower + upper) / 2, np.nan)
    single = np.array([len(group) == 1 for group in groups.groups])
    return np.where(single[:, None], upper, middle), np.stack((lower, upper))


def _tensors(given: Sequence[Any], checked: Sequence[Array]) -> list[Tensor]:
    kinds = {(value.dtype, value.device) for value in given if isinstance(value, Tensor)}
    whole = all(isinstance(value, Tensor) for value in given)
    floats = {dtype for dtype, _ in kinds} <= {torch.float32, torch.float64}
    if whole and floats and len(kinds) == 1:
        return [value.detach() for value in given]
    return [torch.from_numpy(array) for array in checked]

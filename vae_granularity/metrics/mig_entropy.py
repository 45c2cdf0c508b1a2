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
from vae_granularity.metrics.core.inputs import (
    Array,
    Codes,
    FactorKinds,
    as_latents,
    groups_of,
    labelled_sample,
)
from vae_granularity.metrics.core.mixture_entropy import mixture_entropies
from vae_granularity.metrics.core.progress_bar import Progress
from vae_granularity.metrics.core.result import MetricResult, Scores
from vae_granularity.partition import LatentPartition

# Share of a factor's entropy between bounds, from which the information of a group is missing and
# the gap of dimensions, which is published without bounds, is marked.
WIDEST = 0.15
SATURATED = (
    f"posteriors too narrow for their number: the bounds of a group are {WIDEST} or more "
    "of a factor's entropy apart"
)
REACH = 1.96  # standard errors by which the bounds of the gap exceed those of the information
WIDE = "few posteriors for their width, or few samples: narrow dimensions seem to hold every factor"


@dataclass(frozen=True, eq=False, kw_only=True)
class MIGEntropyResult(MetricResult):
    score_names = ("mig_entropy", "mig_entropy_lower", "mig_entropy_upper", "mig_entropy_group")
    mi_matrix: Array  # (D, F) nats, clipped at 0
    bounds: Array  # (2, D, F) nats: without and with each sample's own posterior
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
    factor_kinds: FactorKinds = None,
) -> MIGEntropyResult:
    """Mean over factors of (largest - second largest mutual information with a unit) / entropy of
    the factor, in the mixture of all rows' posteriors: I(unit; factor) = H(unit) - Σ_v p(v) H(unit
    | v).

    H(unit) is the mean of -log q(unit) over samples, q the mixture of all M posteriors; H(unit | v)
    that over the samples and the posteriors of value v. Entropies are differential and may be
    negative; they are not clipped (mutual information is, at 0).
    The rows *are* the aggregate posterior: pass a whole grid, or a subset and say so.

    Of a subset, a sample's own posterior outweighs all others where posteriors are narrow: a group
    of 5 dimensions that is independent of the factor showed a share of 0.95 at σ = 0.1 (0.39 at
    γ = 3), a single dimension 0.21 at σ = 0.003. The mixture with it errs upwards (entropy is
    concave), the one without it downwards (Jensen), and both more the fewer the components.
    `mig_entropy` is the published form, with it; `mig_entropy_lower` and `mig_entropy_upper` bound
    what the gap is for the distribution that the rows are drawn from; they reach 1.96 standard
    errors of each information further. A group's information is the
    middle of the two, and missing where they differ by more than 0.15 of the factor's entropy. On a
    whole grid the mixture is exact.

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
        factor_kinds: one kind for all factors or one each, see `core.inputs.FACTOR_KINDS`.

    Raises:
        ArgumentError: bad tables, shapes that disagree, logvar above 200, a bad partition.
    """
    sample = labelled_sample(mu, factors, factor_kinds=factor_kinds)
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
    dtype = str(tensors[0].dtype).removeprefix("torch.")
    protocol = sample.protocol() | {"num_components": rows, "num_samples": len(chosen)}
    protocol |= {"seed": seed, "dtype": dtype}
    grouped = partition is not None
    whole_grid = _is_grid(sample.factors)
    lower = mi if whole_grid else np.clip(entropies.others, 0.0, mi)
    bounds = np.stack((lower, mi))
    scores = _dimension_scores(bounds[:, :dim], entropies.errors[:, :dim], factor_entropy)
    notes: dict[str, str] = {}
    least, largest = scores["mig_entropy_lower"], scores["mig_entropy_upper"]
    if least is not None and largest is not None and largest - least > WIDEST:
        notes["wide"] = WIDE
    middle = _of_groups(bounds[:, dim:], factor_entropy, groups)
    if grouped:
        scores["mig_entropy_group"] = factor_matrix.mean_gap(middle, factor_entropy)
        if np.isnan(middle).any():
            notes["missing"] = SATURATED
    protocol |= {"whole_grid": whole_grid, "found": notes}
    return MIGEntropyResult(
        scores=scores,
        protocol=protocol,
        mi_matrix=mi[:dim],
        bounds=bounds[:, :dim],
        factor_entropy=factor_entropy,
        marginal_entropies=marginal[:dim],
        cond_entropies=conditional[:dim],
        joint_entropy=entropies.joint,
        mi_matrix_group=middle if grouped else None,
        bounds_group=bounds[:, dim:] if grouped else None,
        marginal_entropies_group=marginal[dim:] if grouped else None,
        cond_entropies_group=conditional[dim:] if grouped else None,
    )


def _is_grid(factors: Codes) -> bool:
    """Whether the rows (M, F) are all combinations of the factors' values, each once."""
    sizes = [len(np.unique(column)) for column in factors.T]
    return math.prod(sizes) == len(factors) == len(np.unique(factors, axis=0))


def _dimension_scores(bounds: Array, errors: Array, factor_entropy: Array) -> Scores:
    """Return the published gap, from the upper of the bounds (2, D, F), and what bounds it."""
    lower = np.maximum(bounds[0] - REACH * errors[0], 0.0)
    upper = np.minimum(bounds[1] + REACH * errors[1], factor_entropy)
    gaps = factor_matrix.gap_bounds(np.minimum(lower, upper), upper)
    least, largest = (None, None) if gaps is None else (gaps / factor_entropy).mean(1).tolist()
    return {
        "mig_entropy": factor_matrix.mean_gap(bounds[1], factor_entropy),
        "mig_entropy_lower": least,
        "mig_entropy_upper": largest,
    }


def _of_groups(bounds: Array, factor_entropy: Array, groups: LatentPartition) -> Array:
    """Return the information of groups (G, F) from its bounds (2, G, F), nan where these are too
    far apart; a single dimension keeps its published value.
    """
    lower, upper = bounds
    middle = np.where(upper - lower <= WIDEST * factor_entropy, (lower + upper) / 2, np.nan)
    single = np.array([len(group) == 1 for group in groups.groups])
    return np.where(single[:, None], upper, middle)


def _tensors(given: Sequence[Any], checked: Sequence[Array]) -> list[Tensor]:
    kinds = {(value.dtype, value.device) for value in given if isinstance(value, Tensor)}
    whole = all(isinstance(value, Tensor) for value in given)
    floats = {dtype for dtype, _ in kinds} <= {torch.float32, torch.float64}
    if whole and floats and len(kinds) == 1:
        return [value.detach() for value in given]
    return [torch.from_numpy(array) for array in checked]

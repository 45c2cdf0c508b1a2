"""The four terms of the KL, and objectives as weightings of them. Pure functions, in nats.

E_x KL(q(z|x) || p(z)) = I + TC_between + TC_within + sum_d KL(q(z_d) || p(z_d)), exactly and for
every partition of the latent dimensions (Chen et al., arXiv 1802.04942, eq. 2; the split of the
total correlation by groups: Chen, Xiang and Wang, arXiv 2505.24684). Every factorised VAE is a
choice of four weights.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from vae_granularity.densities.estimators import (
    exact_densities,
    exact_densities_and_others,
    minibatch_densities,
)
from vae_granularity.densities.gaussian import log_density, log_standard_normal
from vae_granularity.densities.mixture import AggregateDensities
from vae_granularity.errors import ArgumentError
from vae_granularity.partition import LatentPartition

Weight = float | Tensor
REACH = 1.96  # standard errors that the bounds of a term reach beyond their means: 95 %


@dataclass(frozen=True)
class LatentTerms:
    """Per-sample terms, in nats: S samples, G groups, D dimensions. Their means are the terms."""

    mutual_information: Tensor  # (S,)    log q(z|x) - log q(z)
    between_group_tc: Tensor  # (S,)    log q(z) - sum_g log q(z_g)
    within_group_tc: Tensor  # (S, G)  log q(z_g) - sum_{d in g} log q(z_d)
    dimension_kl: Tensor  # (S,)    sum_d log q(z_d) - log p(z)
    log_qz: Tensor  # (S,)
    log_qz_groups: Tensor  # (S, G)
    log_qz_dims: Tensor  # (S, D)


@dataclass(frozen=True)
class TermBounds:
    """Lower and upper bound of each term, in nats; G groups."""

    mutual_information: Tensor  # (2,)
    between_group_tc: Tensor  # (2,)
    within_group_tc: Tensor  # (2,)    of the sum over groups
    each_within_group_tc: Tensor  # (2, G)
    dimension_kl: Tensor  # (2,)


def decompose(
    *,
    z: Tensor,
    mu: Tensor,
    logvar: Tensor,
    partition: LatentPartition | Tensor,
    dataset_size: int,
    estimator: str = "mws",
) -> LatentTerms:
    """Minibatch estimate of the four terms at z_i ~ q(z|x_i) = N(mu_i, exp(logvar_i)).

    >>> z = mu = logvar = torch.zeros(2, 3)
    >>> P = LatentPartition.from_granularity(latent_dim=3, granularity=2)
    >>> terms = decompose(z=z, mu=mu, logvar=logvar, partition=P, dataset_size=2, estimator="mss")
    >>> terms.within_group_tc.tolist()
    [[0.0, 0.0], [0.0, 0.0]]

    Args:
        z, mu, logvar: (B, D), float32 or float64; call it outside autocast.
        partition: a `LatentPartition` or its (D, G) membership matrix; empty groups give 0.
        dataset_size: N, the number of training images behind q(z).
        estimator: `mws`, `mss` or `stratified`; `estimators.log_weights` has their assumptions.

    Raises:
        ArgumentError: shapes disagree, or as `estimators.log_weights`.
    """
    membership = _membership(z, mu, logvar, partition)
    if len(z) != len(mu):
        raise ArgumentError(f"z and mu must have the same batch size, got {len(z)} and {len(mu)}")
    densities = minibatch_densities(
        z, mu, logvar, membership, dataset_size=dataset_size, estimator=estimator
    )
    return _terms(z, log_density(z, mu, logvar).sum(-1), densities, membership)


def decompose_exact(
    z: Tensor,
    mu: Tensor,
    logvar: Tensor,
    *,
    partition: LatentPartition | Tensor,
    component: Tensor | None = None,
    chunk_elements: int = 2**22,
    progress: Callable[[int, int], None] | None = None,
) -> LatentTerms:
    """The four terms under the full mixture of M posteriors, in chunks; for evaluation.

    Args:
        z: (S, D), each row drawn from one of the M components.
        mu, logvar: (M, D).
        partition: a `LatentPartition` or its (D, G) membership matrix.
        component: (S,) integer, the row of `mu` that each z was drawn from; None only if S = M and
            z[i] came from row i.
        chunk_elements: about the largest number of elements of any temporary table.
        progress: called with (chunks done, chunks in all).

    Raises:
        ArgumentError: shapes disagree; `component` missing with S != M, of another length, or
            outside [0, M).
    """
    membership = _membership(z, mu, logvar, partition)
    if component is None:
        if len(z) != len(mu):
            lengths = f"{len(z)} and {len(mu)}"
            raise ArgumentError(f"component must be given when z and mu differ, got {lengths} rows")
        own_mu, own_logvar = mu, logvar
    else:
        own_mu, own_logvar = _own_components(z, mu, logvar, component)
    densities = exact_densities(
        z, mu, logvar, membership, chunk_elements=chunk_elements, progress=progress
    )
    return _terms(z, log_density(z, own_mu, own_logvar).sum(-1), densities, membership)


def bracket_exact(
    z: Tensor,
    mu: Tensor,
    logvar: Tensor,
    *,
    partition: LatentPartition | Tensor,
    component: Tensor,
    log_weight: Tensor | None = None,
    chunk_elements: int = 2**22,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[LatentTerms, TermBounds]:
    """Return the four terms under a mixture of M posteriors, and bounds of the terms of the
    distribution that the M are drawn from.

    The mixture errs where M posteriors do not fill the latent space: each sample lies in its own
    component, and total correlation comes out nats too high (0 as 6.8 with D = 10, σ = 0.2 and
    M = 10 000), information too low. With its own component an entropy H(S) of a subset of
    dimensions comes out too low, without it too high (`exact_densities_and_others`). A term is a
    sum and difference of entropies, and its bounds take each from the side that widens them:
    TC_between = Σ_g H(z_g) - H(z) is at least Σ_g H₊(z_g) - H₋(z) and at most
    Σ_g H₋(z_g) - H₊(z). Leaving the own component out of all of them at once gives no bound:
    where one feature drives all groups it errs upwards (tests/pure/test_bounds.py). Bounds reach
    1.96 standard errors further, for the draws of z and of the components. They end at 0 and at the
    KL, of which all terms are parts.

    Args:
        z, mu, logvar, partition, chunk_elements, progress: as `decompose_exact`.
        component: (S,) integer, the row of `mu` that each z was drawn from.
        log_weight: (M,), logarithms of the components' weights, which sum to 1; None for 1/M each.

    Raises:
        ArgumentError: as `decompose_exact`.
    """
    membership = _membership(z, mu, logvar, partition)
    own_mu, own_logvar = _own_components(z, mu, logvar, component)
    densities, others = exact_densities_and_others(
        z,
        mu,
        logvar,
        membership,
        component,
        log_weight=log_weight,
        chunk_elements=chunk_elements,
        progress=progress,
    )
    log_qz_x = log_density(z, own_mu, own_logvar).sum(-1)
    terms = _terms(z, log_qz_x, densities, membership)
    return terms, _bounds(z, log_qz_x, densities, others, membership, len(mu))


def _bounds(
    z: Tensor,
    log_qz_x: Tensor,
    with_own: AggregateDensities,
    others: AggregateDensities,
    membership: Tensor,
    num_components: int,
) -> TermBounds:
    log_pz = log_standard_normal(z).sum(-1)

    def reach(values: Tensor) -> Tensor:
        spread = values.double().std(0, correction=0)
        return REACH * spread * (1 / len(z) + 1 / num_components) ** 0.5

    kl = (log_qz_x - log_pz).double()
    ceiling = kl.mean() + reach(kl)

    def bracket(lower: Tensor, upper: Tensor) -> Tensor:
        low = (lower.double().mean(0) - reach(lower)).clamp_min(0.0)
        high = torch.minimum(upper.double().mean(0) + reach(upper), ceiling)
        return torch.stack((torch.minimum(low, high), high))

    sizes = membership.sum(0)
    # No dependence within one dimension, nor between groups where there is one.
    several = sizes > 1
    low_within = several * (others.log_qz_groups - with_own.log_qz_dims @ membership)
    high_within = several * (with_own.log_qz_groups - others.log_qz_dims @ membership)
    several_groups = (sizes > 0).sum() > 1
    return TermBounds(
        mutual_information=bracket(log_qz_x - with_own.log_qz, log_qz_x - others.log_qz),
        between_group_tc=bracket(
            several_groups * (others.log_qz - with_own.log_qz_groups.sum(-1)),
            several_groups * (with_own.log_qz - others.log_qz_groups.sum(-1)),
        ),
        within_group_tc=bracket(low_within.sum(-1), high_within.sum(-1)),
        each_within_group_tc=bracket(low_within, high_within),
        dimension_kl=bracket(
            others.log_qz_dims.sum(-1) - log_pz, with_own.log_qz_dims.sum(-1) - log_pz
        ),
    )


def _own_components(
    z: Tensor, mu: Tensor, logvar: Tensor, component: Tensor
) -> tuple[Tensor, Tensor]:
    """Return mu and logvar (S, D) of the component that each z was drawn from.

    Raises:
        ArgumentError: `component` is of another length, or outside [0, M).
    """
    if component.shape != z.shape[:1]:
        shape = tuple(component.shape)
        raise ArgumentError(f"component must have shape ({len(z)},), got {shape}")
    if len(z) and not 0 <= int(component.min()) <= int(component.max()) < len(mu):
        extent = f"{int(component.min())}..{int(component.max())}"
        raise ArgumentError(f"component must be in [0, {len(mu)}), got {extent}")
    return mu[component], logvar[component]


def weighted_elbo(
    log_px: Tensor,
    terms: LatentTerms,
    *,
    mutual_information: Weight,
    between_group_tc: Weight,
    within_group_tc: Weight,
    dimension_kl: Weight,
) -> Tensor:
    """The weighted objective per sample, (B,), to be maximised; the loss is minus its mean.

    log p(x|z) - w_I I - w_b TC_between - w_w sum_g TC_within,g - w_d sum_d KL_d. With all weights 1
    its mean estimates the plain ELBO.
    log_px: (B,). Weights are numbers or tensors that broadcast against (B,).
    """
    return log_px - (
        _weighted(mutual_information, terms.mutual_information)
        + _weighted(between_group_tc, terms.between_group_tc)
        + _weighted(within_group_tc, terms.within_group_tc.sum(-1))
        + _weighted(dimension_kl, terms.dimension_kl)
    )


def _weighted(weight: Weight, term: Tensor) -> Tensor:
    return term if isinstance(weight, float) and weight == 1.0 else weight * term


def collapse_cost(
    partition: LatentPartition,
    *,
    mutual_information: float,
    between_group_tc: float,
    within_group_tc: float,
) -> float:
    """What a weighted objective pays, in log B, when posteriors become points; gains if negative.

    >>> P = LatentPartition.from_granularity(latent_dim=12, granularity=6)
    >>> collapse_cost(P, mutual_information=1, between_group_tc=4, within_group_tc=-2)
    -15

    With I_S the information that the dimensions S carry about the image, TC_between = sum_g I_g - I
    and TC_within = sum_d I_d - sum_g I_g up to terms that do not depend on how sharp posteriors
    are. For points every I_S reaches the ceiling of the estimator, log B beyond its
    constant: I gives w_I, TC_between w_b (G - 1), TC_within w_w (D - G). The dimension-wise KL,
    which is small until posteriors are narrower than the spacing of a batch, does not enter.
    Checked against trained models in experiments/stability, where a single group collapsed in some
    runs although the cost for all was positive.
    """
    groups = partition.num_groups
    return (
        mutual_information
        + between_group_tc * (groups - 1)
        + within_group_tc * (partition.latent_dim - groups)
    )


def _membership(
    z: Tensor, mu: Tensor, logvar: Tensor, partition: LatentPartition | Tensor
) -> Tensor:
    if z.ndim != 2 or mu.ndim != 2 or mu.shape != logvar.shape or z.shape[1] != mu.shape[1]:
        shapes = f"{tuple(z.shape)}, {tuple(mu.shape)}, {tuple(logvar.shape)}"
        raise ArgumentError(f"z, mu, logvar must have shapes (S, D), (M, D), (M, D), got {shapes}")
    matrix = partition.membership() if isinstance(partition, LatentPartition) else partition
    if matrix.ndim != 2 or matrix.shape[0] != z.shape[1]:
        need = f"partition must divide latent_dim={z.shape[1]} dimensions"
        raise ArgumentError(f"{need}, got a membership of shape {tuple(matrix.shape)}")
    return matrix.to(device=z.device, dtype=z.dtype)


def _terms(
    z: Tensor, log_qz_x: Tensor, densities: AggregateDensities, membership: Tensor
) -> LatentTerms:
    log_qz, groups, dims = densities
    return LatentTerms(
        mutual_information=log_qz_x - log_qz,
        between_group_tc=log_qz - groups.sum(-1),
        within_group_tc=torch.addmm(groups, dims, membership, alpha=-1),
        dimension_kl=(dims - log_standard_normal(z)).sum(-1),
        log_qz=log_qz,
        log_qz_groups=groups,
        log_qz_dims=dims,
    )

"""Entropies of the aggregate posterior, a Gaussian mixture, and of it given a factor's value."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vae_granularity.densities.gaussian import log_density
from vae_granularity.densities.mixture import mixture_densities
from vae_granularity.metrics.core.inputs import Array, Codes
from vae_granularity.metrics.core.progress_bar import Progress, progress_bar
from vae_granularity.partition import LatentPartition

CHUNK_ELEMENTS = 2**20  # numbers in a table
COMPONENTS = 2**13  # posteriors in a table


EXCLUDED = -1e30  # log weight of a component that is left out: finite in float32, 0 after exp


class MixtureEntropies(NamedTuple):
    """In nats; U = D + G: the dimensions, then the groups."""

    marginal: Array  # (U,) H(unit)
    conditional: Array  # (U, F) H(unit | factor)
    others: Array  # (U, F) H(unit) - H(unit | factor), each sample's own posterior left out of both
    joint: float  # H(z)


def mixture_entropies(
    tensors: Sequence[Tensor],
    groups: LatentPartition,
    factors: Codes,
    chosen: Codes,
    progress: Progress = None,
) -> MixtureEntropies:
    """-E log q over chosen rows of z, q the mixture of all posteriors or those of a factor's value.

    Memory beyond the inputs stays at a few tables of `CHUNK_ELEMENTS` numbers, whatever M.

    Args:
        tensors: z, mu and logvar (M, D), row i of z drawn from posterior i; factors: (M, F);
            chosen: (S,) rows of z.
        progress: see `mig_entropy`.
    """
    z, mu, logvar = tensors
    tasks = list(_tasks(factors, chosen))
    pairs = [len(samples) * len(components) for _, _, samples, components in tasks]
    dim = mu.shape[1]
    membership = groups.membership(dtype=mu.dtype).to(mu.device)
    units = dim + groups.num_groups
    marginal, others, joint = np.zeros(units), np.zeros(units), 0.0
    conditional, of_others = np.zeros((2, units, factors.shape[1]))
    covered = np.zeros(factors.shape[1])
    with progress_bar("entropies", sum(pairs), dim, progress) as report, torch.inference_mode():
        for t, (factor, weight, samples, components) in enumerate(tasks):
            tick = None if report is None else _shift(report, sum(pairs[:t]), pairs[t], sum(pairs))
            part = (mu, logvar) if factor is None else (mu[components], logvar[components])
            own = np.searchsorted(components, samples)
            log_q, log_others = _mean_log_densities(z[samples], *part, own, membership, tick)
            if factor is None:
                marginal, others, joint = -log_q[:-1], -log_others[:-1], -float(log_q[-1])
            else:
                conditional[:, factor] -= weight * log_q[:-1]
                of_others[:, factor] -= weight * log_others[:-1]
                covered[factor] += weight
    conditional /= covered
    of_others /= covered
    for g, group in enumerate(groups.groups):
        if len(group) == 1:  # the same number to the last bit, not to rounding
            marginal[dim + g], conditional[dim + g] = marginal[group[0]], conditional[group[0]]
    return MixtureEntropies(marginal, conditional, others[:, None] - of_others, joint)


def _mean_log_densities(
    z: Tensor,
    mu: Tensor,
    logvar: Tensor,
    own: Codes,
    membership: Tensor,
    tick: Callable[[int, int], None] | None,
) -> tuple[Array, Array]:
    """Means of log q over z (S, D) for D dimensions, G groups and all, (D + G + 1,) each.

    q of M posteriors (M, D) of equal weight, and of all but the sample's own (S,).
    """
    width = sum(membership.shape) + 1
    rows = max(1, CHUNK_ELEMENTS // (COMPONENTS * width))
    blocks = [
        (slice(r, r + rows), slice(c, c + COMPONENTS))
        for r in range(0, len(z), rows)
        for c in range(0, len(mu), COMPONENTS)
    ]
    # Filled in place: small results kept between the large tables would pin the freed ones and
    # memory would grow with every block.
    total = z.new_full((len(z), width), EXCLUDED)
    place = torch.from_numpy(own).to(z.device)
    for b, (at, of) in enumerate(blocks):
        weights: float | Tensor = 0.0
        inside = (place[at] >= of.start) & (place[at] < of.stop)
        if inside.any():
            weights = z.new_zeros(len(inside), len(mu[of]))
            weights[inside, place[at][inside] - of.start] = EXCLUDED
        density = mixture_densities(z[at], mu[of], logvar[of], membership, weights)
        found = torch.cat((density.log_qz_dims, density.log_qz_groups, density.log_qz[:, None]), 1)
        torch.logaddexp(total[at], found, out=total[at])
        if tick is not None:
            tick(b + 1, len(blocks))
    dims = log_density(z, mu[place], logvar[place])
    alone = torch.cat((dims, dims @ membership, dims.sum(1, keepdim=True)), 1)
    every, others = (
        (sums - math.log(max(count, 1))).double().mean(0).cpu().numpy()
        for sums, count in ((torch.logaddexp(total, alone), len(mu)), (total, len(mu) - 1))
    )
    return every, others


def _tasks(factors: Codes, chosen: Codes) -> Iterator[tuple[int | None, float, Codes, Codes]]:
    """(factor or None, p(value), rows of z, rows of the mixture) of values with a chosen sample."""
    yield None, 1.0, chosen, np.arange(len(factors))
    for f, factor in enumerate(factors.T):
        for value in np.unique(factor):
            components = np.flatnonzero(factor == value)
            samples = chosen[factor[chosen] == value]
            if len(samples):
                yield f, len(components) / len(factors), samples, components


def _shift(
    report: Callable[[int, int], None], before: int, size: int, total: int
) -> Callable[[int, int], None]:
    return lambda done, chunks: report(before + size * done // chunks, total)

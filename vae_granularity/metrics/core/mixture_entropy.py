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
    errors: Array  # (2, U, F) of the two informations: without and with each sample's own posterior
    joint: float  # H(z)


def mixture_entropies(
    tensors: Sequence[Tensor],
    groups: LatentPartition,
    factors: Codes,
    chosen: Codes,
    progress: Progress = None,
) -> MixtureEntropies:
    """-E log q over chosen rows of z, q the mixture of all posteriors or those of a factor's value.

    Memory beyond the inputs stays at a few tables of `CHUNK_ELEMENTS` numbers, whatever M. Standard
    errors are those of the S draws of z, and of the M posteriors as draws themselves.

    Args:
        tensors: z, mu and logvar (M, D), row i of z drawn from posterior i; factors: (M, F);
            chosen: (S,) rows of z, ascending.
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
    log_marginal = np.empty((2, len(chosen), units))
    # Sums over samples of log q(unit | factor) - log q(unit) and of its square: information.
    sums, squares = np.zeros((2, 2, units, factors.shape[1]))
    with progress_bar("entropies", sum(pairs), dim, progress) as report, torch.inference_mode():
        for t, (factor, weight, samples, components) in enumerate(tasks):
            tick = None if report is None else _shift(report, sum(pairs[:t]), pairs[t], sum(pairs))
            part = (mu, logvar) if factor is None else (mu[components], logvar[components])
            own = np.searchsorted(components, samples)
            log_densities = _log_densities(z[samples], *part, own, membership, tick)
            log_others, log_q = log_densities.mean(1)
            log_units = log_densities[:, :, :-1]
            if factor is None:
                marginal, others, joint = -log_q[:-1], -log_others[:-1], -float(log_q[-1])
                log_marginal = log_units
            else:
                conditional[:, factor] -= weight * log_q[:-1]
                of_others[:, factor] -= weight * log_others[:-1]
                covered[factor] += weight
                information = log_units - log_marginal[:, np.searchsorted(chosen, samples)]
                sums[:, :, factor] += information.sum(1)
                squares[:, :, factor] += (information**2).sum(1)
    conditional /= covered
    of_others /= covered
    for g, group in enumerate(groups.groups):
        if len(group) == 1:  # the same number to the last bit, not to rounding
            marginal[dim + g], conditional[dim + g] = marginal[group[0]], conditional[group[0]]
    variance = np.maximum(squares / len(chosen) - (sums / len(chosen)) ** 2, 0.0)
    errors = np.sqrt(variance * (1 / len(chosen) + 1 / len(factors)))
    return MixtureEntropies(marginal, conditional, others[:, None] - of_others, errors, joint)


def _log_densities(
    z: Tensor,
    mu: Tensor,
    logvar: Tensor,
    own: Codes,
    membership: Tensor,
    tick: Callable[[int, int], None] | None,
) -> Array:
    """Return log q of z (S, D) for D dimensions, G groups and all: (2, S, D + G + 1).

    First q of all M posteriors (M, D), of equal weight, but the sample's own (S,); then of all.
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
    others = total - math.log(max(len(mu) - 1, 1))
    every = torch.logaddexp(total, alone) - math.log(len(mu))
    return torch.stack((others, every)).double().cpu().numpy()


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

"""Estimators of the aggregate posterior q(z) = (1/N) sum_n q(z|x_n), for all dimensions, each group
and each dimension.

For a sample z_i and a subset S of the dimensions, log q(z_i,S) = logsumexp_j [log W_ij + sum_{d in
S} log q(z_i,d | x_j)]. The estimators differ in the weights W alone. Everything is in nats. All but
the exact mixture are biased for log q(z) (Jensen's inequality), the more so the smaller the batch
and the narrower the posteriors: train with them, compare only exact values.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from vae_granularity.densities.gaussian import log_density
from vae_granularity.densities.mixture import AggregateDensities, mixture_densities
from vae_granularity.errors import ArgumentError

ESTIMATORS = ("mws", "mss", "stratified")
EXCLUDED = -1e30  # log weight of a component that is left out: finite in float32, 0 after exp


def log_weights(
    estimator: str, batch_size: int, dataset_size: int, *, like: Tensor
) -> float | Tensor:
    """Return log W of a minibatch estimator: a number for `mws`, else a (B, B) matrix like `like`.

    >>> log_weights("stratified", 2, 2, like=torch.zeros(())).exp()
    tensor([[0.5000, 0.5000],
            [0.5000, 0.5000]])

    - `mws`: W_ij = 1/(B N), minibatch weighted sampling (Chen et al., arXiv 1802.04942, appendix
      C.1). Its rows sum to 1/N, so its densities carry the constant -log N once per density.
    - `mss`: diagonal 1/N, column (i+1) mod B of row i (N-B+1)/(N(B-1)), the rest 1/(B-1); minibatch
      stratified sampling (ibid., C.2) with the diagonal where the derivation puts it. Rows sum to
      1.
    - `stratified`: diagonal 1/N, the rest (N-1)/(N(B-1)) (Li et al., arXiv 2502.02279). Rows sum to
      1; with B = N it is exact.

    Raises:
        ArgumentError: an unknown estimator; B < 2 or N < B for `mss` and `stratified`; N < 1.
    """
    b = batch_size
    n = dataset_size
    if estimator not in ESTIMATORS:
        raise ArgumentError(f"estimator must be one of {', '.join(ESTIMATORS)}, got {estimator!r}")
    if n < 1:
        raise ArgumentError(f"dataset_size must be >= 1, got {n}")
    if estimator == "mws":
        return -math.log(b * n)
    if b < 2:
        raise ArgumentError(f"batch size must be >= 2 for estimator {estimator!r}, got {b}")
    if n < b:
        raise ArgumentError(
            f"dataset_size must be >= the batch size {b} for estimator {estimator!r}, got {n}"
        )
    diagonal = torch.eye(b, dtype=torch.bool, device=like.device)
    if estimator == "stratified":
        weights = like.new_full((b, b), math.log(n - 1) - math.log(n) - math.log(b - 1))
    else:
        weights = like.new_full((b, b), -math.log(b - 1))
        next_column = math.log(n - b + 1) - math.log(n) - math.log(b - 1)
        weights = weights.masked_fill(diagonal.roll(1, dims=1), next_column)
    return weights.masked_fill(diagonal, -math.log(n))


def minibatch_densities(
    z: Tensor, mu: Tensor, logvar: Tensor, membership: Tensor, *, dataset_size: int, estimator: str
) -> AggregateDensities:
    """Estimate the densities at z_i ~ q(z|x_i) from the batch itself.

    z, mu, logvar (B, D); membership (D, G).

    Raises:
        ArgumentError: as `log_weights`.
    """
    weight = log_weights(estimator, z.shape[0], dataset_size, like=z)
    return mixture_densities(z, mu, logvar, membership, weight)


def exact_densities(
    z: Tensor,
    mu: Tensor,
    logvar: Tensor,
    membership: Tensor,
    *,
    chunk_elements: int = 2**22,
    progress: Callable[[int, int], None] | None = None,
) -> AggregateDensities:
    """Compute densities at z (S, D) under the whole mixture of mu, logvar (M, D), in chunks.

    The estimator's assumption: the M components *are* the aggregate posterior. With M below the
    number of training images it is the aggregate posterior of those M images. No table larger than
    about `chunk_elements` numbers is held (unless gradients are wanted). `progress(done, total)` is
    called after every chunk.
    """
    weight = -math.log(len(mu))

    def chunk(rows: slice, columns: slice) -> AggregateDensities:
        return mixture_densities(z[rows], mu[columns], logvar[columns], membership, weight)

    return _in_chunks(chunk, z, mu, membership, chunk_elements, progress)


def exact_densities_and_others(
    z: Tensor,
    mu: Tensor,
    logvar: Tensor,
    membership: Tensor,
    component: Tensor,
    *,
    log_weight: Tensor | None = None,
    chunk_elements: int = 2**22,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[AggregateDensities, AggregateDensities]:
    """Return the densities at z (S, D) under a mixture, and under the same without the component
    that each z was drawn from.

    With its own component a sample looks likelier than it is, without it less likely: the mean
    of -log q is below the entropy of the distribution that the components are drawn from with it
    (entropy is concave), and above it without (Jensen's inequality), for every subset of
    dimensions.

    Args:
        z, mu, logvar, membership, chunk_elements, progress: as `exact_densities`.
        component: (S,), the row of `mu` that each z was drawn from.
        log_weight: (M,), logarithms of weights that sum to 1; None for 1/M each.
    """
    if log_weight is None:
        log_weight = mu.new_full((len(mu),), -math.log(len(mu)))
    weights_of_all = log_weight

    def chunk(rows: slice, columns: slice) -> AggregateDensities:
        weights = weights_of_all[columns].repeat(len(z[rows]), 1)
        own_column = component[rows] - columns.start
        inside = (own_column >= 0) & (own_column < weights.shape[1])
        weights[inside, own_column[inside]] = EXCLUDED
        return mixture_densities(z[rows], mu[columns], logvar[columns], membership, weights)

    unscaled = _in_chunks(chunk, z, mu, membership, chunk_elements, progress)
    own_weight = log_weight[component].unsqueeze(1)
    # A single component has no others: the densities stay far below all that are compared.
    remaining = torch.log1p(-own_weight.exp()).clamp_min(-60.0)
    dims = log_density(z, mu[component], logvar[component])
    own = AggregateDensities(dims.sum(1), dims @ membership, dims)
    empty = membership.sum(0) == 0
    both = [
        (torch.logaddexp(others, alone + own_weight), others - remaining)
        for others, alone in zip(
            (unscaled.log_qz.unsqueeze(1), *unscaled[1:]),
            (own.log_qz.unsqueeze(1), *own[1:]),
            strict=True,
        )
    ]
    with_own, without = (
        AggregateDensities(log_qz.squeeze(1), groups.masked_fill(empty, 0.0), dimensions)
        for log_qz, groups, dimensions in zip(*both, strict=True)
    )
    return with_own, without


def _in_chunks(
    chunk: Callable[[slice, slice], AggregateDensities],
    z: Tensor,
    mu: Tensor,
    membership: Tensor,
    chunk_elements: int,
    progress: Callable[[int, int], None] | None,
) -> AggregateDensities:
    """Sum the densities of chunks of samples (rows) and components (columns)."""
    pairs = max(1, chunk_elements // (z.shape[1] + membership.shape[1] + 1))
    width = min(len(mu), max(1, min(pairs, 8192)))
    height = max(1, pairs // width)
    row_starts = range(0, len(z), height)
    column_starts = range(0, len(mu), width)
    empty = membership.sum(0) == 0
    by_rows: list[AggregateDensities] = []
    done = 0
    for r in row_starts:
        by_columns = []
        for c in column_starts:
            by_columns.append(chunk(slice(r, r + height), slice(c, c + width)))
            done += 1
            if progress is not None:
                progress(done, len(row_starts) * len(column_starts))
        log_qz, groups, dims = (
            torch.stack(field).logsumexp(0) for field in zip(*by_columns, strict=True)
        )
        by_rows.append(AggregateDensities(log_qz, groups.masked_fill(empty, 0.0), dims))
    return AggregateDensities(*(torch.cat(field) for field in zip(*by_rows, strict=True)))

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

from vae_granularity.densities.mixture import AggregateDensities, mixture_densities
from vae_granularity.errors import ArgumentError

ESTIMATORS = ("mws", "mss", "stratified")


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
    pairs = max(1, chunk_elements // (z.shape[1] + membership.shape[1] + 1))
    columns = min(len(mu), max(1, min(pairs, 8192)))
    rows = max(1, pairs // columns)
    row_starts = range(0, len(z), rows)
    column_starts = range(0, len(mu), columns)
    empty_groups = membership.sum(0) == 0
    weight = -math.log(len(mu))
    row_chunks: list[AggregateDensities] = []
    done = 0
    for r in row_starts:
        chunks = []
        for c in column_starts:
            components = (mu[c : c + columns], logvar[c : c + columns])
            chunks.append(mixture_densities(z[r : r + rows], *components, membership, weight))
            done += 1
            if progress is not None:
                progress(done, len(row_starts) * len(column_starts))
        log_qz, groups, dims = (
            torch.stack(field).logsumexp(0) for field in zip(*chunks, strict=True)
        )
        # The sum over chunks counts the empty product of an empty group once a chunk.
        row_chunks.append(AggregateDensities(log_qz, groups.masked_fill(empty_groups, 0.0), dims))
    return AggregateDensities(*(torch.cat(field) for field in zip(*row_chunks, strict=True)))

"""The best partition for the data: which latent dimensions belong to which true block.

Models of different granularity are compared under common partitions, never each under its own
alone: a model without groups may hold the same blocks, only unnamed.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from vae_granularity.errors import ArgumentError
from vae_granularity.metrics.core import unit_information
from vae_granularity.metrics.core.inputs import TooLittleData, as_latents, groups_of
from vae_granularity.partition import LatentPartition


def best_partition(relation: Any, sizes: Sequence[int]) -> LatentPartition:
    """Assignment of dimensions to blocks of largest total relation (Hungarian algorithm).

    Args:
        relation: (D, K), how strongly each dimension is related to each block, such as mutual
            information.
        sizes: number of dimensions of each of the K blocks. Where D exceeds their sum, the
            dimensions left over form one more group; where D falls short, some blocks get fewer,
            and a block that gets none is no group.

    Raises:
        ArgumentError: relation is not a finite (D, K) table, or sizes are not K positive numbers.

    >>> best_partition([[1.0, 0.0], [0.0, 1.0], [0.9, 0.1]], sizes=[2, 1]).groups
    ((0, 2), (1,))
    """
    from scipy.optimize import linear_sum_assignment

    table = as_latents(relation, "relation")
    if len(sizes) != table.shape[1] or any(int(size) != size or size < 1 for size in sizes):
        raise ArgumentError(
            f"sizes must be a positive integer for each of {table.shape[1]} blocks, got"
            f" {list(sizes)}"
        )
    seats = np.repeat(np.arange(len(sizes)), sizes)
    dims, chosen = linear_sum_assignment(table[:, seats], maximize=True)
    block = np.full(len(table), len(sizes))  # left over
    block[dims] = seats[chosen]
    members = (tuple(np.flatnonzero(block == k).tolist()) for k in range(len(sizes) + 1))
    return LatentPartition(tuple(group for group in members if group))


def best_block_partition(
    latents: Any, blocks: Any, sizes: Sequence[int], *, num_neighbors: int = 10, seed: int = 0
) -> LatentPartition:
    """`best_partition` by k-NN information of each latent with each block's label.

    Args:
        latents: (n, D); blocks: (n, K) integers, the label of each block's state; sizes: the K true
            block sizes.

    Raises:
        ArgumentError: bad tables, sizes that do not fit.
        TooLittleData: too few rows, or a block whose label never changes.
    """
    sample = unit_information.knn_sample(latents, blocks, num_neighbors, factor_kinds="discrete")
    if sample.dropped_factors:
        raise TooLittleData(
            "blocks must each have two or more labels, got one in columns"
            f" {list(sample.dropped_factors)}"
        )
    singles = groups_of(None, sample.latents.shape[1])
    mi = unit_information.mutual_information_matrix(sample, singles, num_neighbors, seed)
    return best_partition(mi, sizes)

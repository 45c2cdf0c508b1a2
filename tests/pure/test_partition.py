"""The partition: what is accepted, what it means, what a mistake says."""

from __future__ import annotations

import pickle

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vae_granularity import LatentPartition
from vae_granularity.errors import ArgumentError


@given(dim=st.integers(1, 40), data=st.data())
def test_granularity_makes_contiguous_blocks_of_which_the_last_may_be_shorter(dim, data):
    granularity = data.draw(st.integers(1, dim))
    partition = LatentPartition.from_granularity(dim, granularity)
    assert [d for group in partition.groups for d in group] == list(range(dim))
    assert set(partition.sizes[:-1]) <= {granularity}
    assert 1 <= partition.sizes[-1] <= granularity
    assert partition.latent_dim == dim
    assert partition.num_groups == -(-dim // granularity)


@given(sizes=st.lists(st.integers(1, 5), min_size=1, max_size=8))
def test_sizes_are_kept_and_membership_holds_each_dimension_once(sizes):
    partition = LatentPartition.from_sizes(sizes)
    matrix = partition.membership()
    assert partition.sizes == tuple(sizes)
    assert matrix.shape == (sum(sizes), len(sizes))
    assert torch.equal(matrix.sum(1), torch.ones(sum(sizes)))
    assert matrix.sum(0).tolist() == sizes


def test_documented_example():
    assert LatentPartition.from_granularity(latent_dim=10, granularity=3).groups == (
        (0, 1, 2),
        (3, 4, 5),
        (6, 7, 8),
        (9,),
    )
    assert LatentPartition.from_sizes([1, 1, 2]).labels == ("z0", "z1", "z2-z3")
    assert LatentPartition(((0, 2), (1,))).labels == ("z0+z2", "z1")


def test_padding_adds_empty_groups_on_the_right():
    partition = LatentPartition.from_granularity(4, 2)
    padded = partition.membership(num_groups=5, dtype=torch.float64)
    assert padded.dtype == torch.float64
    assert torch.equal(padded[:, :2], partition.membership(dtype=torch.float64))
    assert not padded[:, 2:].any()


def test_equal_partitions_are_one_key_and_travel_between_processes():
    a, b = LatentPartition.from_granularity(4, 2), LatentPartition.from_sizes([2, 2])
    assert a == b
    assert len({a, b, pickle.loads(pickle.dumps(a))}) == 1


@pytest.mark.parametrize(
    "make, message",
    [
        (
            lambda: LatentPartition.from_granularity(10, 99),
            r"granularity must be an integer in \[1, latent_dim=10\], got 99",
        ),
        (lambda: LatentPartition.from_granularity(10, 0), "got 0"),
        (lambda: LatentPartition.from_granularity(10, 2.5), "got 2.5"),
        (lambda: LatentPartition.from_granularity(10, True), "got True"),
        (
            lambda: LatentPartition.from_granularity(0, 1),
            "latent_dim must be an integer >= 1, got 0",
        ),
        (lambda: LatentPartition.from_sizes([]), "at least one group"),
        (lambda: LatentPartition.from_sizes([2, 0]), r"sizes\[1\].*got 0"),
        (lambda: LatentPartition.from_sizes([2, 2], latent_dim=5), "sum to latent_dim=5.*sum 4"),
        (lambda: LatentPartition(((0, 1), (1, 2))), "exactly once"),
        (lambda: LatentPartition(((0,), ())), "non-empty"),
        (
            lambda: LatentPartition.from_granularity(4, 2).membership(num_groups=1),
            "num_groups must be an integer >= 2, got 1",
        ),
    ],
)
def test_a_mistake_is_named(make, message):
    with pytest.raises(ArgumentError, match=message):
        make()

"""Regrouping by estimated dependence: it finds structure that is there, keeps still where there is
none.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import results, tiny_config

from vae_granularity import load_run
from vae_granularity.partition import LatentPartition
from vae_granularity.partitions.dependence import (
    equal_groups,
    free_groups,
    pairwise_mutual_information,
)
from vae_granularity.partitions.grouping import Regrouping
from vae_granularity.training.run import train

BLOCKS = ((0, 4), (1, 5), (2, 3))  # dimensions of the three rings below


def rings(n: int, seed: int = 0) -> np.ndarray:
    """(n, 6): three independent noisy rings, whose two coordinates are uncorrelated and
    dependent.
    """
    generator = np.random.default_rng(seed)
    z = np.empty((n, 6))
    for pair in BLOCKS:
        angle = generator.uniform(0, 2 * np.pi, n)
        z[:, pair] = np.stack((np.cos(angle), np.sin(angle)), 1) + 0.15 * generator.normal(
            size=(n, 2)
        )
    return z


def test_mutual_information_of_pairs_against_the_closed_form():
    """Correlation rho gives -½ log(1 - rho²); independence 0; a histogram of 12 bins loses up to a
    tenth.
    """
    generator = np.random.default_rng(0)
    z = generator.normal(size=(20_000, 3))
    z[:, 1] = 0.8 * z[:, 0] + 0.6 * z[:, 1]
    mi = pairwise_mutual_information(z)
    assert mi[0, 1] == pytest.approx(-0.5 * np.log(1 - 0.64), rel=0.12)
    assert mi[0, 2] < 0.003
    assert np.array_equal(mi, mi.T)
    assert np.array_equal(np.diag(mi), np.zeros(3))


def test_both_ways_find_the_rings():
    mi = pairwise_mutual_information(rings(4_000))
    truth = LatentPartition(BLOCKS)
    assert equal_groups(mi, LatentPartition.from_granularity(6, 2)) == truth
    assert free_groups(mi, threshold=0.05) == truth


def test_without_structure_the_partition_stays():
    z = np.random.default_rng(1).normal(size=(4_000, 6))
    z[:, 5] = 0.0  # a collapsed dimension
    mi = pairwise_mutual_information(z)
    start = LatentPartition(((0, 3), (1, 4), (2, 5)))
    assert equal_groups(mi, start) == start
    assert free_groups(mi, threshold=0.05) == LatentPartition.from_granularity(6, 1)


@settings(max_examples=40)
@given(st.integers(2, 9), st.integers(1, 4), st.integers(0, 10**6))
def test_equal_groups_keep_their_sizes_and_never_hold_less(dim, granularity, seed):
    raw = np.random.default_rng(seed).exponential(size=(dim, dim))
    mi = raw + raw.T
    np.fill_diagonal(mi, 0)
    start = LatentPartition.from_granularity(dim, min(granularity, dim))
    found = equal_groups(mi, start)

    def inside(partition: LatentPartition) -> float:
        return sum(mi[a, b] for group in partition.groups for a in group for b in group if a < b)

    assert sorted(found.sizes) == sorted(start.sizes)
    assert inside(found) >= inside(start) - 1e-9


def test_when_regrouping_is_due():
    rule = Regrouping(every=100, first=50, last=250)
    assert [step for step in range(500) if rule.due(step)] == [50, 150, 250]
    assert [step for step in range(301) if Regrouping(every=100).due(step)] == [100, 200, 300]


def test_a_run_records_the_sequence_of_its_partitions(tmp_path):
    rule = "model.partition={schedule: adaptive, every: 5, free: true, threshold: 0.0}"
    run = train(
        tiny_config(
            tmp_path, rule, "trainer.max_steps=12", "callbacks.checkpoint.every_n_train_steps=6"
        )
    )
    found = results(run)
    sequence = found["run"]["partitions"]
    assert sequence[0][0] == 0
    assert len(sequence) > 1
    assert all(
        sorted(d for group in groups for d in group) == list(range(6)) for _, groups in sequence
    )
    assert found["protocol"]["partition"] == sequence[-1][1]
    assert load_run(run).model.partition.groups == tuple(map(tuple, sequence[-1][1]))
    assert "adaptive" in run.name

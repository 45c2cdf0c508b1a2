"""Group scores and what must stand beside them: partners, nulls, carriers, common partitions,
saturation.
"""

import math

import numpy as np
import pytest

from vae_granularity import LatentPartition, metrics
from vae_granularity.elbo import decompose_exact
from vae_granularity.errors import ArgumentError
from vae_granularity.metrics.core.common_partition import best_block_partition, best_partition
from vae_granularity.metrics.core.group_scores import (
    harmonic_mean,
    harmonic_scores,
    partition_null,
    random_partitions,
)
from vae_granularity.metrics.core.saturation import tc_saturation
from vae_granularity.metrics.dci import group_scores
from vae_granularity.metrics.unsupervised import gaussian_tc

HARMONIC = [
    (1, 1, 1),
    (1, 0, 0),
    (0.5, 1, 2 / 3),
    (-0.1, 1, 0),
    (0, 0, 0),
    (None, 1, None),
    (1, None, None),
]


@pytest.mark.parametrize("a, b, expected", HARMONIC)
def test_harmonic_mean(a, b, expected):
    assert harmonic_mean(a, b) == (expected if expected is None else pytest.approx(expected))


def test_headlines_pair_completeness_with_modularity():
    scores = {
        "sap_group": 0.5,
        "modularity_knn_group": 1.0,
        "infoc_group": 1.0,
        "infom_group": 0.0,
        "mig_entropy_group": None,
        "mig": 0.3,
    }
    expected = {
        "sap_harmonic_group": pytest.approx(2 / 3),
        "infoc_harmonic_group": 0.0,
        "mig_entropy_harmonic_group": None,
    }
    assert harmonic_scores(scores) == expected
    assert harmonic_scores({"dci_completeness_group": 0.9}) == {
        "dci_completeness_harmonic_group": None
    }


def test_random_partitions_keep_the_sizes_and_cover_the_dimensions():
    partition = LatentPartition.from_sizes([1, 2, 4])
    draws = random_partitions(partition, 50, seed=0)
    assert all(draw.sizes == partition.sizes for draw in draws)
    assert len(set(draws)) > 10
    assert draws == random_partitions(partition, 50, seed=0)


IMPORTANCES = np.array(
    [[0.5, 0, 0], [0.5, 0, 0], [0, 0.5, 0], [0, 0.5, 0], [0, 0, 0.5], [0, 0, 0.5]]
)


def test_null_of_a_code_whose_pairs_belong_together():
    pairs = LatentPartition.from_granularity(6, 2)
    null = partition_null(lambda p: group_scores(IMPORTANCES, p), pairs)["dci_completeness_group"]
    assert null.score == pytest.approx(1)
    assert null.draws == 20
    assert null.mean < 0.7
    assert null.lift == null.score - null.mean > 0.3


def test_null_of_a_score_that_groups_do_not_change_has_no_lift():
    null = partition_null(
        lambda p: {"constant_group": 0.4, "mig": 0.1, "gone_group": None},
        LatentPartition.from_granularity(6, 2),
    )
    assert null == {"constant_group": null["constant_group"], "gone_group": None}
    assert (null["constant_group"].lift, null["constant_group"].std) == (
        pytest.approx(0),
        pytest.approx(0),
    )


@pytest.mark.parametrize("granularity", [1, 6])
def test_no_null_where_every_deal_is_the_same(granularity):
    assert (
        partition_null(lambda p: {"x_group": 1.0}, LatentPartition.from_granularity(6, granularity))
        == {}
    )


def test_collapse_into_one_group_is_complete_and_has_no_headline():
    rng = np.random.default_rng(0)
    f = rng.integers(0, 4, (1500, 3))
    signal = (f - 1.5) @ np.linalg.qr(rng.normal(size=(3, 3)))[0]
    z = np.column_stack((signal, rng.normal(size=(1500, 3)))) + 0.05 * rng.normal(size=(1500, 6))
    halves = LatentPartition.from_sizes([3, 3])
    scores = metrics.dci(
        z[:1000],
        f[:1000],
        test=(z[1000:], f[1000:]),
        regressor="lightgbm",
        partition=halves,
        n_jobs=1,
    ).scores
    assert scores["dci_fast_completeness_group"] > 0.8
    assert harmonic_scores(scores)["dci_fast_completeness_harmonic_group"] < 0.1
    found = metrics.unit_profile(z, f, partition=halves)
    assert found.scores["carriers_group"] == 1
    assert not found.alone.any()


def test_best_partition_finds_a_shuffled_one():
    truth = LatentPartition(((0, 4), (1, 3, 5), (2,)))
    relation = np.random.default_rng(0).uniform(0, 0.1, (6, 3))
    for k, group in enumerate(truth.groups):
        relation[list(group), k] += 1
    assert best_partition(relation, truth.sizes) == truth


def test_best_partition_of_more_or_fewer_dimensions_than_seats():
    relation = np.array([[1.0, 0], [0.9, 0], [0, 1], [0.1, 0.1], [0, 0]])
    assert best_partition(relation, [2, 1]).groups == (
        (0, 1),
        (2,),
        (3, 4),
    )  # what is left over is a group of its own
    assert best_partition(relation[:1], [2, 1]).groups == ((0,),)
    with pytest.raises(
        ArgumentError, match="sizes must be a positive integer for each of 2 blocks"
    ):
        best_partition(relation, [2, 0])


def test_best_block_partition_by_mutual_information():
    rng = np.random.default_rng(0)
    angle = rng.uniform(0, 2 * np.pi, (1200, 2))
    z = np.stack((np.cos(angle), np.sin(angle)), -1).reshape(1200, 4)[
        :, [0, 2, 1, 3]
    ] + 0.05 * rng.normal(size=(1200, 4))
    labels = (angle / (2 * np.pi) * 8).astype(int)
    assert best_block_partition(z, labels, [2, 2]).groups == ((0, 2), (1, 3))
    with pytest.raises(
        ArgumentError, match=r"blocks must each have two or more labels, got one in columns \[1\]"
    ):
        best_block_partition(z, labels * [1, 0], [2, 2])


def test_exact_tc_of_narrow_posteriors_saturates():
    import torch

    mu = torch.randn(40, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    terms = decompose_exact(
        mu, mu, torch.full_like(mu, -30.0), partition=LatentPartition.from_granularity(3, 1)
    )
    found = tc_saturation(terms.between_group_tc.mean().item(), num_units=3, entropy=math.log(40))
    assert found.bound == pytest.approx(2 * math.log(40))
    assert found.value == pytest.approx(found.bound)
    assert found.saturated


@pytest.mark.parametrize("share, saturated", [(0.94, False), (0.96, True), (0.0, False)])
def test_saturation_begins_within_five_per_cent(share, saturated):
    assert tc_saturation(share * math.log(100), 2, math.log(100)).saturated is saturated
    assert not tc_saturation(0.0, 1, math.log(100)).saturated  # one unit has no total correlation


@pytest.mark.parametrize(
    "groups", [((0,), (1,), (2,), (3,)), ((0, 1), (2, 3)), ((0, 2), (1, 3)), ((0, 1, 2, 3),)]
)
def test_gaussian_tc_between_groups_is_the_closed_form(groups):
    a = np.random.default_rng(0).normal(size=(4, 4))
    sigma = a @ a.T + 0.1 * np.eye(4)

    def log_det(dims):
        return np.linalg.slogdet(sigma[np.ix_(dims, dims)])[1]

    expected = 0.5 * (sum(log_det(list(g)) for g in groups) - log_det([0, 1, 2, 3]))
    assert gaussian_tc(sigma, [list(g) for g in groups]) == pytest.approx(expected, abs=1e-10)


def test_udr_of_groups_does_not_reward_duplicates():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(400, 2))
    pairs, partition = z[:, [0, 0, 1, 1]], LatentPartition.from_granularity(4, 2)
    assert metrics.udr([pairs, pairs[:, [2, 3, 0, 1]]], partition=partition).scores[
        "udr_group"
    ] == pytest.approx(1, abs=0.05)
    assert metrics.udr([pairs, pairs], partition=partition).scores["udr"] == pytest.approx(
        0.5, abs=0.05
    )
    assert metrics.udr([z, rng.normal(size=(400, 2))]).scores["udr"] < 0.2


def test_udr_of_one_group_is_missing():
    """Of pure noise it was 0.94: with nothing beside it, a group's best match is its only one."""
    rng = np.random.default_rng(0)
    tables = [rng.normal(size=(60, 20)) for _ in range(3)]
    found = metrics.udr(tables, partition=LatentPartition.from_sizes([20]))
    assert found.scores["udr"] < 0.2
    assert {name: value for name, value in found.scores.items() if name != "udr"} == dict.fromkeys(
        ("udr_group", "udr_null_group", "udr_null_sd_group", "udr_lift_group")
    )


def test_udr_of_groups_stands_beside_its_null():
    """Groups that seeds agree on lie far above random ones, those of noise do not; what the seeds'
    latents are called does not matter.
    """
    rng = np.random.default_rng(0)
    z, partition = rng.normal(size=(400, 6)), LatentPartition.from_granularity(6, 2)
    turned = [np.kron(np.eye(3), rotation(a)) for a in (0.3, 0.7)]
    for order in ([0, 1, 2, 3, 4, 5], [4, 5, 1, 0, 2, 3]):
        agreed = metrics.udr([z @ turned[0], (z @ turned[1])[:, order]], partition=partition)
        assert agreed.scores["udr_group"] > 0.8
        assert agreed.scores["udr_lift_group"] > 4 * agreed.scores["udr_null_sd_group"]
        assert [scores["udr_group"] for scores in agreed.of_models] == pytest.approx(
            [agreed.scores["udr_group"]] * 2, abs=1e-9
        )
    noise = metrics.udr([rng.normal(size=(400, 6)) for _ in range(3)], partition=partition).scores
    assert abs(noise["udr_lift_group"]) < 3 * noise["udr_null_sd_group"]
    assert set(metrics.udr([z, z], partition=partition, null_draws=0).scores) == {
        "udr",
        "udr_group",
    }


def rotation(angle):
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def test_k_nn_information_of_a_group_is_at_least_that_of_its_dimensions():
    rng = np.random.default_rng(1)
    angle = rng.integers(0, 8, 1500)
    z = np.column_stack(
        (np.cos(angle * np.pi / 4), np.sin(angle * np.pi / 4), rng.normal(size=1500))
    ) + 0.02 * rng.normal(size=(1500, 3))
    found = metrics.modularity_knn(z, angle, partition=LatentPartition.from_sizes([2, 1]))
    assert found.mi_matrix_group[0, 0] == pytest.approx(np.log(8), abs=0.05)
    assert found.mi_matrix[:2, 0].max() < 0.8 * np.log(8)
    assert found.mi_matrix_group[1, 0] == found.mi_matrix[2, 0] < 0.05


def test_group_null_lifts_pairs_that_belong_together():
    rng = np.random.default_rng(0)
    f = rng.integers(0, 8, (1200, 2))
    angle = f * np.pi / 4
    z = np.stack((np.cos(angle), np.sin(angle)), -1).reshape(1200, 4) + 0.05 * rng.normal(
        size=(1200, 4)
    )
    pairs = metrics.group_null(
        z, f, partition=LatentPartition.from_granularity(4, 2), num_samples=600
    )
    assert pairs.scores["infom_lift_group"] > 0.3
    assert pairs.scores["infoc_harmonic_lift_group"] > 0.3
    assert pairs.nulls["infom_group"].score == pytest.approx(1, abs=0.02)
    singles = metrics.group_null(
        z, f, partition=LatentPartition.from_granularity(4, 1), num_samples=600
    )
    assert set(singles.scores) == set(pairs.scores)
    assert set(singles.scores.values()) == {None}

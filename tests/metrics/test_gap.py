"""The headline group score tells a separated code from noise and from everything in one group."""

from __future__ import annotations

import numpy as np
import pytest

from vae_granularity import LatentPartition, metrics
from vae_granularity.metrics.core.group_scores import with_harmonic

ROWS = 2_000
DIM = 10


def code(kind: str, granularity: int) -> tuple[np.ndarray, np.ndarray]:
    """Latents (n, 10) and factors (n, F), F the number of groups but at most 5."""
    rng = np.random.default_rng(granularity)
    groups = LatentPartition.from_granularity(DIM, granularity).groups
    count = min(5, len(groups))
    factors = rng.integers(0, 5, (ROWS, count))
    z = rng.standard_normal((ROWS, DIM))
    if kind == "perfect":
        for f in range(count):
            z[:, groups[f][0]] = factors[:, f] / 2 + 0.05 * rng.standard_normal(ROWS)
    elif kind == "all in one":
        # In equal parts: directions at equal angles to each other.
        angles = np.pi * np.arange(count) / count
        plane = np.stack([np.cos(angles), np.sin(angles)], 1)
        weights = {1: np.ones((count, 1)), 2: plane, 5: np.eye(count, 5)}[granularity]
        z[:, groups[0]] = factors @ weights + 0.05 * rng.standard_normal((ROWS, granularity))
    elif kind == "rotated":
        z = code("perfect", granularity)[0]
        factors = code("perfect", granularity)[1]
        z = z @ np.linalg.qr(rng.standard_normal((DIM, DIM)))[0]
    return z, factors


def headline(kind: str, granularity: int) -> float:
    z, factors = code(kind, granularity)
    partition = LatentPartition.from_granularity(DIM, granularity)
    scores = with_harmonic(metrics.gap(z, factors, partition=partition).scores)
    return scores["gap_harmonic_group"] or 0.0


@pytest.mark.parametrize("granularity", [1, 2, 5])
def test_the_headline_orders_codes_by_how_separate_they_are(granularity):
    perfect = headline("perfect", granularity)
    rotated = headline("rotated", granularity)
    assert perfect >= 0.85
    assert headline("noise", granularity) <= 0.1
    assert headline("all in one", granularity) <= 0.15
    assert headline("noise", granularity) < rotated < perfect


def test_the_published_forms_do_not():
    """InfoM and InfoC average all units and factors alike, however little they hold."""
    partition = LatentPartition.from_granularity(DIM, 2)

    def published(kind: str) -> float:
        z, factors = code(kind, 2)
        scores = with_harmonic(metrics.infomec(z, factors, partition=partition).scores)
        return scores["infoc_harmonic_group"] or 0.0

    assert published("noise") > 0.2
    assert published("all in one") > 0.15
    assert published("perfect") > 0.8


def test_by_single_dimensions_group_and_dimension_scores_are_one():
    z, factors = code("perfect", 1)
    scores = metrics.gap(z, factors, partition=LatentPartition.from_granularity(DIM, 1)).scores
    assert scores["gap"] == scores["gap_group"]
    assert scores["infom_weighted"] == scores["infom_weighted_group"]


def test_a_factor_in_a_pair_has_a_gap_by_group_and_none_by_dimension():
    """A hue on a circle needs two dimensions: each alone holds part of it, so no one is ahead."""
    rng = np.random.default_rng(0)
    hues = rng.integers(0, 10, (ROWS, 2))
    angles = 2 * np.pi * hues / 10
    z = np.stack([np.cos(angles), np.sin(angles)], 2).reshape(ROWS, 4)
    z += 0.03 * rng.standard_normal(z.shape)
    scores = metrics.gap(z, hues, partition=LatentPartition.from_granularity(4, 2)).scores
    assert scores["gap"] < 0.1
    assert scores["gap_group"] > 0.9


def test_with_one_group_there_is_no_second_and_the_gap_is_missing():
    z, factors = code("perfect", 5)
    scores = metrics.gap(z, factors, partition=LatentPartition.from_sizes([DIM])).scores
    assert scores["gap_group"] is None


def test_the_null_of_random_partitions_stands_beside_it():
    z, factors = code("perfect", 2)
    partition = LatentPartition.from_granularity(DIM, 2)
    suite = metrics.run_suite({"gap": metrics.gap}, {"latents": z, "factors": factors}, partition)
    result = suite.results["gap"]
    shuffled = LatentPartition(((0, 2), (1, 4), (3, 6), (5, 8), (7, 9)))
    assert set(result.rescore(shuffled)) == {"gap_group", "infom_weighted_group"}
    assert result.share_group.shape == (5, 5)


def continuous_labels(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.random((ROWS, 2)), rng.standard_normal((ROWS, 3))


@pytest.mark.parametrize(
    "monotone",
    [lambda y: y, lambda y: np.exp(5 * y), lambda y: np.unique(y, return_inverse=True)[1]],
    ids=["as it is", "exp", "ranks"],
)
def test_labels_with_a_value_in_every_row_are_cut_into_quantile_bins(monotone):
    """MIG of a perfect code was 0.0003: every value is unique, so every latent tells everything."""
    labels, noise = continuous_labels()
    mapped = np.stack([monotone(column) for column in labels.T], 1)
    perfect = metrics.mig(np.column_stack([labels, noise]), mapped)
    assert perfect.scores["mig"] > 0.9
    assert perfect.protocol["binned_factors"] == [0, 1]
    assert perfect.protocol["quantile_bins"] == 10
    assert perfect.scores == metrics.mig(np.column_stack([labels, noise]), labels).scores
    assert metrics.mig(np.column_stack([noise, noise]), mapped).scores["mig"] < 0.05


def test_a_far_row_is_noted_where_it_empties_the_bins():
    z, factors = code("perfect", 1)
    z[0, :] = 1e4
    found = metrics.mig(z, factors).protocol["found"]
    assert found["latents_nearly_in_one_bin"] == list(range(DIM))
    assert "found" not in metrics.mig(code("perfect", 1)[0], factors).protocol

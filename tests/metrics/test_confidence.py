"""Standard errors of one model's scores, and intervals over seeds."""

import numpy as np
import pytest

from vae_granularity import metrics
from vae_granularity.data.factors import FactorSpace
from vae_granularity.errors import ArgumentError
from vae_granularity.metrics.core.confidence import error_by_draws, error_by_subsampling
from vae_granularity.metrics.core.sampling import fresh_sample
from vae_granularity.metrics.core.suite import Companions
from vae_granularity.runs.interval import interval


def test_interval_of_four_values():
    found = interval([1.0, 2.0, 3.0, 4.0])
    # t(0.975, 3) = 3.18245
    reach = 3.18245 * np.std([1, 2, 3, 4], ddof=1) / 2
    assert (found.mean, found.count) == (2.5, 4)
    assert (found.low, found.high) == (
        pytest.approx(2.5 - reach, abs=1e-4),
        pytest.approx(2.5 + reach, abs=1e-4),
    )
    assert interval([0.3]).low is None


def test_the_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(0)
    found = [interval(rng.normal(size=5)) for _ in range(1000)]
    assert np.mean([i.low <= 0 <= i.high for i in found]) == pytest.approx(
        0.95, abs=0.025
    )  # 3.6 standard errors


def test_subsampling_finds_the_standard_error_of_a_mean():
    x = np.random.default_rng(0).normal(size=2000)
    found = error_by_subsampling(
        lambda rows: {"mean": float(x[rows].mean())}, len(x), num_draws=200
    )
    assert found["mean"] == pytest.approx(x.std() / np.sqrt(2000), rel=0.2)


@pytest.mark.parametrize("score", ["mig", "modularity_knn"])
def test_subsampling_agrees_with_fresh_samples(score):
    function = metrics.mig if score == "mig" else metrics.modularity_knn

    def sample(seed, n=400):
        rng = np.random.default_rng(seed)
        f = rng.integers(0, 4, (n, 2))
        return f + 0.5 * rng.normal(size=(n, 2)), f

    z, f = sample(0)
    ours = error_by_subsampling(
        lambda rows: function(z[rows], f[rows]).scores, len(z), num_draws=30
    )[score]
    fresh = error_by_draws(lambda seed: function(*sample(seed)).scores, num_draws=30)[score]
    assert 0.5 < ours / fresh < 2


WIDE = FactorSpace(tuple("abcd"), (20,) * 4)
CODE = 2 * WIDE.factors(np.arange(WIDE.size)) / 19 - 1
CODE = CODE + np.random.default_rng(99).normal(size=CODE.shape)


def encode(factors):
    return CODE[WIDE.index(factors)]


def test_the_error_of_irs_is_the_spread_over_fresh_samples():
    """Halves of the rows gave 0.7 of it: half a sample has another maximum to divide by."""
    samples = [fresh_sample(encode, WIDE, 1000, seed) for seed in range(40)]
    truth = np.std([metrics.irs(**sample).scores["irs"] for sample in samples], ddof=1)
    halves = [
        error_by_subsampling(
            lambda rows, own=sample: metrics.irs(own["latents"][rows], own["factors"][rows]).scores,
            1000,
        )["irs"]
        for sample in samples[:4]
    ]
    assert np.mean(halves) / truth == pytest.approx(0.7, abs=0.1)
    found = metrics.run_suite(
        {"irs": metrics.irs},
        {**samples[0], "encode": encode, "space": WIDE},
        companions=Companions(draws=40, seed=1),
    )
    assert found.scores["se/irs"] / truth == pytest.approx(1, abs=0.25)  # 11 % each


def test_without_a_ground_truth_irs_has_no_error():
    sample = fresh_sample(encode, WIDE, 100, 0)
    result = metrics.irs(**sample)
    assert Companions().annotate_scores(metrics.irs, sample, result) == {}


def test_a_fresh_sample_repeats_points_only_where_the_grid_is_too_small():
    space = FactorSpace(("a", "b"), (4, 5))
    for n, distinct in ((20, 20), (12, 12)):
        found = fresh_sample(lambda factors: factors.astype(float), space, n, 3)
        assert len(np.unique(space.index(found["factors"]))) == distinct
        np.testing.assert_array_equal(found["latents"], found["factors"])
    assert len(fresh_sample(lambda factors: factors * 1.0, space, 50, 3)["latents"]) == 50


def test_repeated_rows_would_break_nearest_neighbours():
    """Why the bootstrap is not offered: a repeated row is its own neighbour at distance 0."""
    rng = np.random.default_rng(0)
    z, f = rng.normal(size=(400, 1)), rng.integers(0, 4, (400, 2))
    repeated = rng.integers(0, 400, 400)
    assert metrics.modularity_knn(z, f, num_neighbors=2).mi_matrix.max() < 0.15
    assert metrics.modularity_knn(z[repeated], f[repeated], num_neighbors=2).mi_matrix.max() > 0.3


@pytest.mark.parametrize(
    "call, argument",
    [
        (lambda: interval([]), "values"),
        (lambda: interval([1.0, np.nan]), "values"),
        (lambda: interval([1.0], level=1.0), "level"),
        (lambda: error_by_subsampling(lambda rows: {}, 100, fraction=1.0), "fraction"),
        (lambda: error_by_draws(lambda seed: {}, num_draws=1), "num_draws"),
    ],
)
def test_bad_arguments_are_named(call, argument):
    with pytest.raises(ArgumentError, match=f"^{argument} must"):
        call()

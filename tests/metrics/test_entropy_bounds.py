"""Bounds of the posterior-entropy gap hold the truth where few posteriors are too narrow."""

import numpy as np
import pytest

from vae_granularity import metrics
from vae_granularity.metrics.core.factor_matrix import gap, gap_bounds
from vae_granularity.metrics.mig_entropy import WIDE, WIDEST

VALUES = 40
SPREAD = 11.5  # deviation of 0 .. 39
WIDTH = 0.3  # of the posteriors that hold the factor


def entropy_scores(sigma, *, rows, samples, seed=0):
    """Return the result for two dimensions: one holds a factor of 40 values, the other, of
    posterior width sigma, is independent of it.
    """
    rng = np.random.default_rng(seed)
    factors = rng.integers(0, VALUES, (rows, 1))
    centred = (factors[:, 0] - (VALUES - 1) / 2) / SPREAD
    mu = np.stack((centred, rng.standard_normal(rows)), axis=1)
    widths = np.array([WIDTH, sigma])
    z = mu + widths * rng.standard_normal((rows, 2))
    logvar = np.tile(2 * np.log(widths), (rows, 1))
    return metrics.mig_entropy(z, mu, logvar, factors, num_samples=samples, progress=False)


def true_gap():
    """Return the share of the factor's entropy in the first dimension, by numerical integration."""
    line = np.linspace(-3.5, 3.5, 4001)
    centres = (np.arange(VALUES) - (VALUES - 1) / 2) / SPREAD
    density = np.exp(-0.5 * ((line - centres[:, None]) / WIDTH) ** 2) / (WIDTH * np.sqrt(2 * np.pi))
    ratio = np.maximum(density, 1e-300) / density.mean(0)
    nats = np.trapezoid((density * np.log(ratio)).mean(0), line)
    return nats / np.log(VALUES)


def test_the_bounds_hold_the_truth_where_the_published_value_is_a_third_of_it():
    found = entropy_scores(0.003, rows=10_000, samples=1_000)
    truth = true_gap()
    assert truth == pytest.approx(0.32, abs=0.005)
    assert found.scores["mig_entropy"] == pytest.approx(0.11, abs=0.03)
    assert found.scores["mig_entropy_lower"] < truth < found.scores["mig_entropy_upper"]
    assert found.protocol["found"]["wide"] == WIDE


@pytest.mark.parametrize("sigma, widest", [(0.3, 0.05), (0.1, 0.06), (0.03, 0.1)])
def test_the_bounds_close_where_posteriors_are_wide_enough(sigma, widest):
    found = entropy_scores(sigma, rows=4_000, samples=4_000)
    lower, upper = found.scores["mig_entropy_lower"], found.scores["mig_entropy_upper"]
    assert upper - lower < widest < WIDEST
    assert lower <= found.scores["mig_entropy"] <= upper
    assert lower < true_gap() < upper
    assert "wide" not in found.protocol["found"]


@pytest.mark.parametrize("sigma", [0.3, 0.03, 0.003])
def test_the_bounds_hold_the_truth_in_19_of_20_draws(sigma):
    truth, hits = true_gap(), 0
    for seed in range(20):
        scores = entropy_scores(sigma, rows=1_000, samples=500, seed=seed).scores
        hits += scores["mig_entropy_lower"] <= truth <= scores["mig_entropy_upper"]
    assert hits >= 19


def test_a_whole_grid_leaves_the_error_of_sampling_alone():
    """Every combination is there once, so no posterior can weigh too much."""
    rng = np.random.default_rng(0)
    factors = np.stack(np.meshgrid(np.arange(20), np.arange(20), indexing="ij"), -1).reshape(-1, 2)
    mu = factors / 6.0
    logvar = np.full(mu.shape, 2 * np.log(0.001))
    z = mu + 0.001 * rng.standard_normal(mu.shape)
    found = metrics.mig_entropy(z, mu, logvar, factors)
    np.testing.assert_array_equal(found.bounds[0], found.bounds[1])
    assert found.scores["mig_entropy"] == pytest.approx(1.0, abs=1e-6)
    assert found.scores["mig_entropy_lower"] == pytest.approx(1.0, abs=1e-6)


def test_one_dimension_has_no_gap_and_no_bounds():
    z = np.random.default_rng(0).standard_normal((50, 1))
    found = metrics.mig_entropy(z, z, np.zeros_like(z), np.arange(50) % 3)
    assert set(found.scores.values()) == {None}


@pytest.mark.parametrize("seed", range(5))
def test_no_matrix_between_two_has_a_gap_outside_their_bounds(seed):
    rng = np.random.default_rng(seed)
    lower = rng.random((4, 6))
    upper = lower + rng.random((4, 6)) / 2
    least, largest = gap_bounds(lower, upper)
    between = lower + rng.random((2_000, 4, 6)) * (upper - lower)
    gaps = np.stack([gap(matrix) for matrix in between])
    assert (gaps >= least - 1e-12).all()
    assert (gaps <= largest + 1e-12).all()
    # The largest is reached: the best unit at its upper bound, all others at their lower ones.
    best = (upper - np.stack([np.delete(lower, u, 0).max(0) for u in range(4)])).argmax(0)
    extreme = np.where(np.arange(4)[:, None] == best, upper, lower)
    np.testing.assert_allclose(gap(extreme), largest)

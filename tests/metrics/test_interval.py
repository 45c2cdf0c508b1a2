"""Intervals over seeds, and why rows are never repeated to get one."""

import numpy as np
import pytest

from vae_granularity import metrics
from vae_granularity.errors import ArgumentError
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
    ],
)
def test_bad_arguments_are_named(call, argument):
    with pytest.raises(ArgumentError, match=f"^{argument} must"):
        call()

"""A single far row decides nothing: which latents count as active, and what is said of bins."""

from __future__ import annotations

import numpy as np
import pytest

from vae_granularity import metrics
from vae_granularity.metrics.core.inactive import typical_range
from vae_granularity.metrics.infomec import active_latents

ROWS = 4_000


@pytest.fixture(scope="module")
def code() -> tuple[np.ndarray, np.ndarray]:
    """Three factors, a dimension for each of deviation 1, and three of noise."""
    rng = np.random.default_rng(0)
    factors = rng.integers(0, 5, (ROWS, 3))
    latents = np.column_stack(
        (factors + 0.1 * rng.standard_normal((ROWS, 3)), 0.2 * rng.standard_normal((ROWS, 3)))
    )
    deviations = np.append(latents[:, :3].std(0), [1, 1, 1])
    return (latents - latents.mean(0)) / deviations, factors


@pytest.mark.parametrize("size", [60, 1e6])
@pytest.mark.parametrize("dimension", [0, 2, 5])
def test_a_far_row_switches_no_dimension_off(code, size, dimension):
    """Old: a row of 10 000 at 60 deviations switched three dimensions off, InfoM 0.86 -> 0.996."""
    latents, factors = code
    far = latents.copy()
    far[0, dimension] = size
    plain, found = metrics.infomec(latents, factors), metrics.infomec(far, factors)
    for score in ("infom", "infoc"):
        assert found.scores[score] == pytest.approx(plain.scores[score], abs=0.01)
    assert found.active_latents.all()
    assert found.protocol["found"]["outlying_latents"] == [dimension]
    assert plain.protocol["found"]["outlying_latents"] == []
    # The published rule, on the whole range, leaves a few dimensions.
    whole = np.ptp(far, axis=0)
    assert (whole > whole.max() / 20).sum() < 6


def test_without_outliers_the_range_is_the_published_one(code):
    latents, _ = code
    np.testing.assert_array_equal(typical_range(latents), np.ptp(latents, axis=0))


@pytest.mark.parametrize("dimension", range(10))
def test_noise_of_usual_shapes_has_no_outliers(dimension):
    rng = np.random.default_rng(dimension)
    table = np.stack((rng.normal(size=10_000), rng.random(10_000), rng.logistic(size=10_000)), 1)
    np.testing.assert_allclose(typical_range(table), np.ptp(table, axis=0), rtol=0.2)
    np.testing.assert_array_equal(typical_range(table)[:2], np.ptp(table, axis=0)[:2])


HEAVY = {
    "tails of a t distribution": lambda rng: rng.standard_t(3, ROWS),
    "0 but for 1 % of the rows": lambda rng: 5.0 * (rng.random(ROWS) < 0.01),
    "0 but for a handful": lambda rng: np.where(np.arange(ROWS) < 5, 5.0, 0.0),
    "ripples but for 1 % of the rows": lambda rng: (
        0.01 * rng.standard_normal(ROWS) + 5.0 * (rng.random(ROWS) < 0.02)
    ),
}


@pytest.mark.parametrize("shape", HEAVY)
def test_a_heavy_tailed_dimension_is_active_and_so_are_those_of_the_factors(code, shape):
    latents = np.column_stack((code[0], HEAVY[shape](np.random.default_rng(1))))
    active = active_latents(latents)
    assert active[:3].all()
    assert active[6]


def test_a_narrow_dimension_is_inactive_as_published(code):
    latents = code[0].copy()
    latents[:, 1] *= 0.04
    latents[0, 1] = 60.0  # its outlier does not make it active either
    assert np.flatnonzero(~active_latents(latents)).tolist() == [1]


def test_mig_of_a_far_row_falls_and_the_protocol_says_of_which_latent(code):
    """Equal widths are the published form, so the score stays as it is: 0.997 -> 0.68."""
    latents, factors = code
    far = latents.copy()
    far[0, 0] = 60.0
    assert metrics.mig(latents, factors).scores["mig"] == pytest.approx(1.0, abs=0.02)
    found = metrics.mig(far, factors)
    assert found.scores["mig"] == pytest.approx(0.68, abs=0.05)
    assert found.protocol["found"] == {"latents_nearly_in_one_bin": [0]}
    by_quantile = metrics.mig(far, factors, binning="quantile").scores["mig"]
    assert by_quantile == pytest.approx(1.0, abs=0.1)

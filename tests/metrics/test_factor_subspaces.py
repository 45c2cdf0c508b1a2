"""Directions that a factor needs: the true number on planted codes, whatever their rotation."""

import numpy as np
import pytest
from scipy.stats import ortho_group

from vae_granularity.data.blocks import Blocks
from vae_granularity.errors import ArgumentError
from vae_granularity.metrics.factor_subspaces import factor_subspaces, neighbor_information

ROWS = 4000


def circle(values, count, spread):
    """Codes (n, 2) of values on a circle."""
    angles = 2 * np.pi * values / count
    points = np.stack((np.cos(angles), np.sin(angles)), axis=1)
    return points + spread * np.random.default_rng(1).normal(size=points.shape)


@pytest.fixture(scope="module")
def planted():
    """A hue on a circle, a size on a line, a label at the corners of a cube, beside noise."""
    rng = np.random.default_rng(0)
    hue = rng.integers(0, 10, ROWS)
    size = rng.integers(0, 6, ROWS)
    corner = rng.integers(0, 8, ROWS)
    bits = corner[:, None] >> np.arange(3) & 1
    noise = rng.normal(size=(ROWS, 9))
    codes = noise.copy()
    codes[:, :2] = circle(hue, 10, 0.05)
    codes[:, 2] = size / 6 + 0.02 * noise[:, 2]
    codes[:, 3:6] = bits + 0.2 * noise[:, 3:6]
    return codes, np.stack((hue, size, corner), axis=1)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_circle_needs_two_directions_a_line_one_a_cube_three_in_any_rotation(planted, seed):
    codes, factors = planted
    rotated = codes @ ortho_group.rvs(codes.shape[1], random_state=seed)
    result = factor_subspaces(rotated, factors, factor_names=("hue", "size", "corner"), seed=seed)
    assert result.scores == {
        "subspace_dimensions/hue": 2.0,
        "subspace_dimensions/size": 1.0,
        "subspace_dimensions/corner": 3.0,
        "needed_granularity": 3.0,
    }


def test_sharp_codes_of_a_circle_still_need_two_directions():
    """Every line tells ten noiseless hues apart, but not at the resolution of their steps."""
    hue = np.arange(ROWS) % 10
    codes = np.column_stack((circle(hue, 10, 1e-3), np.random.default_rng(2).normal(size=ROWS)))
    assert factor_subspaces(codes, hue).dimensions == (2,)


@pytest.mark.parametrize(
    ("options", "needed"),
    [
        ({"num_blocks": 5, "block_dim": 2, "kinds": "ring"}, 2),
        ({"num_blocks": 4, "block_dim": 3, "kinds": "sphere"}, 3),
        ({"num_blocks": 4, "block_dim": 3, "kinds": "gaussian"}, 3),
        ({"num_blocks": 10, "block_dim": 1, "kinds": "gaussian"}, 1),
    ],
)
def test_blocks_mixed_by_a_nonlinear_map_need_their_own_size(options, needed):
    data = Blocks(data_seed=3, num_samples=ROWS, **options)
    data.setup()
    rows = np.arange(ROWS)
    result = factor_subspaces(data.images(rows).numpy(), data.labels(rows))
    assert set(result.dimensions) == {needed}
    assert result.scores["needed_granularity"] == needed


def test_a_factor_that_the_code_does_not_hold_is_missing_with_its_reason(planted):
    _, factors = planted
    noise = np.random.default_rng(5).normal(size=(ROWS, 4))
    nothing = factor_subspaces(noise, factors[:, 0], factor_names=["hue"])
    assert nothing.scores == {"subspace_dimensions/hue": None, "needed_granularity": None}
    assert "less than 0.1" in nothing.reasons["hue"]
    dead = factor_subspaces(np.zeros((ROWS, 3)), factors[:, 0])
    assert dead.scores["needed_granularity"] is None
    assert "holds 0.00" in dead.reasons["0"]


def test_a_factor_that_is_not_laid_out_linearly_is_missing_with_its_reason():
    """The class means of a shell and its core coincide: no direction separates them."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(ROWS, 3))
    outer = (np.linalg.norm(z, axis=1) > 1.5).astype(int)
    result = factor_subspaces(z, outer, factor_names=["outer"])
    assert result.dimensions == (None,)
    assert result.reasons["outer"].startswith("linear directions hold")


def test_inactive_dimensions_are_left_out(planted):
    codes, factors = planted
    kl = np.ones(9)
    kl[0] = 0.0
    result = factor_subspaces(codes, factors, kl=kl)
    assert result.dimensions[0] == 1, "of the hue's circle one coordinate is left"


def test_information_is_the_share_of_the_entropy():
    rng = np.random.default_rng(0)
    values = rng.integers(0, 4, 2000)
    codes = values[:, None] + 0.01 * rng.normal(size=(2000, 1))
    halves = (codes[:1000], values[:1000]), (codes[1000:], values[1000:])
    assert neighbor_information(*halves, 30) == pytest.approx(1.0, abs=0.03)
    shuffled = rng.permutation(values[:1000])
    assert neighbor_information((codes[:1000], shuffled), halves[1], 30) < 0.02


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"share": 0.0}, "share must be"),
        ({"least": 1.5}, "least must be"),
        ({"max_dimensions": 0}, "max_dimensions must be"),
        ({"num_neighbors": 0}, "num_neighbors must be"),
        ({"factor_names": ["a"]}, "factor_names must name 3 factors"),
    ],
)
def test_bad_options_are_named(planted, options, words):
    with pytest.raises(ArgumentError, match=words):
        factor_subspaces(*planted, **options)

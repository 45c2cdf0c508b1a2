"""Fits of single trajectories."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from vae_granularity.analysis.shapes import SIGMA, best_fit, fits, isotonic

PATHS = st.lists(st.integers(0, 6), min_size=5, max_size=9)
OPPOSITE = {"V": "inverted V", "inverted V": "V"}


def squares(path: np.ndarray) -> dict[str, float]:
    """The best squares of each shape that applies."""
    found: dict[str, float] = {}
    for fit in fits(np.arange(len(path)), path[None]):
        found[fit.shape] = min(found.get(fit.shape, np.inf), float(fit.squares[0]))
    return {shape: value for shape, value in found.items() if np.isfinite(value)}


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ([2, 2, 2, 2, 2], "line"),
        ([0, 1, 2, 3, 4], "line"),
        ([4, 3, 3, 2, 2, 1], "line"),
        ([1, 1, 1, 4, 4, 4], "monotone"),
        ([3, 2, 2, 2, 3], "line"),  # it was called monotone, rising: it falls as much
        ([4, 2, 0, 2, 4], "V"),
        ([3, 2, 1, 0, 3], "V"),
        ([0, 2, 4, 2, 0], "inverted V"),
    ],
)
def test_shape_of_a_path(path: list[int], shape: str) -> None:
    found = fits(np.arange(len(path)), np.array([path]))
    assert found[best_fit(found)[0]].shape == shape


@given(PATHS)
def test_a_path_backwards_has_the_same_shapes_and_upside_down_the_opposite(path: list[int]) -> None:
    y = np.array(path)
    assert squares(y[::-1]) == pytest.approx(squares(y), abs=1e-9)
    assert squares(6 - y) == pytest.approx(
        {OPPOSITE.get(shape, shape): value for shape, value in squares(y).items()}, abs=1e-9
    )


@given(st.lists(PATHS.filter(lambda path: len(path) == 7), min_size=1, max_size=4))
def test_many_trajectories_are_fitted_as_each_alone(paths: list[list[int]]) -> None:
    together = fits(np.arange(7), np.array(paths))
    for row, path in enumerate(paths):
        for fit, alone in zip(together, fits(np.arange(7), np.array([path])), strict=True):
            np.testing.assert_allclose(fit.fitted[row], alone.fitted[0], atol=1e-9)


@given(PATHS)
def test_the_rising_curve_is_scikit_learns(path: list[int]) -> None:
    y = np.array(path, dtype=float)
    np.testing.assert_allclose(
        isotonic(y[None])[0], IsotonicRegression().fit_transform(np.arange(len(y)), y), atol=1e-9
    )


@given(PATHS)
def test_a_v_has_two_sides_of_a_step(path: list[int]) -> None:
    for fit in fits(np.arange(len(path)), np.array([path])):
        if fit.shape == "V" and np.isfinite(fit.squares[0]):
            assert fit.turn is not None
            assert (
                min(fit.fitted[0, 0], fit.fitted[0, -1]) >= fit.fitted[0, int(fit.turn)] + 1 - 1e-6
            )


def test_the_criterion_is_that_of_known_spread() -> None:
    level = fits(np.arange(5), np.array([[0.0, 1.0, 0.0, 1.0, 0.0]]))[0]
    assert level.criterion[0] == pytest.approx(1.2 / SIGMA**2 + np.log(5))

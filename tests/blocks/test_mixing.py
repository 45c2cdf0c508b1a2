"""The mixing map: exactly invertible, smooth, fixed by its seed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vae_granularity.data.blocks import (
    MixingMap,
    random_mixing,
    random_orthonormal,
    smooth_orthonormal,
)


def mixing(dim: int, layers: int, observed: int, seed: int) -> MixingMap:
    rng = np.random.default_rng(seed)
    return random_mixing(dim, layers, random_orthonormal(observed, dim, rng), rng)


@settings(deadline=None, max_examples=60)
@given(
    dim=st.integers(1, 12),
    layers=st.integers(0, 4),
    extra=st.integers(0, 20),
    seed=st.integers(0, 10**6),
)
def test_inverse_undoes_forward(dim: int, layers: int, extra: int, seed: int) -> None:
    points = np.random.default_rng(seed).standard_normal((50, dim)) * 2.0
    map_ = mixing(dim, layers, dim + extra, seed)
    assert map_.inverse(map_.forward(points)) == pytest.approx(points, abs=1e-9)


@settings(deadline=None, max_examples=30)
@given(dim=st.integers(1, 8), seed=st.integers(0, 10**6))
def test_smooth_and_nowhere_singular(dim: int, seed: int) -> None:
    """Numeric Jacobians agree between two step sizes (smooth), and their singular values stay away
    from 0 (invertible).
    """
    map_ = mixing(dim, 2, dim + 1, seed)
    points = np.random.default_rng(seed).standard_normal((20, dim))

    def jacobian(step: float) -> np.ndarray:
        moves = step * np.eye(dim)
        ahead, behind = (
            np.stack([map_.forward(points + sign * move) for move in moves], axis=-1)
            for sign in (1, -1)
        )
        return (ahead - behind) / (2 * step)

    assert jacobian(1e-4) == pytest.approx(jacobian(2e-4), rel=1e-4, abs=1e-4)
    slopes = np.linalg.svd(jacobian(1e-4), compute_uv=False)
    assert slopes.min() > 0.2**2 - 1e-6
    assert slopes.max() < 1.8**2 + 1e-6


def test_no_layers_is_an_isometry_and_layers_are_not_linear() -> None:
    points = np.random.default_rng(0).standard_normal((200, 4))
    linear, curved = mixing(4, 0, 6, seed=0), mixing(4, 2, 6, seed=0)
    assert np.linalg.norm(linear.forward(points), axis=1) == pytest.approx(
        np.linalg.norm(points, axis=1)
    )
    design = np.column_stack([points, np.ones(len(points))])
    residual = (
        curved.forward(points)
        - design @ np.linalg.lstsq(design, curved.forward(points), rcond=None)[0]
    )
    assert residual.var() > 0.05 * curved.forward(points).var()


def test_every_coordinate_reaches_every_observation() -> None:
    points = np.zeros((1, 4))
    map_ = mixing(4, 2, 4, seed=0)
    moved = np.abs(map_.forward(points + 0.1 * np.eye(4)) - map_.forward(points))
    assert moved.min() > 1e-4


@pytest.mark.parametrize(
    "make, rows",
    [(random_orthonormal, 40), (lambda r, c, g: smooth_orthonormal(8, c, g), 64)],
    ids=["random", "smooth"],
)
def test_embeddings_have_orthonormal_columns(make, rows: int) -> None:
    embedding = make(rows, 7, np.random.default_rng(0))
    assert embedding.shape == (rows, 7)
    assert embedding.T @ embedding == pytest.approx(np.eye(7), abs=1e-12)


def test_pictures_are_smooth() -> None:
    """Neighbouring pixels of the picture basis differ little: the lowest cosines only."""
    basis = smooth_orthonormal(32, 6, np.random.default_rng(0)).reshape(32, 32, 6)
    assert (np.diff(basis, axis=0) ** 2).sum() < 0.1 * (basis**2).sum()

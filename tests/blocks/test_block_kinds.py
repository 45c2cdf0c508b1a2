"""Each kind of block: what its support is, that its coordinates depend on one another, that its
cells are a fair code of the state.
"""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.feature_selection import mutual_info_regression

from vae_granularity.data.blocks import KINDS, check_kind, draw_block
from vae_granularity.errors import ArgumentError

SIZES = [
    ("ring", 2),
    ("moons", 2),
    ("spiral", 2),
    ("checkerboard", 2),
    ("sphere", 2),
    ("sphere", 3),
    ("torus", 3),
    ("torus", 4),
]
DEPENDENT = [*SIZES, ("gaussian", 2), ("gaussian", 4)]
every_kind = pytest.mark.parametrize("kind, dim", [*DEPENDENT, ("gaussian", 1), ("sphere", 6)])


def draw(
    kind: str, dim: int, count: int = 4000, noise: float = 0.0, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    return draw_block(kind, dim, count, noise, np.random.default_rng(seed))


@every_kind
def test_coordinates_are_standardised_and_cells_about_equally_likely(kind: str, dim: int) -> None:
    points, cell = draw(kind, dim)
    assert points.shape == (4000, dim)
    assert points.mean(0) == pytest.approx(np.zeros(dim), abs=1e-9)
    assert points.std(0) == pytest.approx(np.ones(dim))
    counts = np.bincount(cell)
    assert len(counts) == (2 ** min(dim, 3) if kind in ("sphere", "gaussian") else 8)
    assert counts.min() > 0.7 * counts.mean()


@pytest.mark.parametrize("kind, dim", DEPENDENT)
def test_coordinates_of_a_block_depend_on_one_another(kind: str, dim: int) -> None:
    """Every coordinate shares information with the others together (k-NN estimate against each, the
    largest counts), in nats.
    """
    points, _ = draw(kind, dim, count=2000)
    for target in range(dim):
        others = np.delete(points, target, axis=1)
        assert mutual_info_regression(others, points[:, target], random_state=0).max() > 0.08


def test_ring_and_sphere_lie_on_their_surface() -> None:
    for kind, dim in (("ring", 2), ("sphere", 2), ("sphere", 3), ("sphere", 6)):
        points, _ = draw(kind, dim, count=20_000)
        radius = np.linalg.norm(
            points, axis=1
        )  # standardising by the sample bends the sphere by its sampling error
        assert radius == pytest.approx(np.full(len(points), np.sqrt(dim)), rel=0.05)


@pytest.mark.parametrize("dim", [3, 4, 6])
def test_torus_has_its_tube(dim: int) -> None:
    points, _ = KINDS["torus"][0](1000, dim, np.random.default_rng(0))
    from_circle = np.linalg.norm(points[:, :2], axis=1) - 2.0
    assert from_circle**2 + (points[:, 2:] ** 2).sum(1) == pytest.approx(np.ones(1000))


def test_checkerboard_leaves_its_light_squares_empty_and_its_cell_is_the_square() -> None:
    points, cell = KINDS["checkerboard"][0](4000, 2, np.random.default_rng(0))
    column, row = np.floor(points).astype(int).T
    assert np.all((column + row) % 2 == 0)
    assert len({(c, r, k) for c, r, k in zip(column, row, cell, strict=True)}) == 8


def test_checkerboard_shares_one_bit_of_which_little_is_correlation() -> None:
    """Knowing the column of 4 leaves 2 rows: log 2 nats, counted in the squares of the board."""
    points, _ = KINDS["checkerboard"][0](20_000, 2, np.random.default_rng(0))
    joint = np.histogram2d(*points.T, bins=np.arange(5))[0] / len(points)
    filled = joint > 0
    information = np.sum(
        joint[filled] * np.log(joint[filled] / np.outer(joint.sum(1), joint.sum(0))[filled])
    )
    assert information == pytest.approx(np.log(2), abs=0.01)
    assert np.corrcoef(points.T)[0, 1] ** 2 < 0.1


def test_gaussian_has_the_stated_correlation() -> None:
    points, _ = draw("gaussian", 3, count=50_000)
    assert np.corrcoef(points.T)[np.triu_indices(3, 1)] == pytest.approx(np.full(3, 0.8), abs=0.01)


@every_kind
def test_noise_thickens_the_block_and_leaves_its_cells(kind: str, dim: int) -> None:
    clean, cell = draw(kind, dim)
    noisy, noisy_cell = draw(kind, dim, noise=0.1)
    assert np.array_equal(cell, noisy_cell)
    assert (noisy * np.sqrt(1.01) - clean).std() == pytest.approx(0.1, rel=0.1)


@pytest.mark.parametrize(
    "kind, dim, message",
    [
        (
            "rings",
            2,
            "kind must be one of ring, moons, spiral, checkerboard, sphere, torus, gaussian, "
            "got 'rings'",
        ),
        ("ring", 3, "block_dim must be 2 for kind=ring, got 3"),
        ("torus", 2, "block_dim must be >= 3 for kind=torus, got 2"),
        ("sphere", 1, "block_dim must be >= 2 for kind=sphere, got 1"),
    ],
)
def test_a_kind_that_does_not_exist_is_refused(kind: str, dim: int, message: str) -> None:
    with pytest.raises(ArgumentError) as raised:
        check_kind(kind, dim)
    assert str(raised.value) == message

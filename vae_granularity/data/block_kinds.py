"""Distributions whose coordinates depend on one another: the kinds of blocks, one function each.

Each draws (count, dim) coordinates and a cell (count,), the part of its support that the state lies
in, as an integer code.
"""

from collections.abc import Callable

import numpy as np

from vae_granularity.errors import ArgumentError

Draw = tuple[np.ndarray, np.ndarray]

ARCS = 8  # cells along a curve
CORRELATION = 0.8  # of any two coordinates of the Gaussian block


def ring(count: int, dim: int, rng: np.random.Generator) -> Draw:
    """The unit circle; the cell is one of 8 arcs."""
    turn = rng.random(count)
    return _circle(turn), _arc(turn, ARCS)


def moons(count: int, dim: int, rng: np.random.Generator) -> Draw:
    """Two interleaved half circles; the cell is one of 4 arcs of either."""
    lower, way = rng.integers(0, 2, count), rng.random(count)
    angle = np.pi * way
    upper_points = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    points = np.where(lower[:, None] == 1, [1.0, 0.5] - upper_points, upper_points)
    return points, 4 * lower + _arc(way, 4)


def spiral(count: int, dim: int, rng: np.random.Generator) -> Draw:
    """One and a half turns of an Archimedean spiral; the cell is one of 8 arcs."""
    way = np.sqrt(rng.random(count))  # so that the density along the curve is nearly even
    return way[:, None] * _circle(1.5 * way), _arc(way**2, ARCS)


def checkerboard(count: int, dim: int, rng: np.random.Generator) -> Draw:
    """The 8 dark squares of a board of 4 x 4; the cell is the square."""
    cell = rng.integers(0, 8, count)
    row, column = cell // 2, 2 * (cell % 2) + cell // 2 % 2
    return np.stack([column, row], axis=1) + rng.random((count, 2)), cell


def sphere(count: int, dim: int, rng: np.random.Generator) -> Draw:
    """The unit sphere in `dim` dimensions; the cell is the octant of three coordinates."""
    points = _on_sphere(count, dim, rng)
    return points, _octant(points)


def torus(count: int, dim: int, rng: np.random.Generator) -> Draw:
    """A tube of radius 1 around a circle of radius 2; its section is a sphere of dim - 2.

    The cell is one of 4 arcs of the circle, on the outer or the inner side of the tube.
    """
    turn, section = rng.random(count), _on_sphere(count, dim - 1, rng)
    points = np.concatenate([(2.0 + section[:, :1]) * _circle(turn), section[:, 1:]], axis=1)
    return points, 2 * _arc(turn, 4) + (section[:, 0] > 0)


def gaussian(count: int, dim: int, rng: np.random.Generator) -> Draw:
    """Equally correlated Gaussians; the cell is the octant of three whitened coordinates."""
    white = rng.standard_normal((count, dim))
    covariance = np.full((dim, dim), CORRELATION) + (1.0 - CORRELATION) * np.eye(dim)
    return white @ np.linalg.cholesky(covariance).T, _octant(white)


# kind → (sampler, smallest dim, largest dim or None)
KINDS: dict[str, tuple[Callable[[int, int, np.random.Generator], Draw], int, int | None]] = {
    "ring": (ring, 2, 2),
    "moons": (moons, 2, 2),
    "spiral": (spiral, 2, 2),
    "checkerboard": (checkerboard, 2, 2),
    "sphere": (sphere, 2, None),
    "torus": (torus, 3, None),
    "gaussian": (gaussian, 1, None),
}


def check_kind(kind: str, dim: int) -> None:
    """Refuse a kind that is not known, or does not exist in `dim` dimensions.

    Raises:
        ArgumentError: it is so.
    """
    if kind not in KINDS:
        raise ArgumentError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    _, low, high = KINDS[kind]
    if dim < low or (high is not None and dim > high):
        wanted = f"{low}" if low == high else f">= {low}"
        raise ArgumentError(f"block_dim must be {wanted} for kind={kind}, got {dim}")


def draw_block(kind: str, dim: int, count: int, noise: float, rng: np.random.Generator) -> Draw:
    """(count, dim) coordinates of mean 0 and variance 1, and (count,) int64 cell of the state.

    >>> points, cell = draw_block("ring", 2, 100, noise=0.0, rng=np.random.default_rng(0))
    >>> points.shape, points.std(0).round(6).tolist(), cell[:3].tolist()
    ((100, 2), [1.0, 1.0], [5, 2, 0])

    `noise` is the standard deviation of the Gaussian noise added to each coordinate, in units of
    the noiseless one's. The state is drawn first, so that the noise does not change it.
    """
    check_kind(kind, dim)
    points, cell = KINDS[kind][0](count, dim, rng)
    points = (points - points.mean(0)) / points.std(0) + noise * rng.standard_normal(points.shape)
    return (points - points.mean(0)) / points.std(0), cell.astype(np.int64)


def _circle(turn: np.ndarray) -> np.ndarray:
    return np.stack([np.cos(2.0 * np.pi * turn), np.sin(2.0 * np.pi * turn)], axis=1)


def _on_sphere(count: int, dim: int, rng: np.random.Generator) -> np.ndarray:
    points = rng.standard_normal((count, dim))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def _arc(way: np.ndarray, arcs: int) -> np.ndarray:
    return np.minimum((way * arcs).astype(np.int64), arcs - 1)


def _octant(points: np.ndarray) -> np.ndarray:
    signs = points[:, :3] > 0
    return signs @ (1 << np.arange(signs.shape[1]))

"""dSprites drawn from its factors: a square, an ellipse or a heart, without anti-aliasing.

Recovered from 432 images of the official set (Matthey, Higgins, Hassabis and Lerchner, 2017, drawn
with LOVE); the mean intersection over union with them is 0.998.
"""

import numpy as np

from vae_granularity.data.factors import FactorSpace

FACTORS = FactorSpace(
    ("color", "shape", "scale", "orientation", "pos_x", "pos_y"),
    (1, 3, 6, 40, 32, 32),
    twins=(("orientation", 0, 39),),  # both ends of the full turn
)

_SCALE = np.linspace(0.5, 1.0, 6, dtype=np.float32)
_ANGLE = np.linspace(0.0, 2.0 * np.pi, 40)
_COS = np.cos(_ANGLE).astype(np.float32)
_SIN = np.sin(_ANGLE).astype(np.float32)
_CENTRE = 16.0 + 32.0 * np.linspace(0.0, 1.0, 32, dtype=np.float32)
# Pixels: no sprite at scale 1 reaches further from its centre (the square's corner does, at 9.6 *
# sqrt(2) = 13.6).
_REACH = 14

# The heart is star-shaped about (0, -1): its radius every 6 degrees from the notch (up) to the tip
# (down), mirrored in u.
_HEART_CENTRE = -1.0
_HEART_STEP = np.deg2rad(6.0)
_HEART_UPPER = "4.17 5.75 7.04 8.17 9.02 9.64 10.11 10.42 10.57 10.64 10.57 10.39 10.08 9.71 9.27"
_HEART_LOWER = "8.75 8.31 7.81 7.47 7.14 6.90 6.76 6.64 6.63 6.69 6.82 7.05 7.42 7.97 8.67 10.42"
_HEART_RADIUS = np.array(f"{_HEART_UPPER} {_HEART_LOWER}".split(), float)


def render(factors: np.ndarray) -> np.ndarray:
    """Draw images (n, 64, 64, 1) uint8 of 0 and 1 of the factors (n, 6), integers as in `FACTORS`.

    Orientations 0 and 39 are the same picture.

    >>> one, same, other = render(np.array([[0, 2, 5, turn, 9, 9] for turn in (0, 39, 20)]))
    >>> bool((one == same).all()), bool((one == other).all())
    (True, False)

    Raises:
        ArgumentError: a factor is out of range, or `factors` is not (n, 6) integers.
    """
    factors = FACTORS.checked(factors)
    images = np.zeros((len(factors), 64, 64, 1), np.uint8)
    window = np.arange(-_REACH, _REACH + 1)
    for shape, inside in enumerate((_in_square, _in_ellipse, _in_heart)):
        rows = np.flatnonzero(factors[:, 1] == shape)
        _, _, scale, orientation, pos_x, pos_y = factors[rows].T
        centres = (_CENTRE[pos_x][:, None], _CENTRE[pos_y][:, None])
        columns, lines = (np.floor(centre).astype(np.int64) + window for centre in centres)
        x = (columns + np.float32(0.5) - centres[0])[:, None, :].astype(np.float32)
        y = (lines + np.float32(0.5) - centres[1])[:, :, None].astype(np.float32)
        cos, sin = ((table[orientation] / _SCALE[scale])[:, None, None] for table in (_COS, _SIN))
        mask = inside(cos * x - sin * y, sin * x + cos * y)
        images[rows[:, None, None], lines[:, :, None], columns[:, None, :], 0] = mask
    return images


def _in_square(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.maximum(np.abs(u), np.abs(v)) < 9.6


def _in_ellipse(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return (u / np.float32(12.76)) ** 2 + (v / np.float32(7.22)) ** 2 < 1.0


def _in_heart(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    u = np.abs(u)
    v = v - np.float32(_HEART_CENTRE)
    turned = np.arctan2(v, u) + np.float32(np.pi / 2)
    sector = (turned * np.float32(1.0 / _HEART_STEP)).astype(np.int64)
    sector = np.clip(sector, 0, len(_HEART_RADIUS) - 2)
    normal_u, normal_v, offset = _HEART_EDGES[:, sector]
    return normal_u * u + normal_v * v < offset


def _heart_edges() -> np.ndarray:
    """Return (3, 30) normals u, v and offsets of the edges: inside is normal . point < offset."""
    angle = -np.pi / 2 + _HEART_STEP * np.arange(len(_HEART_RADIUS))
    u = _HEART_RADIUS * np.cos(angle)
    v = _HEART_RADIUS * np.sin(angle)
    normal_u = np.diff(v)
    normal_v = -np.diff(u)
    offset = normal_u * u[:-1] + normal_v * v[:-1]
    return np.stack([normal_u, normal_v, offset]).astype(np.float32)


_HEART_EDGES = _heart_edges()

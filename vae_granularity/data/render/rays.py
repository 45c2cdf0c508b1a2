"""Bundles of rays that know how they lie to a plane. Vectors are (n, 3) or (1, 3), one a picture or one for all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class CameraRays:
    """From one point a picture through a grid of pixels: forward + across * right + down * below.

    What a plane makes of such rays is linear in the pixel's column and row, so it costs one addition a pixel.

    Args:
        origin: (n, 3).
        frame: (n, 3, 3) right, below and forward, one a row.
        across: (n, w), of the columns.
        down: (n, h), of the rows.
    """

    origin: np.ndarray
    frame: np.ndarray
    across: np.ndarray
    down: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        """(n, P), P = h * w."""
        return len(self.origin), self.down.shape[1] * self.across.shape[1]

    def start(self, vector: np.ndarray) -> np.ndarray:
        """Part (n, 1) of the origins along a vector."""
        return (self.origin * vector).sum(1, keepdims=True)

    def along(self, vector: np.ndarray) -> np.ndarray:
        """Part (n, P) float32 of the directions along a vector."""
        right, below, forward = np.einsum("nij,nj->in", self.frame, np.broadcast_to(vector, self.origin.shape)).astype(np.float32)
        rows = self.down * below[:, None] + forward[:, None]
        return (rows[:, :, None] + (self.across * right[:, None])[:, None, :]).reshape(self.shape)

    def nearness(self, vector: np.ndarray, ahead: np.ndarray) -> np.ndarray:
        """One over the distance, (n, P), to a plane with normal `vector` that lies `ahead` (n, 1) of the origins along it."""
        return self.along(vector / ahead)

    def points(self, picture: np.ndarray, ray: np.ndarray, distance: np.ndarray) -> np.ndarray:
        """(m, 3) points at a distance (m,) on rays given by picture and number (m,)."""
        right, below, forward = (self.frame[picture, axis] for axis in range(3))
        row, column = np.divmod(ray, self.across.shape[1])
        direction = forward + self.across[picture, column, None] * right + self.down[picture, row, None] * below
        return self.origin[picture] + distance[:, None] * direction


@dataclass(frozen=True)
class LightRays:
    """From many points towards a lamp far away.

    Args:
        origin: (3, n, P).
        direction: (3,).
    """

    origin: np.ndarray
    direction: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        """(n, P)."""
        return self.origin.shape[1:]

    def start(self, vector: np.ndarray) -> np.ndarray:
        """Part (n, P) of the origins along a vector."""
        x, y, z = vector.T[:, :, None] * self.origin
        return x + y + z

    def along(self, vector: np.ndarray) -> np.ndarray:
        """Part (n or 1, 1) of the direction along a vector."""
        return vector @ self.direction[:, None]

    def nearness(self, vector: np.ndarray, ahead: np.ndarray) -> np.ndarray:
        """One over the distance, (n, P), to a plane with normal `vector` that lies `ahead` (n, P) of the origins along it."""
        return self.along(vector) / ahead

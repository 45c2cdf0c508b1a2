"""Bundles of rays that know how they lie to planes. Vectors are (..., n, 3) or (..., 1, 3), one a
picture or one for all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class CameraRays:
    """From one point a picture through a grid of pixels: forward + across * right + down * below.

    What a plane makes of such rays is a number a row plus a number a column, so it costs one
    addition a pixel.

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
        """Part (..., n, 1) of the origins along vectors."""
        return np.einsum("ni,...ni->...n", self.origin, vector)[..., None]

    def along(self, vector: np.ndarray) -> np.ndarray:
        """Part (n, P) float32 of the directions along a vector (n or 1, 3)."""
        rows, columns = self._linear(vector[None])
        return (rows[0, :, :, None] + columns[0, :, None]).reshape(self.shape)

    def nearness(
        self, vector: np.ndarray, ahead: np.ndarray
    ) -> Iterator[tuple[int, bool, np.ndarray]]:
        """One over the distance to K planes with normals `vector` (K, n, 3) that lie `ahead` (K, n,
        1) of the origins along them.

        For each plane, first where the origin is outside of it (`ahead` below 0) and then where it
        is not, as far as there are such
        pictures: its number, whether this is outside, and nearness (n, P), which is inf or -inf in
            the other pictures. The array of
        nearness is used again for the next one.
        """
        rows, columns = self._linear(vector / ahead)
        nearness = np.empty(
            (len(self.origin), self.down.shape[1], self.across.shape[1]), np.float32
        )
        for plane, outside in enumerate(ahead < 0):
            for which, here, other in (
                (True, outside, np.float32(np.inf)),
                (False, ~outside, np.float32(-np.inf)),
            ):
                if here.any():
                    np.add(
                        np.where(here, rows[plane], other)[:, :, None],
                        columns[plane, :, None],
                        out=nearness,
                    )
                    yield plane, which, nearness.reshape(self.shape)

    def _linear(self, vector: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Part of the directions along vectors (K, n or 1, 3) as a number a row, (K, n, h), and one
        a column, (K, n, w).
        """
        right, below, forward = np.einsum("nij,knj->ikn", self.frame, vector).astype(np.float32)[
            ..., None
        ]
        return self.down * below + forward, self.across * right

    def points(self, picture: np.ndarray, ray: np.ndarray, distance: np.ndarray) -> np.ndarray:
        """(m, 3) points at a distance (m,) on rays given by picture and number (m,)."""
        right, below, forward = (self.frame[picture, axis] for axis in range(3))
        row, column = np.divmod(ray, self.across.shape[1])
        direction = (
            forward
            + self.across[picture, column, None] * right
            + self.down[picture, row, None] * below
        )
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
        """Part (..., n, P) of the origins along vectors."""
        return np.einsum(
            "...ni,inp->...np",
            np.broadcast_to(vector, (*vector.shape[:-2], self.shape[0], 3)),
            self.origin,
        )

    def along(self, vector: np.ndarray) -> np.ndarray:
        """Part (..., n or 1, 1) of the direction along vectors."""
        return vector @ self.direction[:, None]

    def nearness(
        self, vector: np.ndarray, ahead: np.ndarray
    ) -> Iterator[tuple[int, bool, np.ndarray]]:
        """As for `CameraRays`, with `ahead` (K, n, P)."""
        nearness = self.along(vector) / ahead
        for plane, outside in enumerate(ahead < 0):
            yield plane, True, np.where(outside, nearness[plane], np.inf)
            yield plane, False, np.where(outside, -np.inf, nearness[plane])

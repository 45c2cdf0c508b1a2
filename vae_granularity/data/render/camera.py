"""Cameras and their rays; z is up in the world, rows are counted from the top of a picture.

Vectors are (..., n, 3) or (..., 1, 3), one a picture or one for all.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

Nearness = Iterator[tuple[int, bool, np.ndarray]]


@dataclass(frozen=True)
class CameraRays:
    """From one point a picture through a grid of pixels: forward + across * right + down * below.

    What a plane makes of such rays is a number a row plus a number a column, so it costs one
    addition a pixel.
    """

    origin: np.ndarray  # (n, 3)
    frame: np.ndarray  # (n, 3, 3) right, below and forward, one a row
    across: np.ndarray  # (n, w), of the columns
    down: np.ndarray  # (n, h), of the rows

    @property
    def shape(self) -> tuple[int, int]:
        """(n, P), P = h * w."""
        return len(self.origin), self.down.shape[1] * self.across.shape[1]

    def start(self, vector: np.ndarray) -> np.ndarray:
        """Return the component (..., n, 1) of the origins along vectors."""
        return np.einsum("ni,...ni->...n", self.origin, vector)[..., None]

    def along(self, vector: np.ndarray) -> np.ndarray:
        """Return the component (n, P) float32 of the directions along a vector (n or 1, 3)."""
        rows, columns = self._linear(vector[None])
        return (rows[0, :, :, None] + columns[0, :, None]).reshape(self.shape)

    def coordinates(self) -> tuple[np.ndarray, np.ndarray]:
        """Return origins (3, n, 1) and directions (3, n, P) in the world."""
        axes = [axis[None] for axis in np.eye(3)]
        return np.stack([*map(self.start, axes)]), np.stack([*map(self.along, axes)])

    def nearness(self, vector: np.ndarray, ahead: np.ndarray) -> Nearness:
        """Yield one over the distance to K planes of normals (K, n, 3), `ahead` (K, n, 1) of rays.

        For each plane, first where the origin is outside of it (`ahead` below 0) and then where it
        is not, as far as there are such pictures: its number, whether this is outside, and nearness
        (n, P), which is inf or -inf in the other pictures. The array is used again for the next.
        """
        rows, columns = self._linear(vector / ahead)
        shape = len(self.origin), self.down.shape[1], self.across.shape[1]
        nearness = np.empty(shape, np.float32)
        for plane, outside in enumerate(ahead < 0):
            for which, here, other in ((True, outside, np.inf), (False, ~outside, -np.inf)):
                if here.any():
                    row = np.where(here, rows[plane], np.float32(other))
                    np.add(row[:, :, None], columns[plane, :, None], out=nearness)
                    yield plane, which, nearness.reshape(self.shape)

    def _linear(self, vector: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return components along vectors (K, n or 1, 3) by row (K, n, h) and column (K, n, w)."""
        components = np.einsum("nij,knj->ikn", self.frame, vector).astype(np.float32)
        right, below, forward = components[..., None]
        return self.down * below + forward, self.across * right

    def points(self, picture: np.ndarray, ray: np.ndarray, distance: np.ndarray) -> np.ndarray:
        """Return points (m, 3) at a distance (m,) on rays given by picture and number (m,)."""
        right, below, forward = (self.frame[picture, axis] for axis in range(3))
        row, column = np.divmod(ray, self.across.shape[1])
        across = self.across[picture, column, None]
        down = self.down[picture, row, None]
        direction = forward + across * right + down * below
        return self.origin[picture] + distance[:, None] * direction


@dataclass(frozen=True)
class LightRays:
    """From many points `origin` (3, n, P) towards a lamp far away in one `direction` (3,)."""

    origin: np.ndarray
    direction: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        """(n, P)."""
        return self.origin.shape[1:]

    def start(self, vector: np.ndarray) -> np.ndarray:
        """Return the component (..., n, P) of the origins along vectors."""
        vectors = np.broadcast_to(vector, (*vector.shape[:-2], self.shape[0], 3))
        return np.einsum("...ni,inp->...np", vectors, self.origin)

    def along(self, vector: np.ndarray) -> np.ndarray:
        """Return the component (..., n or 1, 1) of the direction along vectors."""
        return vector @ self.direction[:, None]

    def nearness(self, vector: np.ndarray, ahead: np.ndarray) -> Nearness:
        """Yield nearness as `CameraRays.nearness`, with `ahead` (K, n, P)."""
        nearness = self.along(vector) / ahead
        for plane, outside in enumerate(ahead < 0):
            yield plane, True, np.where(outside, nearness[plane], np.inf)
            yield plane, False, np.where(outside, -np.inf, nearness[plane])


@dataclass(frozen=True)
class View:
    """Cameras of n pictures, and a lamp far away."""

    position: np.ndarray  # (n, 3) of the cameras
    frame: np.ndarray  # (n, 3, 3) unit vectors right, down and forward, one a row
    light: np.ndarray  # (n, 3) unit vectors towards the lamp
    tan_half_view: float  # tangent of half the field of view
    pixels: int  # side of the square pictures

    def select(self, rows: np.ndarray) -> Self:
        """Return the views of some pictures, by number (m,)."""
        return replace(
            self, position=self.position[rows], frame=self.frame[rows], light=self.light[rows]
        )

    def seen_from(self, origin: np.ndarray, axes: np.ndarray) -> Self:
        """Return the views from a body at `origin` (3,) with `axes` (n, 3, 3), one a column."""
        position = np.einsum("ni,nij->nj", self.position - origin, axes)
        light = np.einsum("ni,nij->nj", self.light, axes)
        return replace(self, position=position, frame=self.frame @ axes, light=light)

    def rays(self) -> CameraRays:
        """Return rays through all pixel centres; each direction is 1 along `forward`."""
        corner = np.zeros((len(self.position), 2), np.int64)
        return self.window_rays(corner, (self.pixels, self.pixels))

    def window_rays(self, corner: np.ndarray, window: tuple[int, int]) -> CameraRays:
        """Return rays through a `window` (width, height), upper left (column, row) at `corner`."""
        pixel = (corner[:, axis, None] + np.arange(window[axis]) for axis in (0, 1))
        return CameraRays(self.position, self.frame, *map(self._offset, pixel))

    def window_around(self, points: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
        """Return corners (n, 2) and the one size (w, h) of windows around points (n, k, 3)."""
        away = points - self.position[:, None]
        right, down, forward = np.einsum("nij,nkj->ink", self.frame, away)
        slope = np.stack([right, down], axis=-1) / forward[..., None] / self.tan_half_view
        pixel = (slope + 1.0) * (self.pixels / 2.0)
        low = np.clip(np.floor(pixel.min(1)), 0, self.pixels - 1).astype(np.int64)
        high = np.clip(np.ceil(pixel.max(1)), 1, self.pixels).astype(np.int64)
        width, height = (high - low).max(0, initial=1)
        return np.minimum(low, self.pixels - np.array([width, height])), (int(width), int(height))

    def _offset(self, pixel: np.ndarray) -> np.ndarray:
        return (self.tan_half_view * ((pixel + 0.5) * (2.0 / self.pixels) - 1.0)).astype(np.float32)


def look_at(
    position: np.ndarray, target: np.ndarray, light: np.ndarray, tan_half_view: float, pixels: int
) -> View:
    """Place cameras at `position` (n, 3), `target` (3,) or (n, 3) in the middle, `light` (3,)."""
    forward = np.asarray(target) - position
    forward = forward / np.linalg.norm(forward, axis=-1, keepdims=True)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right, axis=-1, keepdims=True)
    frame = np.stack([right, np.cross(forward, right), forward], axis=1)
    lamp = np.broadcast_to(light / np.linalg.norm(light), position.shape)
    return View(position, frame, lamp, tan_half_view, pixels)

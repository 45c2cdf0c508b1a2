"""Cameras and the rays through their pixels; z is up in the world, rows are counted from the top of
a picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vae_granularity.data.render.rays import CameraRays


@dataclass(frozen=True)
class View:
    """What n pictures are taken with: cameras and a lamp far away.

    Args:
        position: (n, 3) of the cameras.
        frame: (n, 3, 3) unit vectors right, down and forward, one a row.
        light: (n, 3) unit vectors towards the lamp.
        tan_half_view: tangent of half the field of view.
        pixels: side of the square pictures.
    """

    position: np.ndarray
    frame: np.ndarray
    light: np.ndarray
    tan_half_view: float
    pixels: int

    def select(self, rows: np.ndarray) -> View:
        """The views of some pictures, by number (m,)."""
        return View(
            self.position[rows], self.frame[rows], self.light[rows], self.tan_half_view, self.pixels
        )

    def seen_from(self, origin: np.ndarray, axes: np.ndarray) -> View:
        """The same in the coordinates of a body with the given `origin` (3,) and `axes` (n, 3, 3),
        one a column.
        """
        position = np.einsum("ni,nij->nj", self.position - origin, axes)
        light = np.einsum("ni,nij->nj", self.light, axes)
        return View(position, self.frame @ axes, light, self.tan_half_view, self.pixels)

    def rays(self) -> CameraRays:
        """Through all pixel centres; the part of each direction along `forward` is 1."""
        return self.window_rays(
            np.zeros((len(self.position), 2), np.int64), (self.pixels, self.pixels)
        )

    def window_rays(self, corner: np.ndarray, window: tuple[int, int]) -> CameraRays:
        """Through a part of each picture: `corner` (n, 2) is the column and row of its upper left
        pixel, `window` width and height.
        """
        across, down = (
            self._offset(corner[:, axis, None] + np.arange(window[axis])) for axis in (0, 1)
        )
        return CameraRays(self.position, self.frame, across, down)

    def window_around(self, points: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
        """Corners (n, 2) and the one size (width, height) of windows that hold all that is in the
        picture of points (n, k, 3).
        """
        right, down, forward = np.einsum(
            "nij,nkj->ink", self.frame, points - self.position[:, None]
        )
        pixel = (
            np.stack([right, down], axis=-1) / forward[..., None] / self.tan_half_view + 1.0
        ) * (self.pixels / 2.0)
        low = np.clip(np.floor(pixel.min(1)), 0, self.pixels - 1).astype(np.int64)
        high = np.clip(np.ceil(pixel.max(1)), 1, self.pixels).astype(np.int64)
        width, height = (high - low).max(0, initial=1)
        return np.minimum(low, self.pixels - np.array([width, height])), (int(width), int(height))

    def _offset(self, pixel: np.ndarray) -> np.ndarray:
        return (self.tan_half_view * ((pixel + 0.5) * (2.0 / self.pixels) - 1.0)).astype(np.float32)


def look_at(
    position: np.ndarray, target: np.ndarray, light: np.ndarray, tan_half_view: float, pixels: int
) -> View:
    """Cameras at `position` (n, 3) with `target` (3,) or (n, 3) in the middle of the picture,
    `light` (3,) any length.
    """
    forward = np.asarray(target) - position
    forward = forward / np.linalg.norm(forward, axis=-1, keepdims=True)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right, axis=-1, keepdims=True)
    frame = np.stack([right, np.cross(forward, right), forward], axis=1)
    lamp = np.broadcast_to(light / np.linalg.norm(light), position.shape)
    return View(position, frame, lamp, tan_half_view, pixels)

"""Cameras and the rays through their pixels; z is up in the world, rows are counted from the top of a picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


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
        return View(self.position[rows], self.frame[rows], self.light[rows], self.tan_half_view, self.pixels)

    def seen_from(self, origin: np.ndarray, axes: np.ndarray) -> View:
        """The same in the coordinates of a body with the given `origin` (3,) and `axes` (n, 3, 3), one a column."""
        position = np.einsum("ni,nij->nj", self.position - origin, axes)
        light = np.einsum("ni,nij->nj", self.light, axes)
        return View(position, self.frame @ axes, light, self.tan_half_view, self.pixels)

    @property
    def origin(self) -> np.ndarray:
        """Where the rays start, (3, n, 1) float32."""
        return self.position.T[:, :, None].astype(np.float32)

    def rays(self) -> np.ndarray:
        """Directions (3, n, pixels * pixels) float32 through all pixel centres; their part along `forward` is 1."""
        return self.window_rays(np.zeros((len(self.position), 2), np.int64), (self.pixels, self.pixels))

    def window_rays(self, corner: np.ndarray, window: tuple[int, int]) -> np.ndarray:
        """As `rays`, through a part of each picture.

        Args:
            corner: (n, 2) column and row of the upper left pixel.
            window: width w and height h in pixels.

        Returns:
            (3, n, h * w) float32.
        """
        across, down = (self._offset(corner[:, axis, None] + np.arange(window[axis])) for axis in (0, 1))
        right, below, forward = (self.frame.astype(np.float32)[:, axis].T[:, :, None, None] for axis in range(3))
        rays = forward + across[:, None, :] * right + down[:, :, None] * below
        return rays.reshape(3, len(self.frame), window[0] * window[1])

    def window_corner(self, centre: np.ndarray, window: tuple[int, int]) -> np.ndarray:
        """(n, 2) corner of the window around the projection of the points `centre` (3,) or (n, 3), kept inside the picture."""
        right, down, forward = np.einsum("nij,nj->in", self.frame, centre - self.position)
        projected = np.stack([right, down], axis=1) / forward[:, None]
        middle = (projected / self.tan_half_view + 1.0) * (self.pixels / 2.0)
        return np.clip(np.rint(middle - np.array(window) / 2.0), 0, self.pixels - np.array(window)).astype(np.int64)

    def _offset(self, pixel: np.ndarray) -> np.ndarray:
        return (self.tan_half_view * ((pixel + 0.5) * (2.0 / self.pixels) - 1.0)).astype(np.float32)


def look_at(position: np.ndarray, target: np.ndarray, light: np.ndarray, tan_half_view: float, pixels: int) -> View:
    """Cameras at `position` (n, 3) with `target` (3,) or (n, 3) in the middle of the picture, `light` (3,) any length."""
    forward = np.asarray(target) - position
    forward = forward / np.linalg.norm(forward, axis=-1, keepdims=True)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right, axis=-1, keepdims=True)
    frame = np.stack([right, np.cross(forward, right), forward], axis=1)
    lamp = np.broadcast_to(light / np.linalg.norm(light), position.shape)
    return View(position, frame, lamp, tan_half_view, pixels)

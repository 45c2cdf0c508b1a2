"""Pictures that solids are painted on, the nearest in front."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import ArrayLike

from vae_granularity.data.render.camera import View
from vae_granularity.data.render.scene import MISS, Solid, intersect, normals

AMBIENT, DIFFUSE = 0.45, 0.75  # a face turned to the lamp is overexposed by a fifth


@dataclass(frozen=True)
class Canvas:
    """Images (n, H, H, 3) uint8 and, for each pixel, the distance (n, H, H) of what is painted there; both change."""

    images: np.ndarray
    depth: np.ndarray

    @classmethod
    def on(cls, background: np.ndarray) -> Canvas:
        """Over (n, H, H, 3) uint8 images, which are behind everything."""
        return cls(np.ascontiguousarray(background), np.full(background.shape[:3], np.inf, np.float32))

    def paint(self, view: View, solid: Solid, colour: ArrayLike, rows: np.ndarray | None = None) -> None:
        """Paint one solid, tracing only a window around it.

        Args:
            view: of the m pictures.
            solid: in the coordinates of `view`.
            colour: (m, 3) or (3,) RGB in [0, 255].
            rows: (m,) numbers of the pictures; None for all n.
        """
        corner, window = view.window_around(_corners(solid, len(view.position)))
        rays = view.window_rays(corner, window)
        distance, surface = intersect(solid, rays)
        met = np.flatnonzero(distance < MISS)
        row, ray = np.divmod(met, window[0] * window[1])
        line, column = np.divmod(ray, window[0])
        pixels = self.depth.shape[1]
        place = ((row if rows is None else rows[row]) * pixels + corner[row, 1] + line) * pixels + corner[row, 0] + column

        depth, images = self.depth.reshape(-1), self.images.reshape(-1, 3)
        nearer = distance.ravel()[met] < depth[place]
        met, row, ray, place = met[nearer], row[nearer], ray[nearer], place[nearer]
        depth[place] = reached = distance.ravel()[met]
        normal = normals(solid, rays, row, ray, reached, surface.ravel()[met])
        lit = np.einsum("mi,mi->m", normal, view.light.astype(np.float32)[row])
        light = AMBIENT + DIFFUSE * np.maximum(lit, 0)
        colours = np.broadcast_to(np.asarray(colour, np.float32), view.light.shape)[row]
        images[place] = np.minimum(colours * light[:, None], 255).astype(np.uint8)


def _corners(solid: Solid, count: int) -> np.ndarray:
    """(n, 8, 3) corners of the box around a solid."""
    signs = np.array(list(product((-1.0, 1.0), repeat=3)))
    box = np.atleast_2d(solid.size)[:, None] * signs + np.atleast_2d(solid.position)[:, None]
    return np.broadcast_to(box, (count, 8, 3))

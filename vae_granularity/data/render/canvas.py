"""Pictures that solids are painted on, the nearest in front."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

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
        return cls(background, np.full(background.shape[:3], np.inf, np.float32))

    def paint(self, view: View, solid: Solid, colour: np.ndarray, window: tuple[int, int], rows: np.ndarray | None = None) -> None:
        """Paint one solid, tracing only a window around its position.

        Args:
            view: of the m pictures.
            solid: in the coordinates of `view`.
            colour: (m, 3) or (3,) RGB in [0, 255].
            window: width and height in pixels; what lies outside is not painted.
            rows: (m,) numbers of the pictures; None for all n.
        """
        corner = view.window_corner(solid.position, window)
        rays = view.window_rays(corner, window)
        distance, surface = intersect(solid, view.origin, rays)
        row, ray = np.nonzero(distance < MISS)
        line, column = np.divmod(ray, window[0])
        line, column = line + corner[row, 1], column + corner[row, 0]
        picture = row if rows is None else rows[row]
        nearer = distance[row, ray] < self.depth[picture, line, column]
        row, ray, picture, line, column = (index[nearer] for index in (row, ray, picture, line, column))
        normal = normals(solid, view.origin, rays, distance, surface, row, ray)
        lit = np.maximum(np.einsum("mi,mi->m", normal, view.light[row]), 0.0)
        colours = np.broadcast_to(colour, view.light.shape)[row]
        self.images[picture, line, column] = np.minimum(colours * (AMBIENT + DIFFUSE * lit)[:, None], 255.0).astype(np.uint8)
        self.depth[picture, line, column] = distance[row, ray]

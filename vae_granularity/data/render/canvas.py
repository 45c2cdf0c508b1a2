"""Pictures that solids are painted on, the nearest in front."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import ArrayLike

from vae_granularity.data.render.camera import View
from vae_granularity.data.render.rays import CameraRays
from vae_granularity.data.render.scene import Solid, face_normals, intersect, quadric_normals

AMBIENT, DIFFUSE = 0.45, 0.75  # a face turned to the lamp is overexposed by a fifth
_SIGNS = np.array(list(product((-1.0, 1.0), repeat=3)))


@dataclass(frozen=True)
class Canvas:
    """Colours (3, n, H, H) uint8 and, for each pixel, the nearness (n, H, H) of what is painted
    there; both change.
    """

    colours: np.ndarray
    nearness: np.ndarray

    @classmethod
    def on(cls, background: np.ndarray) -> Canvas:
        """Over (3, n, H, H) uint8 colours, which are behind everything and are painted over."""
        return cls(np.ascontiguousarray(background), np.zeros(background.shape[1:], np.float32))

    @property
    def images(self) -> np.ndarray:
        """(n, H, H, 3) uint8, a view."""
        return np.moveaxis(self.colours, 0, -1)

    def paint(
        self, view: View, solid: Solid, colour: ArrayLike, rows: np.ndarray | None = None
    ) -> None:
        """Paint one solid a view, tracing only a window around it.

        Args:
            view: of the m solids.
            solid: in the coordinates of `view`.
            colour: (m, 3) or (3,) RGB in [0, 255].
            rows: (m,) numbers of the pictures, None for all n. Where one comes again, the later
                solid is the nearer one.
        """
        corner, (width, height) = view.window_around(_corners(solid, len(view.position)))
        rays = view.window_rays(corner, (width, height))
        nearness, surface = (found.ravel() for found in intersect(solid, rays))
        met = np.flatnonzero(nearness > 0)
        which, ray = np.divmod(met, width * height)
        pixels = self.nearness.shape[1]
        first = (
            (np.arange(len(corner)) if rows is None else rows) * pixels + corner[:, 1]
        ) * pixels + corner[:, 0]
        place = first[which] + (np.arange(height)[:, None] * pixels + np.arange(width)).ravel()[ray]

        in_front = np.flatnonzero(nearness[met] > self.nearness.reshape(-1)[place])
        met, which, ray, place = met[in_front], which[in_front], ray[in_front], place[in_front]
        self.nearness.reshape(-1)[place] = nearness[met]
        for channel, values in enumerate(
            _shade(view, solid, colour, rays, which, ray, nearness[met], surface[met])
        ):
            self.colours[channel].reshape(-1)[place] = values


def _shade(
    view: View,
    solid: Solid,
    colour: ArrayLike,
    rays: CameraRays,
    which: np.ndarray,
    ray: np.ndarray,
    nearness: np.ndarray,
    surface: np.ndarray,
) -> np.ndarray:
    """Colours (3, k) uint8 of k points of the solids `which` (k,): on a plane a look-up, on a
    quadric each has its own normal.
    """
    colour = np.broadcast_to(np.asarray(colour, np.float32), view.light.shape)  # (m, 3)
    faces = face_normals(solid)  # (K, m or 1, 3)
    light = _light(
        np.einsum("kmi,mi->mk", np.broadcast_to(faces, (len(faces), *view.light.shape)), view.light)
    )  # (m, K)
    table = np.zeros((3, len(light), len(faces) + 1), np.uint8)  # the last for the quadric
    np.minimum(colour.T[:, :, None] * light, 255, out=table[:, :, : len(faces)], casting="unsafe")
    colours = table.reshape(3, -1).take(which * (len(faces) + 1) + surface, axis=1)
    if solid.shape.quadric is not None:
        curved = np.flatnonzero(surface == len(faces))
        which, ray = which[curved], ray[curved]
        normal = quadric_normals(solid, rays.points(which, ray, 1 / nearness[curved]), which)
        lit = _light(np.einsum("ki,ki->k", normal, view.light[which]))
        colours[:, curved] = np.minimum(colour[which].T * lit, 255)
    return colours


def _light(cosine: np.ndarray) -> np.ndarray:
    return AMBIENT + DIFFUSE * np.maximum(cosine, 0)


def _corners(solid: Solid, count: int) -> np.ndarray:
    """(n, 8, 3) corners of the box around a solid."""
    box = np.atleast_2d(solid.size)[:, None] * _SIGNS + np.atleast_2d(solid.position)[:, None]
    return np.broadcast_to(box, (count, 8, 3))

"""Pictures that solids are painted on, the nearest in front."""

from dataclasses import dataclass
from itertools import product
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from vae_granularity.data.render.camera import CameraRays, View
from vae_granularity.data.render.scene import Met, Solid, face_normals, intersect, quadric_normals

# A face turned to the lamp is overexposed by a fifth.
AMBIENT = 0.45
DIFFUSE = 0.75
_SIGNS = np.array(list(product((-1.0, 1.0), repeat=3)))


@dataclass(frozen=True)
class Canvas:
    """Colours (3, n, H, H) uint8 and nearness (n, H, H) of what is painted there; both change."""

    colours: np.ndarray
    nearness: np.ndarray

    @classmethod
    def on(cls, background: np.ndarray) -> Self:
        """Return a canvas on (3, n, H, H) uint8 colours, which are behind everything."""
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
        pixels = self.nearness.shape[1]
        nearness, surface = (values.ravel() for values in intersect(solid, rays))
        met = np.flatnonzero(nearness > 0)
        rows = np.arange(len(corner)) if rows is None else rows
        first = (rows * pixels + corner[:, 1]) * pixels + corner[:, 0]
        within = (np.arange(height)[:, None] * pixels + np.arange(width)).ravel()
        which, ray = np.divmod(met, width * height)
        target = first[which] + within[ray]

        # Pixels where nothing nearer is painted already.
        front = np.flatnonzero(nearness[met] > self.nearness.reshape(-1)[target])
        target = target[front]
        visible = Met(which, ray, nearness[met], surface[met]).select(front)
        self.nearness.reshape(-1)[target] = visible.nearness
        for channel, values in enumerate(_shade(view, solid, colour, rays, visible)):
            self.colours[channel].reshape(-1)[target] = values


def _shade(view: View, solid: Solid, colour: ArrayLike, rays: CameraRays, met: Met) -> np.ndarray:
    """Return colours (3, k) uint8 of k points, looked up on planes, computed on quadrics."""
    colour = np.broadcast_to(np.asarray(colour, np.float32), view.light.shape)  # (m, 3)
    faces = face_normals(solid)  # (K, m or 1, 3)
    count = len(faces)
    normals = np.broadcast_to(faces, (count, *view.light.shape))
    light = _light(np.einsum("kmi,mi->mk", normals, view.light))  # (m, K)
    table = np.zeros((3, len(light), count + 1), np.uint8)  # the last for the quadric
    np.minimum(colour.T[:, :, None] * light, 255, out=table[:, :, :count], casting="unsafe")
    colours = table.reshape(3, -1).take(met.picture * (count + 1) + met.surface, axis=1)
    curved = np.flatnonzero(met.surface == count)
    if len(curved):
        met = met.select(curved)
        normal = quadric_normals(solid, rays, met)
        lit = _light(np.einsum("ki,ki->k", normal, view.light[met.picture]))
        colours[:, curved] = np.minimum(colour[met.picture].T * lit, 255)
    return colours


def _light(cosine: np.ndarray) -> np.ndarray:
    return AMBIENT + DIFFUSE * np.maximum(cosine, 0)


def _corners(solid: Solid, count: int) -> np.ndarray:
    """Return the corners (n, 8, 3) of the box around a solid."""
    box = np.atleast_2d(solid.size)[:, None] * _SIGNS + np.atleast_2d(solid.position)[:, None]
    return np.broadcast_to(box, (count, 8, 3))

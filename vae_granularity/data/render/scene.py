"""A small ray caster for scenes of convex solids: the renderer that Shapes3D, MPI3D and Cars3D
share.

A canonical `Shape` is an intersection of half-spaces and at most one quadric; a `Solid` places it
in the world. A batch of n pictures, of P rays each, is traced at once. `camera` makes the `rays`,
`canvas` paints what they meet.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from vae_granularity.data.render.rays import CameraRays, LightRays

NOWHERE = np.finfo(
    np.float32
).max  # nearness of what a ray has not met, finite because 0 * inf is not 0


@dataclass(frozen=True)
class Shape:
    """A convex body within [-1, 1]^3: {p : normals p <= offsets} and, where `quadric` is given,
    quadric . p^2 <= 1.

    Args:
        normals: (K, 3) outward normals, of any length; or (K, n, 3), those of a body for each
            picture.
        offsets: (K,) or (K, n).
        quadric: (3,) non-negative weights of the squares; ones are a sphere, (1, 1, 0) is a
            cylinder along z.
    """

    normals: np.ndarray
    offsets: np.ndarray
    quadric: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class Solid:
    """A shape scaled by `size` and moved to `position`; to turn it, turn camera and light the other
    way.

    Args:
        shape: the canonical shape.
        size: (3,) factors along the axes, or (n, 3), one for each picture.
        position: (3,) or (n, 3) of the shape's origin.
    """

    shape: Shape
    size: np.ndarray
    position: np.ndarray

    def planes(self) -> tuple[np.ndarray, np.ndarray]:
        """Normals (K, n or 1, 3) and offsets (K, n or 1, 1) in the world."""
        each = self.shape.normals.ndim == 3
        normals = (self.shape.normals if each else self.shape.normals[:, None]) / _rows(self.size)
        offsets = self.shape.offsets[..., None] if each else self.shape.offsets[:, None, None]
        return normals, offsets + (normals * _rows(self.position)).sum(-1, keepdims=True)


def prism(sides: int) -> Shape:
    """A regular prism along z, from z = -1 to 1; its section is inscribed in the unit circle, that
    of 4 sides is [-1, 1]^2.
    """
    return _polyhedron(sides, rise=0.0, caps=((0.0, 0.0, 1.0), (0.0, 0.0, -1.0)))


def pyramid(sides: int) -> Shape:
    """A regular pyramid with its base at z = -1, as in `prism`, and its tip at z = 1; many sides
    make a cone.
    """
    return _polyhedron(sides, rise=0.5, caps=((0.0, 0.0, -1.0),))


def frustum(front: ArrayLike, rear: ArrayLike, side: ArrayLike) -> Shape:
    """The box [-1, 1]^3 with its walls leaning inwards: at the top, x = 1 and -1 have moved in by
    `front` and `rear`, y by `side`.

    The three are numbers, or (n,), one for each picture.
    """
    lean = (
        np.stack(np.broadcast_arrays(front, rear, side, side)).astype(np.float32) / 2
    )  # (4,) or (4, n)
    normals = np.zeros((6, *lean.shape[1:], 3), np.float32)
    for face, outward in enumerate(
        ((1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1))
    ):
        normals[face] = outward
    normals[:4, ..., 2] = lean
    return Shape(normals, np.concatenate([1 - lean, np.ones_like(lean[:2])]))


def _polyhedron(sides: int, rise: float, caps: tuple[tuple[float, float, float], ...]) -> Shape:
    angle = 2.0 * np.pi * np.arange(sides) / sides
    radius = (
        1.0 if sides == 4 else np.cos(np.pi / sides)
    )  # from the axis to the middle of a wall, where it is farthest away
    walls = np.round(
        np.stack([np.cos(angle), np.sin(angle), np.full(sides, rise * radius)], axis=1), 12
    )
    offsets = np.concatenate([np.full(sides, (1.0 - rise) * radius), np.ones(len(caps))])
    return Shape(
        np.concatenate([walls, np.asarray(caps)]).astype(np.float32), offsets.astype(np.float32)
    )


BOX = prism(4)
SPHERE = Shape(np.zeros((0, 3), np.float32), np.zeros(0, np.float32), (1.0, 1.0, 1.0))
CYLINDER = Shape(
    np.array([[0, 0, 1], [0, 0, -1]], np.float32), np.ones(2, np.float32), (1.0, 1.0, 0.0)
)


def intersect(solid: Solid, rays: CameraRays | LightRays) -> tuple[np.ndarray, np.ndarray]:
    """How near rays, none of which starts inside, enter a solid.

    Nearness is one over distance. Of the half-spaces that a ray starts outside of, the last it
    enters is the one of smallest nearness; of the others, the first it leaves is the one of
    largest.

    Returns:
        nearness (n, P) float32, one over multiples of the rays' directions, 0 where a ray does not
        meet the solid, and the number (n, P) int8 of the surface it enters by: a row of
        `shape.normals`, or the quadric after the last.
    """
    enter = np.full(rays.shape, NOWHERE, np.float32)
    leave = np.zeros(rays.shape, np.float32)
    surface = np.zeros(rays.shape, np.int8)
    normals, offsets = solid.planes()
    ahead = offsets - rays.start(normals)
    ahead = np.where(ahead == 0, 1e-9, ahead)
    for number, outside, nearness in rays.nearness(normals, ahead):
        if outside:
            last = (nearness < enter).view(np.int8)
            np.maximum(
                surface, np.multiply(last, np.int8(number), out=last), out=surface
            )  # the numbers go up
            np.minimum(enter, nearness, out=enter)
        else:
            np.maximum(leave, nearness, out=leave)
    if solid.shape.quadric is not None:
        first, second = _quadric(
            solid.shape.quadric, _rows(solid.size), _rows(solid.position), rays
        )
        surface[first < enter] = len(normals)
        np.minimum(enter, first, out=enter)
        np.maximum(leave, second, out=leave)
    return np.multiply(enter, (enter > leave) & (enter < NOWHERE), out=enter), surface


def _quadric(
    quadric: tuple[float, float, float],
    size: np.ndarray,
    position: np.ndarray,
    rays: CameraRays | LightRays,
) -> tuple[np.ndarray, np.ndarray]:
    """Nearness (n, P) at which rays enter (below 0: never) and leave: the roots of c w^2 + 2 b w +
    a.
    """
    a, b, c = np.float32(0), np.float32(0), np.float32(-1)
    for axis, weight in enumerate(quadric):
        if weight > 0:
            vector = np.sqrt(weight) * np.eye(3)[axis] / size
            start = (rays.start(vector) - (vector * position).sum(1, keepdims=True)).astype(
                np.float32
            )
            way = rays.along(vector).astype(np.float32)
            a, b, c = a + way * way, b + start * way, c + start * start
    c = np.where(c == 0, np.float32(1e-9), c)
    discriminant = b * b - a * c
    root = np.sqrt(np.maximum(discriminant, 0))
    first = np.where(discriminant > 0, (root - b) / c, np.float32(-1))
    return np.where(c > 0, first, np.float32(np.inf)), (-root - b) / c


def face_normals(solid: Solid) -> np.ndarray:
    """Unit outward normals (K, n or 1, 3) float32 of the planes of a solid."""
    normals, _ = solid.planes()
    return (normals / np.linalg.norm(normals, axis=-1, keepdims=True)).astype(np.float32)


def quadric_normals(solid: Solid, points: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """Unit outward normals (m, 3) float32 at `points` (m, 3) on the quadric of a solid, in the
    pictures (m,).
    """
    size, position = (
        rows[np.minimum(picture, len(rows) - 1)]
        for rows in (_rows(solid.size), _rows(solid.position))
    )
    gradient = np.asarray(solid.shape.quadric) * (points - position) / size**2
    return (gradient / np.linalg.norm(gradient, axis=1, keepdims=True)).astype(np.float32)


def normals(
    solid: Solid,
    rays: CameraRays,
    picture: np.ndarray,
    ray: np.ndarray,
    nearness: np.ndarray,
    surface: np.ndarray,
) -> np.ndarray:
    """Unit outward normals (m, 3) float32 where m chosen rays meet a solid.

    Args:
        solid, rays: as for `intersect`.
        picture, ray: (m,) which rays.
        nearness, surface: (m,) its answer for them.
    """
    faces = face_normals(solid)
    faces = np.concatenate(
        [faces, np.zeros((1, *faces.shape[1:]), np.float32)]
    )  # the last is for the quadric
    chosen = faces[surface, np.minimum(picture, faces.shape[1] - 1)]
    if solid.shape.quadric is not None:
        curved = np.flatnonzero(surface == len(faces) - 1)
        points = rays.points(picture[curved], ray[curved], 1 / nearness[curved])
        chosen[curved] = quadric_normals(solid, points, picture[curved])
    return chosen


def nearest(solids: list[Solid], rays: CameraRays) -> tuple[np.ndarray, np.ndarray]:
    """Nearness (n, P) of the first of several solids along each ray, 0 where there is none, and the
    normal (3, n, P) there.
    """
    nearness = np.zeros(rays.shape, np.float32)
    normal = np.zeros((3, *rays.shape), np.float32)
    for solid in solids:
        other, surface = intersect(solid, rays)
        picture, ray = np.nonzero(other > nearness)
        nearness[picture, ray] = met = other[picture, ray]
        normal[:, picture, ray] = normals(solid, rays, picture, ray, met, surface[picture, ray]).T
    return nearness, normal


def _rows(vectors: np.ndarray) -> np.ndarray:
    """(3,) or (n, 3) as (1 or n, 3)."""
    return np.atleast_2d(np.asarray(vectors, float))

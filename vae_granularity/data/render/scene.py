"""A small ray caster for scenes of convex solids: the renderer that Shapes3D, MPI3D and Cars3D share.

A canonical `Shape` is an intersection of half-spaces and at most one quadric; a `Solid` places it in the world. A batch of n
pictures, of P rays each, is traced at once. `camera` makes the `rays`, `canvas` paints what they meet.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vae_granularity.data.render.rays import CameraRays, LightRays

MISS = np.float32(np.inf)


@dataclass(frozen=True)
class Shape:
    """A convex body within [-1, 1]^3: {p : normals p <= offsets} and, where `quadric` is given, quadric . p^2 <= 1.

    Args:
        normals: (m, 3) outward normals, of any length.
        offsets: (m,) offsets.
        quadric: (3,) non-negative weights of the squares; ones are a sphere, (1, 1, 0) is a cylinder along z.
    """

    normals: np.ndarray
    offsets: np.ndarray
    quadric: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class Solid:
    """A shape scaled by `size` and moved to `position`; to turn it, turn camera and light the other way.

    Args:
        shape: the canonical shape.
        size: (3,) factors along the axes, or (n, 3), one for each picture.
        position: (3,) or (n, 3) of the shape's origin.
    """

    shape: Shape
    size: np.ndarray
    position: np.ndarray


def prism(sides: int) -> Shape:
    """A regular prism along z, from z = -1 to 1; its section is inscribed in the unit circle, that of 4 sides is [-1, 1]^2."""
    return _polyhedron(sides, rise=0.0, caps=((0.0, 0.0, 1.0), (0.0, 0.0, -1.0)))


def pyramid(sides: int) -> Shape:
    """A regular pyramid with its base at z = -1, as in `prism`, and its tip at z = 1; many sides make a cone."""
    return _polyhedron(sides, rise=0.5, caps=((0.0, 0.0, -1.0),))


def frustum(front: float, rear: float, side: float) -> Shape:
    """The box [-1, 1]^3 with its walls leaning inwards: at the top, x = 1 and -1 have moved in by `front` and `rear`, y by `side`."""
    normals = np.array([[1, 0, front / 2], [-1, 0, rear / 2], [0, 1, side / 2], [0, -1, side / 2], [0, 0, 1], [0, 0, -1]])
    offsets = np.array([1 - front / 2, 1 - rear / 2, 1 - side / 2, 1 - side / 2, 1, 1])
    return Shape(normals.astype(np.float32), offsets.astype(np.float32))


def _polyhedron(sides: int, rise: float, caps: tuple[tuple[float, float, float], ...]) -> Shape:
    angle = 2.0 * np.pi * np.arange(sides) / sides
    radius = 1.0 if sides == 4 else np.cos(np.pi / sides)  # from the axis to the middle of a wall, where it is farthest away
    walls = np.round(np.stack([np.cos(angle), np.sin(angle), np.full(sides, rise * radius)], axis=1), 12)
    offsets = np.concatenate([np.full(sides, (1.0 - rise) * radius), np.ones(len(caps))])
    return Shape(np.concatenate([walls, np.asarray(caps)]).astype(np.float32), offsets.astype(np.float32))


BOX = prism(4)
SPHERE = Shape(np.zeros((0, 3), np.float32), np.zeros(0, np.float32), (1.0, 1.0, 1.0))
CYLINDER = Shape(np.array([[0, 0, 1], [0, 0, -1]], np.float32), np.ones(2, np.float32), (1.0, 1.0, 0.0))


def intersect(solid: Solid, rays: CameraRays | LightRays) -> tuple[np.ndarray, np.ndarray]:
    """Where rays, none of which starts inside, enter a solid.

    Works on nearness, one over distance. Of the half-spaces that a ray starts outside of, the last it enters is the one of
    smallest nearness; of the others, the first it leaves is the one of largest.

    Returns:
        distance (n, P) float32 in multiples of the rays' directions, `MISS` where a ray does not meet the solid, and the number
        (n, P) int8 of the surface it enters by: a row of `shape.normals`, or the quadric after the last.
    """
    shape, size, position = solid.shape, _rows(solid.size), _rows(solid.position)
    enter = np.full(rays.shape, MISS)
    leave = np.zeros(rays.shape, np.float32)
    surface = np.zeros(rays.shape, np.int8)
    for index, (normal, offset) in enumerate(zip(shape.normals, shape.offsets, strict=True)):
        vector = normal / size
        ahead = offset + (vector * position).sum(1, keepdims=True) - rays.start(vector)
        ahead = np.where(ahead == 0, 1e-9, ahead).astype(np.float32)
        outside, nearness = ahead < 0, rays.nearness(vector, ahead)
        if outside.any():
            first = np.where(outside, nearness, MISS)
            np.copyto(surface, np.int8(index), where=first < enter)
            np.minimum(enter, first, out=enter)
        if not outside.all():
            np.maximum(leave, np.where(outside, np.float32(0), nearness), out=leave)
    if shape.quadric is not None:
        first, second = _quadric(shape.quadric, size, position, rays)
        np.copyto(surface, np.int8(len(shape.normals)), where=first < enter)
        np.minimum(enter, first, out=enter)
        np.maximum(leave, second, out=leave)
    hit = (enter > leave) & (enter < MISS)
    return np.divide(1, enter, out=np.full_like(enter, MISS), where=hit), surface


def _quadric(
    quadric: tuple[float, float, float], size: np.ndarray, position: np.ndarray, rays: CameraRays | LightRays
) -> tuple[np.ndarray, np.ndarray]:
    """Nearness (n, P) at which rays enter (below 0: never) and leave: the roots of c w^2 + 2 b w + a."""
    a, b, c = np.float32(0), np.float32(0), np.float32(-1)
    for axis, weight in enumerate(quadric):
        if weight > 0:
            vector = np.sqrt(weight) * np.eye(3)[axis] / size
            start = (rays.start(vector) - (vector * position).sum(1, keepdims=True)).astype(np.float32)
            way = rays.along(vector).astype(np.float32)
            a, b, c = a + way * way, b + start * way, c + start * start
    c = np.where(c == 0, np.float32(1e-9), c)
    discriminant = b * b - a * c
    root = np.sqrt(np.maximum(discriminant, 0))
    first = np.where(discriminant > 0, (root - b) / c, np.float32(-1))
    return np.where(c > 0, first, MISS), (-root - b) / c


def normals(solid: Solid, rays: CameraRays, picture: np.ndarray, ray: np.ndarray, distance: np.ndarray, surface: np.ndarray) -> np.ndarray:
    """Unit outward normals (m, 3) float32 where m chosen rays meet a solid.

    Args:
        solid, rays: as for `intersect`.
        picture, ray: (m,) which rays.
        distance, surface: (m,) its answer for them.
    """
    shape, size, position = solid.shape, _rows(solid.size), _rows(solid.position)
    faces = np.concatenate([shape.normals, np.ones((1, 3))]) / size[:, None]
    faces = (faces / np.linalg.norm(faces, axis=2, keepdims=True)).astype(np.float32)
    chosen = faces[np.minimum(picture, len(size) - 1), surface]
    if shape.quadric is not None:
        curved = np.flatnonzero(surface == len(shape.normals))
        picture = picture[curved]
        own, at = (rows[np.minimum(picture, len(rows) - 1)] for rows in (size, position))
        gradient = np.asarray(shape.quadric) * (rays.points(picture, ray[curved], distance[curved]) - at) / own**2
        chosen[curved] = gradient / np.linalg.norm(gradient, axis=1, keepdims=True)
    return chosen


def nearest(solids: list[Solid], rays: CameraRays) -> tuple[np.ndarray, np.ndarray]:
    """Distance (n, P) to the first of several solids along each ray, and the normal (3, n, P) there, 0 where there is none."""
    distance = np.full(rays.shape, MISS)
    normal = np.zeros((3, *rays.shape), np.float32)
    for solid in solids:
        other, surface = intersect(solid, rays)
        picture, ray = np.nonzero(other < distance)
        distance[picture, ray] = met = other[picture, ray]
        normal[:, picture, ray] = normals(solid, rays, picture, ray, met, surface[picture, ray]).T
    return distance, normal


def _rows(vectors: np.ndarray) -> np.ndarray:
    """(3,) or (n, 3) as (1 or n, 3)."""
    return np.atleast_2d(np.asarray(vectors, float))

"""A small ray caster for scenes of convex solids: the renderer that Shapes3D, MPI3D and Cars3D share.

A canonical `Shape` is an intersection of half-spaces and at most one quadric; a `Solid` places it in the world. A batch of n
pictures is drawn at once: vectors are component-first, (3, n, P) for P rays, and every part broadcasts. `camera` makes the rays,
`canvas` paints what they hit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MISS = _EVER = np.float32(np.inf)


@dataclass(frozen=True)
class Shape:
    """A convex body in its own frame: {p : normals p <= offsets} and, where `quadric` is given, quadric . p^2 <= 1.

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
    """A regular prism along z, circumscribed about the unit circle, from z = -1 to 1."""
    return _polyhedron(sides, rise=0.0, caps=((0.0, 0.0, 1.0), (0.0, 0.0, -1.0)))


def pyramid(sides: int) -> Shape:
    """A regular pyramid along z, its base at z = -1 circumscribed about the unit circle, its tip at z = 1; many sides make a cone."""
    return _polyhedron(sides, rise=0.5, caps=((0.0, 0.0, -1.0),))


def frustum(front: float, rear: float, side: float) -> Shape:
    """The box [-1, 1]^3 with its walls leaning inwards: at the top, x = 1 and -1 have moved in by `front` and `rear`, y by `side`."""
    normals = np.array([[1, 0, front / 2], [-1, 0, rear / 2], [0, 1, side / 2], [0, -1, side / 2], [0, 0, 1], [0, 0, -1]])
    offsets = np.array([1 - front / 2, 1 - rear / 2, 1 - side / 2, 1 - side / 2, 1, 1])
    return Shape(normals.astype(np.float32), offsets.astype(np.float32))


def _polyhedron(sides: int, rise: float, caps: tuple[tuple[float, float, float], ...]) -> Shape:
    angle = 2.0 * np.pi * np.arange(sides) / sides
    walls = np.round(np.stack([np.cos(angle), np.sin(angle), np.full(sides, rise)], axis=1), 12)  # so that zeros are zeros
    offsets = np.concatenate([np.full(sides, 1.0 - rise), np.ones(len(caps))])
    return Shape(np.concatenate([walls, np.asarray(caps)]).astype(np.float32), offsets.astype(np.float32))


BOX = prism(4)
SPHERE = Shape(np.zeros((0, 3), np.float32), np.zeros(0, np.float32), (1.0, 1.0, 1.0))
CYLINDER = Shape(np.array([[0, 0, 1], [0, 0, -1]], np.float32), np.ones(2, np.float32), (1.0, 1.0, 0.0))


def intersect(solid: Solid, origin: np.ndarray, direction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where rays enter a solid.

    Works on nearness, one over distance: a plane's is linear in the ray's direction. Half-spaces that the origin is outside of
    are entered last of all at the smallest nearness, the others left first of all at the largest.

    Args:
        solid: the solid, its batch axis (if any) equal to n.
        origin: (3, n, P) or (3, n, 1), not inside the solid.
        direction: (3, n, P); distances are in multiples of it.

    Returns:
        distance (n, P) float32, `MISS` where the ray does not meet the solid ahead of its origin, and the number (n, P) int8 of
        the surface it enters by: a row of `shape.normals`, or the quadric after the last.
    """
    shape, (start, way) = solid.shape, _local(solid, origin, direction)
    enter = np.full(np.broadcast_shapes(start[0].shape, way[0].shape), np.inf, np.float32)
    leave = np.zeros_like(enter)
    surface = np.zeros(enter.shape, np.int8)
    for index, (normal, offset) in enumerate(zip(shape.normals, shape.offsets, strict=True)):
        ahead = offset - _weighted(normal, start)
        outside = ahead < 0
        nearness = _weighted(normal, way) / np.where(ahead == 0, np.float32(1e-9), ahead)
        _cut(enter, leave, surface, index, np.where(outside, nearness, _EVER), np.where(outside, np.float32(0), nearness))
    if shape.quadric is not None:
        _cut(enter, leave, surface, len(shape.normals), *_quadric(shape.quadric, start, way))
    hit = (enter > leave) & np.isfinite(enter)
    return np.divide(1, enter, out=np.full_like(enter, MISS), where=hit), surface


def normals(
    solid: Solid, origin: np.ndarray, direction: np.ndarray, distance: np.ndarray, surface: np.ndarray, picture: np.ndarray, ray: np.ndarray
) -> np.ndarray:
    """Unit outward normals (m, 3) where m chosen rays met a solid.

    Args:
        solid, origin, direction: as for `intersect`, and `distance`, `surface` its answer.
        picture, ray: (m,) indices of rays that met it.
    """
    shape, size = solid.shape, np.asarray(solid.size, np.float32).reshape(-1, 3)
    faces = np.concatenate([shape.normals, np.zeros((1, 3), np.float32)]) / size[:, None]
    chosen = faces[np.minimum(picture, len(size) - 1), surface[picture, ray]]
    if shape.quadric is not None:
        curved = np.flatnonzero(surface[picture, ray] == len(shape.normals))
        picture, ray = picture[curved], ray[curved]
        start, way = (_pick(vectors, picture, ray) for vectors in _local(solid, origin, direction))
        point = start + distance[picture, ray] * way
        chosen[curved] = (np.asarray(shape.quadric, np.float32)[:, None] * point).T / size[np.minimum(picture, len(size) - 1)]
    return chosen / np.sqrt(np.einsum("mi,mi->m", chosen, chosen))[:, None]


def nearest(solids: list[Solid], origin: np.ndarray, direction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distance (n, P) to the first of several solids along each ray, and the normal (3, n, P) there, 0 where there is none."""
    distance = np.full(np.broadcast_shapes(origin[0].shape, direction[0].shape), MISS, np.float32)
    normal = np.zeros((3, *distance.shape), np.float32)
    for solid in solids:
        other, surface = intersect(solid, origin, direction)
        picture, ray = np.nonzero(other < distance)
        distance[picture, ray] = other[picture, ray]
        normal[:, picture, ray] = normals(solid, origin, direction, other, surface, picture, ray).T
    return distance, normal


def _cut(enter: np.ndarray, leave: np.ndarray, surface: np.ndarray, index: int, first: np.ndarray, second: np.ndarray) -> None:
    """Cut the stretches of the rays, from nearness `enter` to `leave`, with one more body, from `first` to `second`."""
    np.copyto(surface, np.int8(index), where=first < enter)
    np.minimum(enter, first, out=enter)
    np.maximum(leave, second, out=leave)


def _quadric(quadric: tuple[float, float, float], start: np.ndarray, way: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Nearness at which rays enter (below 0: never) and leave: the roots of c w^2 + 2 b w + a."""
    weights = np.asarray(quadric, np.float32)
    a, b, c = _weighted(weights, way * way), _weighted(weights, start * way), _weighted(weights, start * start) - 1
    c = np.where(c == 0, np.float32(1e-9), c)
    discriminant = b * b - a * c
    root = np.sqrt(np.maximum(discriminant, 0))
    first = np.where(discriminant > 0, (root - b) / c, np.float32(-1))
    return np.where(c > 0, first, _EVER), (-root - b) / c


def _local(solid: Solid, origin: np.ndarray, direction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Origin and direction in the shape's own frame; distances along a ray stay what they are."""
    size = _column(solid.size)
    return (origin - _column(solid.position)) / size, direction / size


def _column(vectors: np.ndarray) -> np.ndarray:
    """(3,) or (n, 3) as (3, n or 1, 1) float32."""
    return np.asarray(vectors, np.float32).reshape(-1, 3).T[:, :, None]


def _pick(vectors: np.ndarray, picture: np.ndarray, ray: np.ndarray) -> np.ndarray:
    """(3, m) vectors of m rays, from (3, n or 1, P or 1)."""
    return vectors[:, np.minimum(picture, vectors.shape[1] - 1), np.minimum(ray, vectors.shape[2] - 1)]


def _weighted(weights: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Sum over j of weights[j] * vectors[j], (n, P); weights of 0, which most are, cost nothing."""
    terms = [vector if weight == 1 else weight * vector for weight, vector in zip(weights, vectors, strict=True) if weight != 0]
    return sum(terms[1:], start=terms[0])

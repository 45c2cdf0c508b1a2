"""A small ray caster for scenes of convex solids: the renderer that Shapes3D, MPI3D and Cars3D share.

A canonical `Shape` is an intersection of half-spaces and at most one quadric; a `Solid` places it in the world. A batch of n
pictures is drawn at once: vectors are component-first, (3, n, P) for P rays, and every part broadcasts. `camera` makes the rays,
`canvas` paints what they hit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MISS = np.float32(np.inf)


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

    Args:
        solid: the solid, its batch axis (if any) equal to n.
        origin: (3, n, P) or broadcastable.
        direction: (3, n, P); distances are in multiples of it.

    Returns:
        distance (n, P), `MISS` where the ray does not enter it ahead of its origin, and unit outward normal (3, n, P).
    """
    shape, size = solid.shape, _column(solid.size)
    start, way = (origin - _column(solid.position)) / size, direction / size
    enter = np.full(np.broadcast_shapes(start[0].shape, way[0].shape), -np.inf, np.float32)
    leave = np.full_like(enter, np.inf)
    surface = np.full(enter.shape, len(shape.normals), np.int8)
    for index, (normal, offset) in enumerate(zip(shape.normals, shape.offsets, strict=True)):
        speed = _weighted(normal, way)
        with np.errstate(divide="ignore", invalid="ignore"):  # along a face: infinite, or no number and then never nearer or farther
            distance = (offset - _weighted(normal, start)) / speed
        inward = speed < 0
        later = inward & (distance > enter)
        np.copyto(enter, distance, where=later)
        np.copyto(surface, np.int8(index), where=later)
        np.copyto(leave, distance, where=~inward & (distance < leave))
    if shape.quadric is not None:
        first, second = _quadric_interval(shape.quadric, start, way)
        later = first > enter
        np.copyto(enter, first, where=later)
        np.copyto(surface, np.int8(len(shape.normals)), where=later)
        np.minimum(leave, second, out=leave)
    hit = (enter < leave) & (enter > 0)
    normals = np.zeros((3, *hit.shape), np.float32)
    picture, pixel = np.nonzero(hit)
    point = _pick(start, picture, pixel) + enter[hit] * _pick(way, picture, pixel)
    outward = _outward(shape, point, surface[hit]) / size[:, np.minimum(picture, size.shape[1] - 1), 0]
    normals[:, picture, pixel] = outward / np.linalg.norm(outward, axis=0)
    return np.where(hit, enter, MISS), normals


def _pick(vectors: np.ndarray, picture: np.ndarray, pixel: np.ndarray) -> np.ndarray:
    """(3, m) vectors of m pixels, from (3, n or 1, P or 1)."""
    return vectors[:, np.minimum(picture, vectors.shape[1] - 1), np.minimum(pixel, vectors.shape[2] - 1)]


def _outward(shape: Shape, point: np.ndarray, surface: np.ndarray) -> np.ndarray:
    """Outward normals (3, m), of any length, at points (3, m) of the numbered surfaces (m,); the quadric comes last."""
    table = np.concatenate([shape.normals, np.zeros((1, 3), np.float32)])
    weights = np.asarray(shape.quadric or (0.0, 0.0, 0.0), np.float32)
    return np.where(surface == len(shape.normals), weights[:, None] * point, table[surface].T)


def _column(vectors: np.ndarray) -> np.ndarray:
    """(3,) or (n, 3) as (3, n or 1, 1) float32."""
    return np.asarray(vectors, np.float32).reshape(-1, 3).T[:, :, None]


def _weighted(weights: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Sum over j of weights[j] * vectors[j], (n, P); weights of 0, which most are, cost nothing."""
    terms = [vector if weight == 1 else weight * vector for weight, vector in zip(weights, vectors, strict=True) if weight != 0]
    return sum(terms[1:], start=terms[0])


def _quadric_interval(quadric: tuple[float, float, float], start: np.ndarray, way: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    weights = np.asarray(quadric, np.float32)
    square = _weighted(weights, way * way) + np.float32(1e-12)
    half = _weighted(weights, start * way)
    discriminant = half * half - square * (_weighted(weights, start * start) - 1)
    root = np.sqrt(np.maximum(discriminant, 0))
    outside = discriminant <= 0
    return np.where(outside, np.inf, (-half - root) / square), np.where(outside, -np.inf, (-half + root) / square)


def nearest(solids: list[Solid], origin: np.ndarray, direction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`intersect` for the first of several solids along each ray: distance (n, P) and normal (3, n, P)."""
    distance, normal = intersect(solids[0], origin, direction)
    for solid in solids[1:]:
        other, other_normal = intersect(solid, origin, direction)
        closer = other < distance
        np.copyto(distance, other, where=closer)
        np.copyto(normal, other_normal, where=closer)
    return distance, normal

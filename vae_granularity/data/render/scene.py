"""A small ray caster for scenes of convex solids: the renderer that Shapes3D, MPI3D and Cars3D share.

A canonical `Shape` is an intersection of half-spaces and at most one quadric; a `Solid` places it in the world. A batch of n
pictures is drawn at once: vectors are component-first, (3, n, P) for P pixels, and every part broadcasts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MISS = np.float32(np.inf)


@dataclass(frozen=True)
class Shape:
    """A convex body in its own frame: {p : normals p <= offsets} and, where `quadric` is given, quadric . p^2 <= 1.

    Args:
        normals: (m, 3) outward normals.
        offsets: (m,) offsets.
        quadric: (3,) non-negative weights of the squares; ones are a sphere, (1, 1, 0) is a cylinder along z.
    """

    normals: np.ndarray
    offsets: np.ndarray
    quadric: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class Solid:
    """A shape scaled by `size`, turned by `rotation`, moved to `position`: one for all n pictures or one a picture.

    Args:
        shape: the canonical shape.
        size: (3,) or (n, 3) factors along the shape's own axes.
        position: (3,) or (n, 3) of the shape's origin.
        rotation: (3, 3) or (n, 3, 3), columns are the shape's axes in the world; None leaves them as they are.
    """

    shape: Shape
    size: np.ndarray
    position: np.ndarray
    rotation: np.ndarray | None = None


def prism(sides: int) -> Shape:
    """A regular prism along z, circumscribed about the unit circle, from z = -1 to 1."""
    return _polyhedron(sides, rise=0.0, caps=((0.0, 0.0, 1.0), (0.0, 0.0, -1.0)))


def pyramid(sides: int) -> Shape:
    """A regular pyramid along z, its base at z = -1 circumscribed about the unit circle, its tip at z = 1; many sides make a cone."""
    return _polyhedron(sides, rise=0.5, caps=((0.0, 0.0, -1.0),))


def _polyhedron(sides: int, rise: float, caps: tuple[tuple[float, float, float], ...]) -> Shape:
    angle = 2.0 * np.pi * np.arange(sides) / sides
    walls = np.stack([np.cos(angle), np.sin(angle), np.full(sides, rise)], axis=1)
    offsets = np.concatenate([np.full(sides, 1.0 - rise), np.ones(len(caps))])
    return Shape(np.concatenate([walls, np.asarray(caps)]).astype(np.float32), offsets.astype(np.float32))


BOX = prism(4)
SPHERE = Shape(np.zeros((0, 3), np.float32), np.zeros(0, np.float32), (1.0, 1.0, 1.0))
CYLINDER = Shape(np.array([[0, 0, 1], [0, 0, -1]], np.float32), np.ones(2, np.float32), (1.0, 1.0, 0.0))


def camera_rays(position: np.ndarray, target: np.ndarray, tan_half_view: float, pixels: int) -> np.ndarray:
    """Directions through the pixel centres of a square picture; z is up in the world.

    Args:
        position: (n, 3) of the cameras.
        target: (3,) or (n, 3), the point in the middle of the picture.
        tan_half_view: tangent of half the field of view.
        pixels: side of the picture.

    Returns:
        (3, n, pixels * pixels) float32, not normalised, rows from the top.
    """
    forward = np.asarray(target) - position
    forward = forward / np.linalg.norm(forward, axis=-1, keepdims=True)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right, axis=-1, keepdims=True)
    down = np.cross(forward, right)
    across = tan_half_view * ((np.arange(pixels) + 0.5) * 2.0 / pixels - 1.0)
    rays = forward[:, None, None] + across[:, None] * right[:, None, None] + across[:, None, None] * down[:, None, None]
    return np.moveaxis(rays.reshape(len(position), -1, 3), -1, 0).astype(np.float32)


def intersect(solid: Solid, origin: np.ndarray, direction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where rays enter a solid.

    Args:
        solid: the solid, its batch axis (if any) equal to n.
        origin: (3, n, P) or broadcastable.
        direction: (3, n, P); distances are in multiples of it.

    Returns:
        distance (n, P), `MISS` where the ray does not enter it ahead of its origin, and unit outward normal (3, n, P).
    """
    shape = solid.shape
    start, way = _local(solid, origin, direction)
    enter = np.full(np.broadcast_shapes(start[0].shape, way[0].shape), -np.inf, np.float32)
    leave = np.full_like(enter, np.inf)
    surface = np.full(enter.shape, len(shape.normals), np.int8)
    for index, (normal, offset) in enumerate(zip(shape.normals, shape.offsets, strict=True)):
        speed = _weighted(normal, way)
        speed = np.where(speed == 0, np.float32(1e-12), speed)
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
    return np.where(hit, enter, MISS), _normal(solid, start, way, np.where(hit, enter, 0), surface)


def _local(solid: Solid, origin: np.ndarray, direction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Origin and direction in the shape's own frame; distances along a ray stay what they are."""
    start = origin - _column(solid.position)
    axes = None if solid.rotation is None else np.asarray(solid.rotation, np.float32).reshape(-1, 3, 3)
    if axes is not None:
        start, direction = (np.stack([_weighted(axes[:, :, j].T[:, :, None], v) for j in range(3)]) for v in (start, direction))
    return start / _column(solid.size), direction / _column(solid.size)


def _column(vectors: np.ndarray) -> np.ndarray:
    """(3,) or (n, 3) as (3, n or 1, 1) float32."""
    return np.asarray(vectors, np.float32).reshape(-1, 3).T[:, :, None]


def _weighted(weights: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Sum of weights[j] * vectors[j]; a weight that is the number 0 costs nothing, which most are."""
    total = np.float32(0)
    for weight, vector in zip(weights, vectors, strict=True):
        if np.ndim(weight) or weight != 0:
            total = total + weight * vector
    return total


def _quadric_interval(quadric: tuple[float, float, float], start: np.ndarray, way: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    weights = np.asarray(quadric, np.float32)
    square = _weighted(weights, way * way) + np.float32(1e-12)
    half = _weighted(weights, start * way)
    discriminant = half * half - square * (_weighted(weights, start * start) - 1)
    root = np.sqrt(np.maximum(discriminant, 0))
    outside = discriminant <= 0
    return np.where(outside, np.inf, (-half - root) / square), np.where(outside, -np.inf, (-half + root) / square)


def _normal(solid: Solid, start: np.ndarray, way: np.ndarray, distance: np.ndarray, surface: np.ndarray) -> np.ndarray:
    shape = solid.shape
    weights = shape.quadric or (0.0, 0.0, 0.0)
    table = np.concatenate([shape.normals, np.zeros((1, 3), np.float32)])
    curved = surface == len(shape.normals)
    point = start + distance * way
    local = [np.where(curved, w * p, column[surface]) for w, p, column in zip(weights, point, table.T, strict=True)]
    normal = np.stack(local).astype(np.float32) / _column(solid.size)
    if solid.rotation is not None:
        axes = np.asarray(solid.rotation, np.float32).reshape(-1, 3, 3)
        normal = np.stack([_weighted(axes[:, i, :].T[:, :, None], normal) for i in range(3)])
    return normal / (np.sqrt(_weighted(np.ones(3, np.float32), normal * normal)) + np.float32(1e-12))


def nearest(solids: list[Solid], origin: np.ndarray, direction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`intersect` for the first of several solids along each ray: distance (n, P) and normal (3, n, P)."""
    distance, normal = intersect(solids[0], origin, direction)
    for solid in solids[1:]:
        other, other_normal = intersect(solid, origin, direction)
        closer = other < distance
        np.copyto(distance, other, where=closer)
        np.copyto(normal, other_normal, where=closer)
    return distance, normal

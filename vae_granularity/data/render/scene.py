"""A small ray caster for scenes of convex solids, for Shapes3D, MPI3D and Cars3D.

A canonical `Shape` is an intersection of half-spaces and at most one quadric; a `Solid` places it
in the world. A batch of n pictures, of P rays each, is traced at once. `camera` makes the `rays`,
`canvas` paints what they meet.
"""

from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from vae_granularity.data.render.camera import CameraRays, LightRays

NOWHERE = np.finfo(np.float32).max  # nearness of what is not met: finite, for 0 * inf is not 0


@dataclass(frozen=True)
class Shape:
    """A convex body in [-1, 1]^3: normals p <= offsets and, if given, quadric . p^2 <= 1.

    The quadric's weights are not negative: ones are a sphere, (1, 1, 0) is a cylinder along z.
    """

    normals: np.ndarray  # (K, 3) outward, of any length; or (K, n, 3), a body for each picture
    offsets: np.ndarray  # (K,) or (K, n)
    quadric: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class Solid:
    """A shape scaled by `size` and moved to `position`; to turn it, turn camera and light."""

    shape: Shape
    size: np.ndarray  # (3,) factors along the axes, or (n, 3), one for each picture
    position: np.ndarray  # (3,) or (n, 3) of the shape's origin

    def planes(self) -> tuple[np.ndarray, np.ndarray]:
        """Return normals (K, n or 1, 3) and offsets (K, n or 1, 1) in the world."""
        normals = self.shape.normals
        offsets = self.shape.offsets[..., None]
        # A shape may be one for all pictures.
        if normals.ndim == 2:
            normals = normals[:, None]
            offsets = offsets[..., None]
        normals = normals / _rows(self.size)
        return normals, offsets + (normals * _rows(self.position)).sum(-1, keepdims=True)


def prism(sides: int) -> Shape:
    """Return a regular prism, z from -1 to 1, in the unit circle; 4 sides are [-1, 1]^2."""
    return _polyhedron(sides, rise=0.0, caps=((0.0, 0.0, 1.0), (0.0, 0.0, -1.0)))


def pyramid(sides: int) -> Shape:
    """Return a regular pyramid, base at z = -1 as in `prism`, tip at 1; many sides make a cone."""
    return _polyhedron(sides, rise=0.5, caps=((0.0, 0.0, -1.0),))


def frustum(front: ArrayLike, rear: ArrayLike, side: ArrayLike) -> Shape:
    """Return the box [-1, 1]^3 with walls that lean inwards by numbers or (n,), one a picture.

    At the top, x = 1 and -1 have moved in by `front` and `rear`, y by `side`.
    """
    leans = np.broadcast_arrays(front, rear, side, side)
    lean = np.stack(leans).astype(np.float32) / 2  # (4,) or (4, n)
    normals = np.zeros((6, *lean.shape[1:], 3), np.float32)
    for face, (axis, sign) in enumerate(product(range(3), (1, -1))):
        normals[face, ..., axis] = sign
    normals[:4, ..., 2] = lean
    return Shape(normals, np.concatenate([1 - lean, np.ones_like(lean[:2])]))


def _polyhedron(sides: int, rise: float, caps: tuple[tuple[float, float, float], ...]) -> Shape:
    angle = 2.0 * np.pi * np.arange(sides) / sides
    # From the axis to the middle of a wall, where it is farthest away.
    radius = 1.0 if sides == 4 else np.cos(np.pi / sides)
    normals = np.stack([np.cos(angle), np.sin(angle), np.full(sides, rise * radius)], axis=1)
    walls = np.concatenate([np.round(normals, 12), np.asarray(caps)])
    offsets = np.concatenate([np.full(sides, (1.0 - rise) * radius), np.ones(len(caps))])
    return Shape(walls.astype(np.float32), offsets.astype(np.float32))


BOX = prism(4)
SPHERE = Shape(np.zeros((0, 3), np.float32), np.zeros(0, np.float32), (1.0, 1.0, 1.0))
_CAPS = np.array([[0, 0, 1], [0, 0, -1]], np.float32)
CYLINDER = Shape(_CAPS, np.ones(2, np.float32), (1.0, 1.0, 0.0))


class Met(NamedTuple):
    """m rays that meet a solid: picture, number of the ray, nearness and surface, each (m,)."""

    picture: np.ndarray
    ray: np.ndarray
    nearness: np.ndarray
    surface: np.ndarray

    def select(self, rows: np.ndarray) -> "Met":
        """Return some of the rays, by number."""
        return Met(*(values[rows] for values in self))


def intersect(solid: Solid, rays: CameraRays | LightRays) -> tuple[np.ndarray, np.ndarray]:
    """Return how near rays, none of which starts inside, enter a solid, and by which surface.

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
            np.multiply(last, np.int8(number), out=last)
            np.maximum(surface, last, out=surface)  # the numbers go up
            np.minimum(enter, nearness, out=enter)
        else:
            np.maximum(leave, nearness, out=leave)
    if solid.shape.quadric is not None:
        first, second = _quadric(solid, solid.shape.quadric, rays)
        surface[first < enter] = len(normals)
        np.minimum(enter, first, out=enter)
        np.maximum(leave, second, out=leave)
    return np.multiply(enter, (enter > leave) & (enter < NOWHERE), out=enter), surface


def _quadric(
    solid: Solid, quadric: tuple[float, float, float], rays: CameraRays | LightRays
) -> tuple[np.ndarray, np.ndarray]:
    """Return nearness (n, P) of entry (below 0: never) and exit: the roots of c w^2 + 2 b w + a."""
    a = b = np.float32(0)
    c = np.float32(-1)
    for axis, weight in enumerate(quadric):
        if weight > 0:
            vector = np.sqrt(weight) * np.eye(3)[axis] / _rows(solid.size)
            offset = (vector * _rows(solid.position)).sum(1, keepdims=True)
            start = (rays.start(vector) - offset).astype(np.float32)
            slope = rays.along(vector).astype(np.float32)
            a = a + slope * slope
            b = b + start * slope
            c = c + start * start
    c = np.where(c == 0, np.float32(1e-9), c)
    discriminant = b * b - a * c
    root = np.sqrt(np.maximum(discriminant, 0))
    first = np.where(discriminant > 0, (root - b) / c, np.float32(-1))
    return np.where(c > 0, first, np.float32(np.inf)), (-root - b) / c


def face_normals(solid: Solid) -> np.ndarray:
    """Return unit outward normals (K, n or 1, 3) float32 of the planes of a solid."""
    return _unit(solid.planes()[0])


def quadric_normals(solid: Solid, rays: CameraRays, met: Met) -> np.ndarray:
    """Return unit outward normals (m, 3) float32 where m rays meet the quadric of a solid."""
    if solid.shape.quadric is None:
        return np.zeros((0, 3), np.float32)
    points = rays.points(met.picture, met.ray, 1 / met.nearness)
    vectors = (_rows(solid.size), _rows(solid.position))
    size, position = (rows[np.minimum(met.picture, len(rows) - 1)] for rows in vectors)
    return _unit(np.asarray(solid.shape.quadric) * (points - position) / size**2)


def normals(solid: Solid, rays: CameraRays, met: Met) -> np.ndarray:
    """Return unit outward normals (m, 3) float32 where m rays meet a solid."""
    faces = face_normals(solid)
    quadric = len(faces)
    faces = np.concatenate([faces, np.zeros((1, *faces.shape[1:]), np.float32)])
    chosen = faces[met.surface, np.minimum(met.picture, faces.shape[1] - 1)]
    curved = np.flatnonzero(met.surface == quadric)
    chosen[curved] = quadric_normals(solid, rays, met.select(curved))
    return chosen


def nearest(solids: list[Solid], rays: CameraRays) -> tuple[np.ndarray, np.ndarray]:
    """Return nearness (n, P) of the first solid on each ray, 0 without, and normal (3, n, P)."""
    nearness = np.zeros(rays.shape, np.float32)
    normal = np.zeros((3, *rays.shape), np.float32)
    for solid in solids:
        other, surface = intersect(solid, rays)
        picture, ray = np.nonzero(other > nearness)
        met = Met(picture, ray, other[picture, ray], surface[picture, ray])
        nearness[picture, ray] = met.nearness
        normal[:, picture, ray] = normals(solid, rays, met).T
    return nearness, normal


def _unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def _rows(vectors: np.ndarray) -> np.ndarray:
    """Return (3,) or (n, 3) as (1 or n, 3)."""
    return np.atleast_2d(np.asarray(vectors, float))

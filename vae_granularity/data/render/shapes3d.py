"""A look-alike of 3D Shapes (Burgess and Kim, 2018): a solid in a room, drawn from its factors.

Camera, room, solids and lighting were measured on 50 frames of the official set.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from vae_granularity.data.render import palette, scene
from vae_granularity.data.render._checks import checked_factors
from vae_granularity.data.render.camera import look_at
from vae_granularity.data.render.rays import CameraRays, LightRays

NAMES = ("floor_hue", "wall_hue", "object_hue", "scale", "shape", "orientation")
SIZES = (10, 10, 10, 8, 4, 15)

_PIXELS = 64
_CUBE, _CYLINDER, _SPHERE, _CAPSULE = range(4)
_FLOOR, _WALL, _OBJECT, _SKY = range(4)
_SKY_COLOUR = (153, 226, 249)
_HIGHLIGHT = 29.0  # grey levels
_SOFT = 0.15  # how far its edge reaches, in parts of a normal

_AZIMUTH = np.deg2rad(np.linspace(-30.0, 30.0, SIZES[5]))
_TARGET = np.array([0.0, 0.0, 0.291])
_TAN_HALF_VIEW = 0.459
_ROOM, _WALL_HEIGHT = 1.2045, 0.745
_LIGHT = np.array([-0.25, 0.15, 0.96]) / np.linalg.norm([-0.25, 0.15, 0.96])
_SHADOW = 0.36


def render(factors: np.ndarray) -> np.ndarray:
    """Images of the given factors. The first call traces the 480 geometries, which are then kept.

    Args:
        factors: (n, 6) integers in the order of `NAMES`.

    Returns:
        (n, 64, 64, 3) uint8 RGB.

    Raises:
        ArgumentError: a factor is out of range, or `factors` is not (n, 6) integers.
    """
    floor, wall, solid, *geometry = checked_factors(factors, NAMES, SIZES).T
    surfaces, sky = _palettes()
    return palette.paint(
        _geometries()[tuple(geometry)],
        [surfaces[floor], surfaces[wall], surfaces[solid], sky[np.zeros_like(floor)]],
    )


@cache
def _palettes() -> tuple[np.ndarray, np.ndarray]:
    hues = np.arange(10)[:, None] / 10.0
    saturated = 255.0 * np.clip(
        np.abs((6.0 * hues + [[0.0, 4.0, 2.0]]) % 6.0 - 3.0) - 1.0, 0.0, 1.0
    )
    return palette.shades(saturated, _HIGHLIGHT), palette.shades(np.array([_SKY_COLOUR]))


@cache
def _geometries() -> np.ndarray:
    """(8, 4, 15, 64, 64) codes by scale, shape and orientation."""
    return np.stack(
        [
            [[_geometry(scale, shape, angle) for angle in _AZIMUTH] for shape in range(SIZES[4])]
            for scale in range(SIZES[3])
        ]
    )


def _geometry(scale: int, shape: int, angle: float) -> np.ndarray:
    """(64, 64) codes of one geometry."""
    camera = np.array([[np.sin(angle), -np.cos(angle), 0.304]])
    view = look_at(camera, _TARGET, _LIGHT, _TAN_HALF_VIEW, _PIXELS)
    rays, solids = view.rays(), _solids(shape, 0.75 + 0.5 * scale / (SIZES[3] - 1))

    nearness, normal = scene.nearest(solids, rays)
    room_material, room_distance, point = _room(rays)
    shaded = np.any(
        [scene.intersect(solid, LightRays(point, _LIGHT))[0] for solid in solids], axis=0
    )
    room_brightness = np.where(
        room_material == _FLOOR, np.where(shaded, _SHADOW, _floor_light(point)), _wall_light(point)
    )
    room_brightness = np.where(room_material == _SKY, 1.0, room_brightness)

    seen = nearness * room_distance > 1
    brightness = np.where(seen, _solid_light(normal), room_brightness)
    highlight = np.where(
        seen, 0.5 + (normal[2] - 0.2 * normal[0] + 0.1 * normal[1] - 0.025) / _SOFT, 0.0
    )
    return palette.encode(np.where(seen, _OBJECT, room_material), brightness, highlight).reshape(
        _PIXELS, _PIXELS
    )


def _solids(shape: int, factor: float) -> list[scene.Solid]:
    """The parts of the object that stands on z = 0."""
    radius = factor * {_CUBE: 0.138, _CYLINDER: 0.139, _SPHERE: 0.166, _CAPSULE: 0.126}[shape]
    canonical = {
        _CUBE: scene.BOX,
        _CYLINDER: scene.CYLINDER,
        _SPHERE: scene.SPHERE,
        _CAPSULE: scene.CYLINDER,
    }[shape]
    size = np.full(3, radius)
    if shape != _CAPSULE:
        return [scene.Solid(canonical, size, np.array([0.0, 0.0, radius]))]
    ends = [
        scene.Solid(scene.SPHERE, size, np.array([0.0, 0.0, height * radius])) for height in (1, 3)
    ]
    return [scene.Solid(canonical, size, np.array([0.0, 0.0, 2.0 * radius])), *ends]


def _room(rays: CameraRays) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Material (n, P), distance (n, P) and point (3, n, P) of the floor, the walls and, above them,
    the sky.
    """
    origin, way = (
        np.stack([part(axis[None]) for axis in np.eye(3)]) for part in (rays.start, rays.along)
    )
    with np.errstate(divide="ignore"):
        wall = np.minimum(
            *((_ROOM * np.sign(way[axis]) - origin[axis]) / way[axis] for axis in (0, 1))
        )
        floor = np.where(way[2] < 0, -origin[2] / way[2], np.inf)
    above = origin[2] + wall * way[2] > _WALL_HEIGHT
    material = np.where(floor < wall, _FLOOR, np.where(above, _SKY, _WALL))
    distance = np.minimum(floor, wall)
    return material, distance, origin + distance * way


def _floor_light(point: np.ndarray) -> np.ndarray:
    x, y, _ = point
    return 1.061 - 0.457 * x + 0.084 * y - 0.148 * x**2 + 0.223 * x * y - 0.309 * y**2


def _wall_light(point: np.ndarray) -> np.ndarray:
    x, y, _ = point
    side = np.where(x > 0, 0.967 - 0.744 * y + 0.461 * y**2, 0.683 + 0.564 * y - 0.494 * y**2)
    return np.where(np.abs(x) > _ROOM - 1e-3, side, 1.0)


def _solid_light(normal: np.ndarray) -> np.ndarray:
    """Brightness of the object's surface, least squares over the frames: a lamp above and a diffuse
    light from the front.
    """
    x, y, z = normal
    lamp = np.maximum(x * _LIGHT[0] + y * _LIGHT[1] + z * _LIGHT[2], 0.0)
    return 0.476 - 0.024 * x - 0.441 * y - 0.038 * z + 0.138 * x**2 - 0.119 * z**2 + 0.721 * lamp

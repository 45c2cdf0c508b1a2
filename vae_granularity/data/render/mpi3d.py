"""Stand-ins for MPI3D (Gondal et al., 2019): a dark room with an arm and a solid at its tip, drawn
from their factors.

Cameras, colours and sizes were read off frames of the three sample videos. It is the same task for
a model, not the same pictures.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from vae_granularity.data.render import scene
from vae_granularity.data.render._checks import checked_factors
from vae_granularity.data.render.camera import look_at
from vae_granularity.data.render.canvas import Canvas
from vae_granularity.data.render.mpi3d_looks import LOOKS, Look
from vae_granularity.errors import ArgumentError

NAMES = (
    "object_color",
    "object_shape",
    "object_size",
    "camera_height",
    "background_color",
    "horizontal_axis",
    "vertical_axis",
)
SIZES = (6, 6, 2, 3, 3, 40, 40)

_PIXELS = 64
_TAN_HALF_VIEW = 0.537
_ELEVATION = np.deg2rad([51.7, 39.8, 22.5])  # of the cameras: top, centre, bottom
_TARGET = np.array(
    [[0.0, 0.0, 0.250], [0.0, 0.0, 0.288], [0.0, 0.0, 0.335]]
)  # at distance 1 from each
_POSITION = _TARGET + np.stack([np.zeros(3), -np.cos(_ELEVATION), np.sin(_ELEVATION)], axis=1)
_LIGHT = np.array([-0.35, -0.45, 0.82])
_VIEW = look_at(_POSITION, _TARGET, _LIGHT, _TAN_HALF_VIEW, _PIXELS)

_RING = (0.92, 1.08)  # inner and outer radius
_FLOOR = 1.2  # radius of the floor, where the wall begins
_POST_HEIGHT, _POST_RADIUS = 0.38, 0.035
_ROD_LENGTH, _ROD_RADIUS = 0.23, 0.008
_HINGE = np.deg2rad(
    np.linspace(-80.0, 80.0, SIZES[5])
)  # short of 90 degrees, where one axis would hide the other
_SIZE = np.array([0.045, 0.07])

_CONE, _CUBE, _CYLINDER, _HEXAGON, _PYRAMID, _BALL = range(6)
_SHAPES = {  # canonical shape and its proportions; the shape's z points along the rod
    _CONE: (scene.pyramid(16), (1.0, 1.0, 1.1)),
    _CUBE: (scene.BOX, (0.85, 0.85, 0.85)),
    _CYLINDER: (scene.CYLINDER, (0.75, 0.75, 1.0)),
    _HEXAGON: (scene.prism(6), (1.0, 1.0, 0.6)),
    _PYRAMID: (scene.pyramid(4), (0.95, 0.95, 1.1)),
    _BALL: (scene.SPHERE, (0.9, 0.9, 0.9)),
}


def render(factors: np.ndarray, variant: str = "toy") -> np.ndarray:
    """Images of the given factors.

    Args:
        factors: (n, 7) integers in the order of `NAMES`.
        variant: look of the room: toy | realistic | real.

    Returns:
        (n, 64, 64, 3) uint8 RGB.

    Raises:
        ArgumentError: no such variant, a factor out of range, or `factors` is not (n, 7) integers.
    """
    if variant not in LOOKS:
        raise ArgumentError(f"variant must be one of {', '.join(LOOKS)}, got {variant!r}")
    factors = checked_factors(factors, NAMES, SIZES)
    look = LOOKS[variant]
    colour, shape, size, camera, background, horizontal, vertical = factors.T
    canvas = Canvas.on(_backgrounds(variant)[:, camera, background])
    joint, up = np.array([0.0, 0.0, _POST_HEIGHT]), np.array([0.0, 0.0, 1.0])
    view = _VIEW.select(camera).seen_from(joint, _arm_axes(_HINGE[horizontal], _HINGE[vertical]))

    rod = scene.Solid(
        scene.CYLINDER, np.array([_ROD_RADIUS, _ROD_RADIUS, _ROD_LENGTH / 2]), _ROD_LENGTH / 2 * up
    )
    canvas.paint(view, rod, look.rod)
    for kind, (canonical, proportions) in _SHAPES.items():
        rows = np.flatnonzero(shape == kind)
        half = _SIZE[size[rows], None] * np.array(proportions)
        solid = scene.Solid(canonical, half, (_ROD_LENGTH + half[:, 2:]) * up)
        canvas.paint(view.select(rows), solid, look.objects[colour[rows]], rows)
    return canvas.images


def _arm_axes(horizontal: np.ndarray, vertical: np.ndarray) -> np.ndarray:
    """(n, 3, 3) axes of the arm in the world, one a column: z, the rod, leans sideways by
    `horizontal` and then back by `vertical`.
    """
    (ch, sh), (cv, sv), zero = (
        (np.cos(horizontal), np.sin(horizontal)),
        (np.cos(vertical), np.sin(vertical)),
        np.zeros_like(vertical),
    )
    x = np.stack([ch, zero, -sh], axis=1)
    y = np.stack([-sh * sv, cv, -ch * sv], axis=1)
    z = np.stack([sh * cv, sv, ch * cv], axis=1)
    return np.stack([x, y, z], axis=2)


@cache
def _backgrounds(variant: str) -> np.ndarray:
    """(3 channels, 3 cameras, 3 background colours, 64, 64) uint8: room, ring and post, averaged
    over 3 x 3 rays a pixel.
    """
    look = LOOKS[variant]
    fine = 3 * _PIXELS
    view = look_at(_POSITION, _TARGET, _LIGHT, _TAN_HALF_VIEW, fine)
    rays = view.rays()
    origin, way = (
        np.stack([part(axis[None]) for axis in np.eye(3)]) for part in (rays.start, rays.along)
    )
    on_floor = way[2] < 0
    distance = -origin[2] / np.where(on_floor, way[2], -1.0)
    x, y = (np.where(on_floor, origin[axis] + distance * way[axis], 0.0) for axis in (0, 1))
    radius = np.where(on_floor, np.hypot(x, y), np.inf)
    parts = [scene.nearest([solid], rays) for solid in _post()]

    pictures = np.empty((3, 3, 3, fine * fine))  # camera, background colour, channel
    for background, ring in enumerate(look.rings):
        colour = np.where((radius < _FLOOR)[..., None], _floor_colour(look, y), look.wall)
        colour = np.where(((radius > _RING[0]) & (radius < _RING[1]))[..., None], ring, colour)
        nearest = np.zeros(radius.shape)
        for (nearness, normal), shade in zip(parts, (look.post, look.knob, look.foot), strict=True):
            lit = 0.5 + 0.5 * np.maximum(np.einsum("ni,inp->np", view.light, normal), 0.0)
            colour = np.where((nearness > nearest)[..., None], lit[..., None] * shade, colour)
            nearest = np.maximum(nearest, nearness)
        pictures[:, background] = np.moveaxis(colour, -1, 1)
    coarse = pictures.reshape(3, 3, 3, _PIXELS, 3, _PIXELS, 3).mean((4, 6))
    return np.rint(np.moveaxis(coarse, 2, 0)).astype(np.uint8, order="C")


def _post() -> list[scene.Solid]:
    """Post, knob and foot."""
    upright = np.array([_POST_RADIUS, _POST_RADIUS, _POST_HEIGHT / 2])
    return [
        scene.Solid(scene.CYLINDER, upright, np.array([0.0, 0.0, _POST_HEIGHT / 2])),
        scene.Solid(
            scene.SPHERE, np.full(3, 1.25 * _POST_RADIUS), np.array([0.0, 0.0, _POST_HEIGHT])
        ),
        scene.Solid(scene.CYLINDER, np.array([0.075, 0.075, 0.01]), np.array([0.0, 0.0, 0.01])),
    ]


def _floor_colour(look: Look, y: np.ndarray) -> np.ndarray:
    """(..., 3): brighter towards the camera, as far as the look says so."""
    return (1.0 - look.falloff * y)[..., None] * look.floor

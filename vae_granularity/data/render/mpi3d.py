"""Stand-ins for MPI3D (Gondal et al., 2019): a dark room with an arm and a solid at its tip.

Cameras, colours and sizes were read off frames of the three sample videos. It is the same task for
a model, not the same pictures.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from vae_granularity.data.factors import FactorSpace
from vae_granularity.data.render import scene
from vae_granularity.data.render.camera import look_at
from vae_granularity.data.render.canvas import Canvas
from vae_granularity.errors import choice

_OBJECT = ("object_color", "object_shape", "object_size")
_ROOM = ("camera_height", "background_color", "horizontal_axis", "vertical_axis")
FACTORS = FactorSpace((*_OBJECT, *_ROOM), (6, 6, 2, 3, 3, 40, 40))


@dataclass(frozen=True)
class Look:
    """Colours (..., 3) RGB in [0, 255], read off the videos."""

    objects: np.ndarray  # (6, 3) white, green, red, blue, brown, olive
    rings: np.ndarray  # (3, 3) purple, sea green, salmon
    floor: np.ndarray
    wall: np.ndarray
    post: np.ndarray
    knob: np.ndarray
    foot: np.ndarray
    rod: np.ndarray
    falloff: float  # part of its colour that the floor loses a unit of length from the camera


def _look(objects: str, rings: str, room: str, falloff: float) -> Look:
    """Return a look from hexadecimal colours; `room` is floor, wall, post, knob, foot, rod."""
    texts = (objects, rings, room)
    numbers = (np.frombuffer(bytes.fromhex(text), np.uint8).astype(float) for text in texts)
    object_colours, ring_colours, room_colours = (row.reshape(-1, 3) for row in numbers)
    return Look(object_colours, ring_colours, *room_colours, falloff=falloff)


LOOKS = {
    "toy": _look(
        "d7d7d7 28a028 dc0505 2a6edc 503023 7d7837",
        "644b8d 46605c 6e4c54",
        "343434 343434 696969 c8c8c8 b9b9b9 aaaaaa",
        falloff=0.0,
    ),
    "realistic": _look(
        "cdd4cd 3ca041 dc231e 3276c3 4b342a 696941",
        "615982 446253 625450",
        "323932 131713 212621 1e221d 3e483e 222621",
        falloff=0.08,
    ),
    "real": _look(
        "bed7cd 1ea52d cd2d32 416e96 423c3e 585f48",
        "545082 486a62 685458",
        "252e27 0c120e 0e140e 18201b 2a3632 1a201b",
        falloff=0.3,
    ),
}

_PIXELS = 64
_UP = np.array([0.0, 0.0, 1.0])
_TAN_HALF_VIEW = 0.537
_ELEVATION = np.deg2rad([51.7, 39.8, 22.5])  # of the cameras: top, centre, bottom
_TARGET = np.outer([0.250, 0.288, 0.335], [0.0, 0.0, 1.0])  # at distance 1 from each
_POSITION = _TARGET + np.stack([np.zeros(3), -np.cos(_ELEVATION), np.sin(_ELEVATION)], axis=1)
_LIGHT = np.array([-0.35, -0.45, 0.82])
_VIEW = look_at(_POSITION, _TARGET, _LIGHT, _TAN_HALF_VIEW, _PIXELS)

_RING = (0.92, 1.08)  # inner and outer radius
_FLOOR = 1.2  # radius of the floor, where the wall begins
_POST_HEIGHT = 0.38
_POST_RADIUS = 0.035
_ROD_LENGTH = 0.23
_ROD_RADIUS = 0.008
# Short of 90 degrees, where one axis would hide the other.
_HINGE = np.deg2rad(np.linspace(-80.0, 80.0, 40))
_SIZE = np.array([0.045, 0.07])

_SHAPES = (  # canonical shape and its proportions; the shape's z points along the rod
    (scene.pyramid(16), (1.0, 1.0, 1.1)),  # cone
    (scene.BOX, (0.85, 0.85, 0.85)),  # cube
    (scene.CYLINDER, (0.75, 0.75, 1.0)),
    (scene.prism(6), (1.0, 1.0, 0.6)),  # hexagon
    (scene.pyramid(4), (0.95, 0.95, 1.1)),
    (scene.SPHERE, (0.9, 0.9, 0.9)),
)


def render(factors: np.ndarray, variant: str = "toy") -> np.ndarray:
    """Return images (n, 64, 64, 3) uint8 RGB of the factors (n, 7), integers as in `FACTORS`.

    The look of the room is `variant`: toy | realistic | real.

    Raises:
        ArgumentError: no such variant, a factor out of range, or `factors` is not (n, 7) integers.
    """
    choice("variant", variant, tuple(LOOKS))
    factors = FACTORS.checked(factors)
    look = LOOKS[variant]
    colour, shape, size, camera, background, horizontal, vertical = factors.T
    canvas = Canvas.on(_backgrounds(variant)[:, camera, background])
    axes = _arm_axes(_HINGE[horizontal], _HINGE[vertical])
    view = _VIEW.select(camera).seen_from(_POST_HEIGHT * _UP, axes)

    canvas.paint(view, _upright(_ROD_RADIUS, _ROD_LENGTH), look.rod)
    for kind, (canonical, proportions) in enumerate(_SHAPES):
        rows = np.flatnonzero(shape == kind)
        half = _SIZE[size[rows], None] * np.array(proportions)
        solid = scene.Solid(canonical, half, (_ROD_LENGTH + half[:, 2:]) * _UP)
        canvas.paint(view.select(rows), solid, look.objects[colour[rows]], rows)
    return canvas.images


def _arm_axes(horizontal: np.ndarray, vertical: np.ndarray) -> np.ndarray:
    """Return the axes (n, 3, 3) of the arm as columns; z, the rod, leans sideways, then back."""
    ch = np.cos(horizontal)
    sh = np.sin(horizontal)
    cv = np.cos(vertical)
    sv = np.sin(vertical)
    x = [ch, np.zeros_like(vertical), -sh]
    y = [-sh * sv, cv, -ch * sv]
    z = [sh * cv, sv, ch * cv]
    return np.stack([np.stack(axis, axis=1) for axis in (x, y, z)], axis=2)


def _upright(radius: float, height: float) -> scene.Solid:
    """Return a cylinder that stands on z = 0."""
    return scene.Solid(scene.CYLINDER, np.array([radius, radius, height / 2]), height / 2 * _UP)


@cache
def _backgrounds(variant: str) -> np.ndarray:
    """Draw (3 channels, 3 cameras, 3 background colours, 64, 64) uint8: room, ring and post.

    They are averaged over 3 x 3 rays a pixel.
    """
    look = LOOKS[variant]
    fine = 3 * _PIXELS
    view = look_at(_POSITION, _TARGET, _LIGHT, _TAN_HALF_VIEW, fine)
    rays = view.rays()
    origin, direction = rays.coordinates()
    on_floor = direction[2] < 0
    distance = -origin[2] / np.where(on_floor, direction[2], -1.0)
    points = origin[:2] + distance * direction[:2]
    x, y = np.where(on_floor, points, 0.0)
    radius = np.where(on_floor, np.hypot(x, y), np.inf)
    floor = (1.0 - look.falloff * y)[..., None] * look.floor
    room = np.where((radius < _FLOOR)[..., None], floor, look.wall)
    on_ring = ((radius > _RING[0]) & (radius < _RING[1]))[..., None]
    knob = scene.Solid(scene.SPHERE, np.full(3, 1.25 * _POST_RADIUS), _POST_HEIGHT * _UP)
    post = (_upright(_POST_RADIUS, _POST_HEIGHT), knob, _upright(0.075, 0.02))
    post_surfaces = [scene.nearest([solid], rays) for solid in post]
    post_colours = (look.post, look.knob, look.foot)

    pictures = np.empty((3, 3, 3, fine * fine))  # camera, background colour, channel
    for background, ring in enumerate(look.rings):
        colour = np.where(on_ring, ring, room)
        nearest = np.zeros(radius.shape)
        for (nearness, normal), shade in zip(post_surfaces, post_colours, strict=True):
            lit = 0.5 + 0.5 * np.maximum(np.einsum("ni,inp->np", view.light, normal), 0.0)
            colour = np.where((nearness > nearest)[..., None], lit[..., None] * shade, colour)
            nearest = np.maximum(nearest, nearness)
        pictures[:, background] = np.moveaxis(colour, -1, 1)
    coarse = pictures.reshape(3, 3, 3, _PIXELS, 3, _PIXELS, 3).mean((4, 6))
    return np.rint(np.moveaxis(coarse, 2, 0)).astype(np.uint8, order="C")

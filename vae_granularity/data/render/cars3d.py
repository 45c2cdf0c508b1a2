"""Stand-ins for Cars3D (Reed et al., 2015): a parametric car on white, drawn from its factors.

Lengths: a car is about 1 long.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike

from vae_granularity.data.factors import FactorSpace
from vae_granularity.data.render import scene
from vae_granularity.data.render.camera import View, look_at
from vae_granularity.data.render.canvas import Canvas

NUM_TYPES = 183
FACTORS = FactorSpace(("elevation", "azimuth", "object_type"), (4, 24, NUM_TYPES))

_PIXELS = 64
_DISTANCE = 2.6
_TAN_HALF_VIEW = 0.265
_ELEVATION = np.deg2rad([4.0, 15.0, 26.0, 37.0])
_AZIMUTH = 2.0 * np.pi * np.arange(24) / 24
_LIGHT = np.array([0.35, 0.5, 1.0])

_BODY = scene.frustum(front=0.12, rear=0.08, side=0.1)
_SIDES = np.array([[0, 1, 0], [0, -1, 0]], np.float32)
_WHEEL = scene.Shape(_SIDES, np.ones(2, np.float32), (1.0, 0.0, 1.0))
_CORNERS = np.array([[1, 1, 1], [1, -1, 1], [-1, 1, 1], [-1, -1, 1]])
_GLASS = (70.0, 80.0, 95.0)
_TYRE = (45.0, 45.0, 48.0)
_HEADLIGHT = (250.0, 240.0, 200.0)
_TAIL_LIGHT = (210.0, 20.0, 20.0)

# Cabin of each style: how its walls lean (front, rear, side, as in `scene.frustum`), length as a
# part of the car's, height, and where its middle is (0 centre, positive to the front)
STYLES = {
    "saloon": ((0.75, 0.55, 0.35), 0.58, 0.14, -0.04),
    "hatchback": ((0.65, 0.2, 0.3), 0.66, 0.16, -0.13),
    "van": ((0.3, 0.04, 0.15), 0.84, 0.24, -0.05),
    "coupe": ((0.8, 0.95, 0.4), 0.60, 0.11, -0.08),
    "pickup": ((0.5, 0.15, 0.25), 0.38, 0.18, 0.10),
}


@dataclass(frozen=True)
class CarTypes:
    """One row for each of the 183 types."""

    style: np.ndarray  # (183,) number of the style, in the order of `STYLES`
    lean: np.ndarray  # (183, 3) of the cabin's walls: front, rear and side
    body: np.ndarray  # (183, 3) half length, width and height of the body
    cabin: np.ndarray  # (183, 3) half length, width and height of the cabin
    cabin_shift: np.ndarray  # (183,) of the cabin's middle along the car
    wheel: np.ndarray  # (183,) radius
    paint: np.ndarray  # (183, 3) RGB in [0, 255]
    roof: np.ndarray  # (183, 3) RGB: the paint, or on some cars grey or black


@cache
def car_types(seed: int = 183) -> CarTypes:
    """Draw the cars of a seed; neighbours in the list are far apart in hue."""
    rng = np.random.default_rng(seed)
    number = np.arange(NUM_TYPES)
    style = number % len(STYLES)
    low = np.array([0.42, 0.17, 0.065])
    high = np.array([0.52, 0.215, 0.10])
    body = low + (high - low) * rng.random((NUM_TYPES, 3))
    columns = zip(*STYLES.values(), strict=True)
    lean, length, height, shift = (np.array(column)[style] for column in columns)
    wide, tall = rng.uniform(0.9, 1.1, (NUM_TYPES, 2)).T
    cabin = np.stack([length * body[:, 0] * wide, 0.93 * body[:, 1], height / 2 * tall], axis=1)
    saturation = rng.uniform(0.15, 1.0, NUM_TYPES)[:, None]
    value = rng.uniform(0.35, 0.95, NUM_TYPES)[:, None]
    hue = number[:, None] * 0.6180339887 % 1.0  # the golden ratio
    full = np.clip(np.abs((6.0 * hue + [0.0, 4.0, 2.0]) % 6.0 - 3.0) - 1.0, 0.0, 1.0)
    paint = 255.0 * value * (1.0 - saturation * (1.0 - full))
    contrast = np.where(rng.random(NUM_TYPES) < 0.5, 165.0, 25.0)[:, None]
    roof = np.where((number % 5 == rng.integers(0, 5, NUM_TYPES))[:, None], contrast, paint)
    wheel = rng.uniform(0.075, 0.10, NUM_TYPES)
    return CarTypes(style, lean, body, cabin, shift * 2 * body[:, 0], wheel, paint, roof)


def render(factors: np.ndarray) -> np.ndarray:
    """Return images (n, 64, 64, 3) uint8 RGB of the factors (n, 3), integers as in `FACTORS`.

    >>> render(np.array([[1, 6, 20]])).shape
    (1, 64, 64, 3)

    Raises:
        ArgumentError: a factor is out of range, or `factors` is not (n, 3) integers.
    """
    elevation, azimuth, kind = FACTORS.checked(factors).T
    cars = car_types()
    canvas = Canvas.on(np.full((3, len(kind), _PIXELS, _PIXELS), 255, np.uint8))
    view = _views().select(elevation * len(_AZIMUTH) + azimuth)

    def paint(shape: scene.Shape, size: np.ndarray, x: ArrayLike, z: ArrayLike, colour: ArrayLike):
        position = np.stack(np.broadcast_arrays(x, 0.0, z), axis=1)
        canvas.paint(view, scene.Solid(shape, size, position), colour)

    body = cars.body[kind]
    cabin = cars.cabin[kind]
    front, rear, side = cars.lean[kind].T
    radius = cars.wheel[kind]
    middle = cars.cabin_shift[kind]
    # The body's underside is at the height of the axles.
    top = radius + 2 * body[:, 2]
    paint(_BODY, body, 0.0, radius + body[:, 2], cars.paint[kind])
    paint(scene.frustum(front, rear, side), cabin, middle, top + cabin[:, 2], _GLASS)
    # The roof is a slab on the part of the cabin's top that its leaning walls leave.
    roof = cabin * np.stack([1 - (front + rear) / 2, 1 - side, np.full(len(kind), 0.12)], axis=1)
    middle = middle + cabin[:, 0] * (rear - front) / 2
    paint(scene.BOX, roof, middle, top + 2 * cabin[:, 2], cars.roof[kind])

    wheel = np.stack([radius, np.full(len(kind), 0.03), radius], axis=1)
    axle = np.stack([0.6 * body[:, 0], body[:, 1] - 0.015, radius], axis=1)
    _paint_four(canvas, view, scene.Solid(_WHEEL, wheel, axle), (_TYRE, _TYRE))
    lamp = np.stack([np.full(len(kind), 0.01), 0.25 * body[:, 1], 0.3 * body[:, 2]], axis=1)
    front_left = np.stack([0.97 * body[:, 0], 0.65 * body[:, 1], radius + 1.2 * body[:, 2]], axis=1)
    _paint_four(canvas, view, scene.Solid(scene.BOX, lamp, front_left), (_HEADLIGHT, _TAIL_LIGHT))
    return canvas.images


def _paint_four(
    canvas: Canvas, view: View, solid: scene.Solid, colours: tuple[tuple[float, ...], ...]
) -> None:
    """Paint a solid at the front left and its three mirror images, in front and rear colours."""
    places = solid.position * _CORNERS[:, None]  # (4, n, 3)
    # The farthest first, as `paint` wants it.
    order = np.argsort(-((places - view.position) ** 2).sum(-1), axis=0)
    rows = np.tile(np.arange(places.shape[1]), 4)
    corner = order.ravel()
    four = scene.Solid(solid.shape, solid.size[rows], places[corner, rows])
    canvas.paint(view.select(rows), four, np.array(colours)[corner // 2], rows)


@cache
def _views() -> View:
    """Return the 4 * 24 views, azimuth fastest; at azimuth 0 the car faces the camera."""
    angles = np.meshgrid(_ELEVATION, _AZIMUTH, indexing="ij")
    elevation, azimuth = (angle.ravel() for angle in angles)
    flat = np.cos(elevation)
    away = np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation)], axis=1)
    target = np.array([0.0, 0.0, 0.17])
    return look_at(target + _DISTANCE * away, target, _LIGHT, _TAN_HALF_VIEW, _PIXELS)

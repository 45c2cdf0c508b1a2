"""Stand-ins for Cars3D (Reed et al., 2015): a parametric car in the middle of a white picture,
drawn from its factors.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from vae_granularity.data.render import scene
from vae_granularity.data.render._checks import checked_factors
from vae_granularity.data.render.camera import View, look_at
from vae_granularity.data.render.canvas import Canvas
from vae_granularity.data.render.car_types import NUM_TYPES, CarTypes, car_types

NAMES = ("elevation", "azimuth", "object_type")
SIZES = (4, 24, NUM_TYPES)

_PIXELS = 64
_DISTANCE, _TAN_HALF_VIEW = 2.6, 0.265
_ELEVATION = np.deg2rad([4.0, 15.0, 26.0, 37.0])
_AZIMUTH = 2.0 * np.pi * np.arange(SIZES[1]) / SIZES[1]
_LIGHT = np.array([0.35, 0.5, 1.0])

_BODY = scene.frustum(front=0.12, rear=0.08, side=0.1)
_WHEEL = scene.Shape(
    np.array([[0, 1, 0], [0, -1, 0]], np.float32), np.ones(2, np.float32), (1.0, 0.0, 1.0)
)
_CORNERS = np.array([[1, 1, 1], [1, -1, 1], [-1, 1, 1], [-1, -1, 1]])
_GLASS, _TYRE, _HEADLIGHT, _TAIL_LIGHT = (
    (70.0, 80.0, 95.0),
    (45.0, 45.0, 48.0),
    (250.0, 240.0, 200.0),
    (210.0, 20.0, 20.0),
)


def render(factors: np.ndarray) -> np.ndarray:
    """Images of the given factors.

    Args:
        factors: (n, 3) integers in the order of `NAMES`.

    Returns:
        (n, 64, 64, 3) uint8 RGB.

    Raises:
        ArgumentError: a factor is out of range, or `factors` is not (n, 3) integers.
    """
    factors = checked_factors(factors, NAMES, SIZES)
    elevation, azimuth, kind = factors.T
    cars = _cars()
    canvas = Canvas.on(np.full((3, len(kind), _PIXELS, _PIXELS), 255, np.uint8))
    view = _views().select(elevation * SIZES[1] + azimuth)

    body, cabin, (front, rear, side) = cars.body[kind], cars.cabin[kind], cars.lean[kind].T
    radius, middle = (
        cars.wheel[kind],
        cars.cabin_shift[kind],
    )  # the body's underside is at the height of the axles
    top = radius + 2 * body[:, 2]
    canvas.paint(view, scene.Solid(_BODY, body, _at(z=radius + body[:, 2])), cars.paint[kind])
    canvas.paint(
        view,
        scene.Solid(scene.frustum(front, rear, side), cabin, _at(x=middle, z=top + cabin[:, 2])),
        _GLASS,
    )
    # The roof is a slab on the part of the cabin's top that its leaning walls leave.
    roof = cabin * np.stack([1 - (front + rear) / 2, 1 - side, np.full(len(kind), 0.12)], axis=1)
    middle = middle + cabin[:, 0] * (rear - front) / 2
    canvas.paint(
        view, scene.Solid(scene.BOX, roof, _at(x=middle, z=top + 2 * cabin[:, 2])), cars.roof[kind]
    )

    wheel = np.stack([radius, np.full(len(kind), 0.03), radius], axis=1)
    axle = np.stack([0.6 * body[:, 0], body[:, 1] - 0.015, radius], axis=1)
    _paint_four(canvas, view, _WHEEL, wheel, axle, (_TYRE, _TYRE))
    lamp = np.stack([np.full(len(kind), 0.01), 0.25 * body[:, 1], 0.3 * body[:, 2]], axis=1)
    place = np.stack([0.97 * body[:, 0], 0.65 * body[:, 1], radius + 1.2 * body[:, 2]], axis=1)
    _paint_four(canvas, view, scene.BOX, lamp, place, (_HEADLIGHT, _TAIL_LIGHT))
    return canvas.images


def _paint_four(
    canvas: Canvas,
    view: View,
    shape: scene.Shape,
    size: np.ndarray,
    place: np.ndarray,
    colours: tuple[tuple[float, ...], ...],
) -> None:
    """One at the front left `place` (n, 3) and its three mirror images, in the colours of those in
    front and of those behind.
    """
    count = len(place)
    places = place * _CORNERS[:, None]  # (4, n, 3)
    order = np.argsort(
        -((places - view.position) ** 2).sum(-1), axis=0
    )  # the farthest first, as `paint` wants it
    rows, corner = np.tile(np.arange(count), 4), order.ravel()
    solid = scene.Solid(shape, size[rows], places[corner, rows])
    canvas.paint(view.select(rows), solid, np.array(colours)[corner // 2], rows)


def _at(z: np.ndarray, x: np.ndarray | float = 0.0, y: np.ndarray | float = 0.0) -> np.ndarray:
    return np.stack([np.broadcast_to(x, z.shape), np.broadcast_to(y, z.shape), z], axis=1)


@cache
def _cars() -> CarTypes:
    return car_types()


@cache
def _views() -> View:
    """The 4 * 24 views, azimuth fastest; at azimuth 0 the car faces the camera."""
    elevation, azimuth = (
        angle.ravel() for angle in np.meshgrid(_ELEVATION, _AZIMUTH, indexing="ij")
    )
    away = np.stack(
        [
            np.cos(elevation) * np.cos(azimuth),
            np.cos(elevation) * np.sin(azimuth),
            np.sin(elevation),
        ],
        axis=1,
    )
    target = np.array([0.0, 0.0, 0.17])
    return look_at(target + _DISTANCE * away, target, _LIGHT, _TAN_HALF_VIEW, _PIXELS)

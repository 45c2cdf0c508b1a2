"""The 183 cars of the Cars3D stand-in: seeded proportions, colours and body styles. Lengths: a car
is about 1 long.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

NUM_TYPES = 183

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
    """One row for each of the 183 types.

    Args:
        style: (183,) number of the style, in the order of `STYLES`.
        lean: (183, 3) of the cabin's walls: front, rear and side.
        body: (183, 3) half length, width and height of the body.
        cabin: (183, 3) half length, width and height of the cabin.
        cabin_shift: (183,) of the cabin's middle along the car.
        wheel: (183,) radius.
        paint: (183, 3) RGB in [0, 255].
        roof: (183, 3) RGB of the roof: the paint, or on some cars grey or black.
    """

    style: np.ndarray
    lean: np.ndarray
    body: np.ndarray
    cabin: np.ndarray
    cabin_shift: np.ndarray
    wheel: np.ndarray
    paint: np.ndarray
    roof: np.ndarray


def car_types(seed: int = 183) -> CarTypes:
    """The same cars for the same seed. Hues follow the golden ratio, so that neighbours in the list
    are far apart in colour.
    """
    rng = np.random.default_rng(seed)
    number = np.arange(NUM_TYPES)
    style = number % len(STYLES)
    low, high = np.array([0.42, 0.17, 0.065]), np.array([0.52, 0.215, 0.10])
    body = low + (high - low) * rng.random((NUM_TYPES, 3))
    lean, length, height, shift = (
        np.array(column)[style] for column in zip(*STYLES.values(), strict=True)
    )
    spread = rng.uniform(0.9, 1.1, (NUM_TYPES, 2))
    cabin = np.stack(
        [length * body[:, 0] * spread[:, 0], 0.93 * body[:, 1], height / 2 * spread[:, 1]], axis=1
    )
    hue, saturation, value = (
        number * 0.6180339887 % 1.0,
        rng.uniform(0.15, 1.0, NUM_TYPES),
        rng.uniform(0.35, 0.95, NUM_TYPES),
    )
    full = np.clip(np.abs((6.0 * hue[:, None] + [0.0, 4.0, 2.0]) % 6.0 - 3.0) - 1.0, 0.0, 1.0)
    paint = 255.0 * value[:, None] * (1.0 - saturation[:, None] * (1.0 - full))
    contrast = np.where(rng.random(NUM_TYPES) < 0.5, 165.0, 25.0)[:, None]
    roof = np.where((number % 5 == rng.integers(0, 5, NUM_TYPES))[:, None], contrast, paint)
    return CarTypes(
        style,
        lean,
        body,
        cabin,
        shift * 2 * body[:, 0],
        rng.uniform(0.075, 0.10, NUM_TYPES),
        paint,
        roof,
    )

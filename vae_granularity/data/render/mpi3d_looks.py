"""The three looks of MPI3D as colours, read off frames of the sample videos."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Look:
    """RGB in [0, 255]: objects (6, 3) in the order white, green, red, blue, brown, olive; rings (3,
    3): purple, sea green, salmon.

    `falloff` darkens the floor away from the camera, as a part of its colour a unit of length.
    """

    objects: np.ndarray
    rings: np.ndarray
    floor: np.ndarray
    wall: np.ndarray
    post: np.ndarray
    knob: np.ndarray
    foot: np.ndarray
    rod: np.ndarray
    falloff: float


def _look(falloff: float, **colours: list[tuple[int, int, int]] | tuple[int, int, int]) -> Look:
    return Look(
        falloff=falloff, **{name: np.array(value, float) for name, value in colours.items()}
    )


LOOKS = {
    "toy": _look(
        objects=[
            (215, 215, 215),
            (40, 160, 40),
            (220, 5, 5),
            (42, 110, 220),
            (80, 48, 35),
            (125, 120, 55),
        ],
        rings=[(100, 75, 141), (70, 96, 92), (110, 76, 84)],
        floor=(52, 52, 52),
        wall=(52, 52, 52),
        post=(105, 105, 105),
        knob=(200, 200, 200),
        foot=(185, 185, 185),
        rod=(170, 170, 170),
        falloff=0.0,
    ),
    "realistic": _look(
        objects=[
            (205, 212, 205),
            (60, 160, 65),
            (220, 35, 30),
            (50, 118, 195),
            (75, 52, 42),
            (105, 105, 65),
        ],
        rings=[(97, 89, 130), (68, 98, 83), (98, 84, 80)],
        floor=(50, 57, 50),
        wall=(19, 23, 19),
        post=(33, 38, 33),
        knob=(30, 34, 29),
        foot=(62, 72, 62),
        rod=(34, 38, 33),
        falloff=0.08,
    ),
    "real": _look(
        objects=[
            (190, 215, 205),
            (30, 165, 45),
            (205, 45, 50),
            (65, 110, 150),
            (66, 60, 62),
            (88, 95, 72),
        ],
        rings=[(84, 80, 130), (72, 106, 98), (104, 84, 88)],
        floor=(37, 46, 39),
        wall=(12, 18, 14),
        post=(14, 20, 14),
        knob=(24, 32, 27),
        foot=(42, 54, 50),
        rod=(26, 32, 27),
        falloff=0.3,
    ),
}

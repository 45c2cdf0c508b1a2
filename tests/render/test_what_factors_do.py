"""Each factor changes its own part of the picture and no other."""

from __future__ import annotations

import numpy as np
import pytest

from vae_granularity.data.render import cars3d, mpi3d, shapes3d
from vae_granularity.data.render.camera import View
from vae_granularity.data.render.cars3d import NUM_TYPES, car_types


def changed(render, base: list[int], column: int, value: int) -> np.ndarray:
    """(64, 64) bool, where the picture differs after one factor has moved."""
    moved = list(base)
    moved[column] = value
    before, after = render(np.array([base, moved]))
    return (before != after).any(-1)


def test_shapes3d_hues_colour_disjoint_surfaces_that_fill_the_room_below_the_sky() -> None:
    base = [0, 3, 6, 4, 2, 7]
    floor, wall, solid = (
        changed(shapes3d.render, base, column, base[column] + 2) for column in range(3)
    )
    assert not np.any((floor & wall) | (floor & solid) | (wall & solid))
    image = shapes3d.render(np.array([base]))[0]
    sky = (image == (153, 226, 249)).all(-1)
    assert np.all(floor | wall | solid | sky)
    assert sky[0].all()
    assert floor[-1].all()


def test_shapes3d_scale_grows_the_object() -> None:
    def area(scale: int) -> int:
        return int(changed(shapes3d.render, [0, 3, 6, scale, 0, 7], 2, 8).sum())

    assert np.all(np.diff([area(scale) for scale in range(8)]) > 0)


@pytest.mark.parametrize("horizontal, vertical", [(20, 20), (0, 39), (35, 5)])
def test_mpi3d_colours_are_those_of_the_object_and_of_the_ring(
    horizontal: int, vertical: int
) -> None:
    base = [2, 1, 1, 1, 0, horizontal, vertical]
    thing = changed(mpi3d.render, base, 0, 3)
    assert 20 < thing.sum() < 300
    ring = changed(mpi3d.render, base, 4, 1)
    assert 100 < ring.sum() < 600
    assert not np.any(thing & ring)


def test_mpi3d_axes_move_the_object_sideways_and_in_depth() -> None:
    def place(horizontal: int, vertical: int) -> tuple[float, float]:
        rows, columns = np.nonzero(
            changed(mpi3d.render, [2, 5, 1, 1, 0, horizontal, vertical], 0, 3)
        )
        return float(columns.mean()), float(len(rows))

    left, middle, right = (place(h, 20)[0] for h in (5, 20, 35))
    assert left < middle - 5 < middle + 5 < right
    assert (
        place(20, 5)[1] > place(20, 20)[1] > place(20, 35)[1]
    )  # leaning towards the camera: larger


def test_cars3d_is_a_car_in_the_middle_of_white() -> None:
    rng = np.random.default_rng(0)
    images = cars3d.render(
        np.stack([rng.integers(0, size, 100) for size in cars3d.FACTORS.sizes], axis=1)
    )
    car = (images != 255).any(-1)
    assert not car[:, [0, -1]].any()
    assert not car[:, :, [0, -1]].any()
    rows, columns = (np.array([np.nonzero(mask)[axis].mean() for mask in car]) for axis in (0, 1))
    assert np.abs(rows - 31.5).max() < 8
    assert np.abs(columns - 31.5).max() < 8


def test_cars3d_seen_from_the_left_is_the_mirror_of_the_right_in_outline() -> None:
    """Azimuth k and -k: the car is symmetric, only the light is not."""
    turns = np.arange(1, 12)
    left, right = (
        np.stack([0 * turns + 2, azimuth, 0 * turns + 7], axis=1) for azimuth in (turns, 24 - turns)
    )
    outlines = [(cars3d.render(factors) != 255).any(-1) for factors in (left, right)]
    assert (outlines[0] != outlines[1][:, :, ::-1]).mean() < 0.002


def test_the_183_cars_can_be_told_apart() -> None:
    """Mean absolute difference of the closest two, in grey levels over the pixels of a car, seen
    from the side.
    """
    number = np.arange(NUM_TYPES)
    images = cars3d.render(np.stack([0 * number + 1, 0 * number + 3, number], axis=1)).astype(float)
    pixels = (images != 255).any(-1).sum((1, 2)).min()
    flat = images.reshape(NUM_TYPES, -1).astype(np.float32)
    closest = min(np.abs(flat[k + 1 :] - flat[k]).sum(1).min() for k in range(NUM_TYPES - 1))
    assert closest / (3 * pixels) > 5
    assert len(np.unique(car_types().style)) == 5


@pytest.mark.parametrize("module", [mpi3d, cars3d])
def test_windows_cut_nothing_off(module, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tracing only a window around each solid draws the same as tracing the whole picture."""
    rng = np.random.default_rng(0)
    factors = np.stack([rng.integers(0, size, 300) for size in module.FACTORS.sizes], axis=1)
    windowed = module.render(factors)
    monkeypatch.setattr(
        View, "window_around", lambda self, points: (np.zeros((len(points), 2), np.int64), (64, 64))
    )
    assert np.array_equal(module.render(factors), windowed)

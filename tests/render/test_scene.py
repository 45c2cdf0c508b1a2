"""The ray caster against closed forms and against points tried along the rays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vae_granularity.data.render import scene
from vae_granularity.data.render.camera import look_at

SHAPES = {
    "box": scene.BOX,
    "hexagonal prism": scene.prism(6),
    "cone": scene.pyramid(16),
    "pyramid": scene.pyramid(4),
    "frustum": scene.frustum(0.5, 0.2, 0.3),
    "sphere": scene.SPHERE,
    "cylinder": scene.CYLINDER,
}


def inside(shape: scene.Shape, points: np.ndarray) -> np.ndarray:
    """Whether points (..., 3) in the shape's own frame are inside it, straight from the definition."""
    faces = np.all(points @ shape.normals.T <= shape.offsets + 1e-6, axis=-1)
    return faces if shape.quadric is None else faces & (points**2 @ np.array(shape.quadric) <= 1 + 1e-6)


def rays_at(seed: int, count: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """An origin (3, 1, 1) at distance 4 and directions (3, 1, count), most of them towards the unit ball."""
    rng = np.random.default_rng(seed)
    origin = rng.standard_normal(3)
    origin *= 4.0 / np.linalg.norm(origin)
    targets = rng.uniform(-1.3, 1.3, (count, 3))
    return origin.astype(np.float32)[:, None, None], (targets - origin).T.astype(np.float32)[:, None, :]


@settings(deadline=None, max_examples=40)
@given(name=st.sampled_from(sorted(SHAPES)), seed=st.integers(0, 10**6))
def test_rays_meet_a_shape_where_points_along_them_begin_to_be_inside(name: str, seed: int) -> None:
    shape = SHAPES[name]
    origin, rays = rays_at(seed)
    distance, _ = scene.intersect(scene.Solid(shape, np.ones(3), np.zeros(3)), origin, rays)
    steps = np.linspace(0.0, 2.5, 2501)
    tried = inside(shape, origin[:, 0].T[:, None] + steps[None, :, None] * rays[:, 0].T[:, None, :])  # (rays, steps)
    first = np.where(tried.any(1), steps[tried.argmax(1)], np.inf)
    met = np.isfinite(distance[0])
    grazing = tried.sum(1) < 5  # a stretch of a few steps may fall between them
    assert np.all((met == tried.any(1)) | grazing)
    both = met & tried.any(1)
    assert distance[0][both] == pytest.approx(first[both], abs=3e-3)


@settings(deadline=None, max_examples=40)
@given(name=st.sampled_from(sorted(SHAPES)), seed=st.integers(0, 10**6))
def test_normals_are_unit_vectors_against_the_ray_and_out_of_the_solid(name: str, seed: int) -> None:
    shape, size, position = SHAPES[name], np.array([0.9, 0.6, 1.1]), np.array([0.1, -0.2, 0.3])
    origin, rays = rays_at(seed)
    solid = scene.Solid(shape, size, position)
    distance, surface = scene.intersect(solid, origin, rays)
    picture, ray = np.nonzero(np.isfinite(distance))
    normal = scene.normals(solid, origin, rays, distance, surface, picture, ray)
    assert np.linalg.norm(normal, axis=1) == pytest.approx(np.ones(len(ray)), abs=1e-5)
    assert np.all(np.einsum("mi,im->m", normal, rays[:, 0, ray]) < 1e-4)
    point = (origin[:, 0] + distance[0, ray] * rays[:, 0, ray]).T
    assert not np.any(inside(shape, (point + 1e-2 * normal - position) / size))


def test_sphere_is_met_at_the_closed_form_distance() -> None:
    origin = np.array([0.0, -5.0, 0.0], np.float32)[:, None, None]
    rays = np.array([[0.0, 1.0, 0.0], [0.1, 1.0, 0.0], [0.0, 1.0, 0.3], [0.0, -1.0, 0.0]], np.float32).T[:, None, :]
    distance, _ = scene.intersect(scene.Solid(scene.SPHERE, np.ones(3), np.zeros(3)), origin, rays)
    a, b, c = (rays[:, 0] ** 2).sum(0), -5.0 * rays[1, 0], 24.0
    expected = (-b - np.sqrt(np.maximum(b * b - a * c, 0))) / a
    assert distance[0, :2] == pytest.approx(expected[:2], rel=1e-5)
    assert np.isinf(distance[0, 2:]).all()  # one passes by, one looks away


def test_solids_may_differ_from_picture_to_picture() -> None:
    sizes, positions = np.array([[1.0, 1, 1], [2, 2, 2]]), np.array([[0.0, 0, 0], [0, 1, 0]])
    origin = np.array([0.0, -5.0, 0.0], np.float32)[:, None, None]
    ray = np.array([0.0, 1.0, 0.0], np.float32)[:, None, None].repeat(2, axis=1)
    distance, _ = scene.intersect(scene.Solid(scene.BOX, sizes, positions), origin.repeat(2, axis=1), ray)
    assert distance[:, 0] == pytest.approx([4.0, 4.0])


def test_nearest_is_the_front_one_of_two_solids() -> None:
    view = look_at(np.array([[0.0, -5.0, 0.0]]), np.zeros(3), np.array([0.0, 0, 1]), 0.3, 16)
    near, far = (scene.Solid(scene.SPHERE, np.ones(3), np.array([0.0, y, 0.0])) for y in (-1.0, 2.0))
    both, _ = scene.nearest([far, near], view.origin, view.rays())
    alone, _ = scene.nearest([near], view.origin, view.rays())
    hidden = np.isfinite(alone)
    assert hidden.any()
    assert np.array_equal(both[hidden], alone[hidden])


def test_a_camera_sees_right_on_the_right_and_up_above() -> None:
    view = look_at(np.array([[0.0, -5.0, 0.0]]), np.zeros(3), np.array([0.0, 0, 1]), 0.5, 32)
    for centre, (column, row) in (([1.0, 0, 0], (22, 16)), ([0, 0, 1.0], (16, 9))):
        distance, _ = scene.intersect(scene.Solid(scene.SPHERE, np.full(3, 0.3), np.array(centre)), view.origin, view.rays())
        rows, columns = np.nonzero(np.isfinite(distance).reshape(32, 32))
        assert (columns.mean() + 0.5, rows.mean() + 0.5) == pytest.approx((column + 0.4 * (column > 16), row + 0.6 * (row < 16)), abs=0.5)


def test_a_window_of_a_picture_holds_the_rays_of_the_whole() -> None:
    view = look_at(np.array([[0.0, -5.0, 1.0], [3.0, -4.0, 2.0]]), np.zeros(3), np.array([0.0, 0, 1]), 0.5, 32)
    centre = np.array([[0.5, 0.0, 0.2], [0.0, 0.3, 0.0]])
    corner = view.window_corner(centre, (10, 6))
    whole = view.rays().reshape(3, 2, 32, 32)
    for picture, (column, row) in enumerate(corner):
        part = whole[:, picture, row : row + 6, column : column + 10].reshape(3, -1)
        assert view.window_rays(corner, (10, 6))[:, picture] == pytest.approx(part, abs=1e-6)

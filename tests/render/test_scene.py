"""The ray caster against closed forms and against points tried along the rays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vae_granularity.data.render import scene
from vae_granularity.data.render.camera import CameraRays, LightRays, look_at

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
    """Whether points (..., 3) in the shape's own frame are inside it, straight from the
    definition.
    """
    faces = np.all(points @ shape.normals.T <= shape.offsets + 1e-6, axis=-1)
    return (
        faces
        if shape.quadric is None
        else faces & (points**2 @ np.array(shape.quadric) <= 1 + 1e-6)
    )


def distances(
    shape: scene.Shape, rays: CameraRays | LightRays, *, size: object = 1.0, position: object = 0.0
) -> np.ndarray:
    """Distances (n, P) at which rays meet a solid, inf where they do not."""
    solid = scene.Solid(shape, np.broadcast_to(size, (3,)), np.broadcast_to(position, (3,)))
    nearness, _ = scene.intersect(solid, rays)
    return np.divide(1, nearness, out=np.full_like(nearness, np.inf), where=nearness > 0)


def rays_at(seed: int, pixels: int = 14) -> tuple[CameraRays, np.ndarray, np.ndarray]:
    """Rays from a camera at distance 4 that looks at a ball about the origin; their origin (3,) and
    directions (P, 3).
    """
    position = np.random.default_rng(seed).standard_normal((1, 3))
    position *= 4.0 / np.linalg.norm(position)
    rays = look_at(position, np.zeros(3), np.ones(3), 0.42, pixels).rays()
    return rays, position[0], np.stack([rays.along(axis[None])[0] for axis in np.eye(3)], axis=1)


@settings(deadline=None, max_examples=40)
@given(name=st.sampled_from(sorted(SHAPES)), seed=st.integers(0, 10**6))
def test_rays_meet_a_shape_where_points_along_them_begin_to_be_inside(name: str, seed: int) -> None:
    shape = SHAPES[name]
    rays, origin, directions = rays_at(seed)
    distance = distances(shape, rays)
    steps = np.linspace(1.5, 6.5, 1251)
    tried = inside(shape, origin + steps[None, :, None] * directions[:, None, :])  # (rays, steps)
    first = np.where(tried.any(1), steps[tried.argmax(1)], np.inf)
    met = np.isfinite(distance[0])
    grazing = tried.sum(1) < 5  # a stretch of a few steps may fall between them
    assert np.all((met == tried.any(1)) | grazing)
    both = met & tried.any(1)
    assert distance[0][both] == pytest.approx(first[both], abs=5e-3)


@settings(deadline=None, max_examples=40)
@given(name=st.sampled_from(sorted(SHAPES)), seed=st.integers(0, 10**6))
def test_normals_are_unit_vectors_against_the_ray_and_out_of_the_solid(
    name: str, seed: int
) -> None:
    shape, size, position = SHAPES[name], np.array([0.9, 0.6, 1.1]), np.array([0.1, -0.2, 0.3])
    rays, _, directions = rays_at(seed)
    solid = scene.Solid(shape, size, position)
    nearness, surface = scene.intersect(solid, rays)
    picture, ray = np.nonzero(nearness)
    reached = nearness[picture, ray]
    normal = scene.normals(solid, rays, scene.Met(picture, ray, reached, surface[picture, ray]))
    assert np.linalg.norm(normal, axis=1) == pytest.approx(np.ones(len(ray)), abs=1e-5)
    assert np.all((normal * directions[ray]).sum(1) < 1e-4)
    point = rays.points(picture, ray, 1 / reached)
    assert not np.any(inside(shape, (point + 1e-2 * normal - position) / size))


def test_sphere_is_met_at_the_closed_form_distance() -> None:
    rays, origin, directions = rays_at(0)
    distance = distances(scene.SPHERE, rays)
    a, b, c = (directions**2).sum(1), directions @ origin, origin @ origin - 1.0
    discriminant = b * b - a * c
    expected = np.where(discriminant > 0, (-b - np.sqrt(np.maximum(discriminant, 0))) / a, np.inf)
    assert distance[0] == pytest.approx(expected, rel=1e-3)
    assert 0 < np.isfinite(expected).sum() < len(expected)


def test_nothing_is_met_behind_the_camera() -> None:
    view = look_at(np.array([[0.0, -5.0, 0.0]]), np.array([0.0, -9.0, 0.0]), np.ones(3), 0.5, 8)
    for shape in SHAPES.values():
        assert np.isinf(distances(shape, view.rays())).all()


def test_solids_may_differ_from_picture_to_picture() -> None:
    sizes, positions = np.array([[1.0, 1, 1], [2, 2, 2]]), np.array([[0.0, 0, 0], [0, 1, 0]])
    view = look_at(np.array([[0.0, -5.0, 0.0]] * 2), np.zeros(3), np.ones(3), 0.01, 1)
    nearness, _ = scene.intersect(scene.Solid(scene.BOX, sizes, positions), view.rays())
    assert nearness[:, 0] == pytest.approx([1 / 4, 1 / 4])


def test_shapes_may_differ_from_picture_to_picture() -> None:
    leans = np.array([[0.5, 0.2, 0.3], [0.1, 0.9, 0.0]])
    view = look_at(np.array([[3.0, -4.0, 2.0], [-4.0, 1.0, 1.0]]), np.zeros(3), np.ones(3), 0.4, 16)
    together, surfaces = scene.intersect(
        scene.Solid(scene.frustum(*leans.T), np.ones(3), np.zeros(3)), view.rays()
    )
    for row, lean in enumerate(leans):
        alone, surface = scene.intersect(
            scene.Solid(scene.frustum(*lean), np.ones(3), np.zeros(3)),
            view.select(np.array([row])).rays(),
        )
        np.testing.assert_array_equal(together[row], alone[0])
        np.testing.assert_array_equal(surfaces[row], surface[0])


@pytest.mark.parametrize("name", SHAPES)
def test_rays_towards_a_lamp_find_what_stands_between(name: str) -> None:
    """From points below the shape straight up: shaded where the shape has anything above them."""
    shape, rng = SHAPES[name], np.random.default_rng(0)
    points = np.concatenate([rng.uniform(-1.5, 1.5, (200, 2)), np.full((200, 1), -3.0)], axis=1)
    rays = LightRays(points.T[:, None], np.array([0.0, 0.0, 1.0]))
    met = np.isfinite(distances(shape, rays)[0])
    above = points[:, None, :] + np.linspace(2.0, 4.0, 81)[None, :, None] * np.array([0.0, 0, 1])
    assert np.array_equal(met, inside(shape, above).any(1))
    assert 0 < met.sum() < 200


def test_nearest_is_the_front_one_of_two_solids() -> None:
    view = look_at(np.array([[0.0, -5.0, 0.0]]), np.zeros(3), np.array([0.0, 0, 1]), 0.3, 16)
    near, far = (
        scene.Solid(scene.SPHERE, np.ones(3), np.array([0.0, y, 0.0])) for y in (-1.0, 2.0)
    )
    both, _ = scene.nearest([far, near], view.rays())
    alone, _ = scene.nearest([near], view.rays())
    hidden = alone > 0
    assert hidden.any()
    assert np.array_equal(both[hidden], alone[hidden])


def test_a_camera_sees_right_on_the_right_and_up_above() -> None:
    view = look_at(np.array([[0.0, -5.0, 0.0]]), np.zeros(3), np.array([0.0, 0, 1]), 0.5, 32)
    for centre, (column, row) in (([1.0, 0, 0], (22, 16)), ([0, 0, 1.0], (16, 9))):
        distance = distances(scene.SPHERE, view.rays(), size=0.3, position=centre)
        rows, columns = np.nonzero(np.isfinite(distance).reshape(32, 32))
        assert (columns.mean() + 0.5, rows.mean() + 0.5) == pytest.approx(
            (column + 0.4 * (column > 16), row + 0.6 * (row < 16)), abs=0.5
        )


def test_a_window_around_points_holds_them_and_its_rays_are_those_of_the_whole() -> None:
    view = look_at(
        np.array([[0.0, -5.0, 1.0], [3.0, -4.0, 2.0]]), np.zeros(3), np.array([0.0, 0, 1]), 0.5, 32
    )
    points = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 8, 3))
    corner, (width, height) = view.window_around(points)
    inside_window = view.window_rays(corner, (width, height))
    for axis in np.eye(3):
        whole, part = (rays.along(axis[None]) for rays in (view.rays(), inside_window))
        for picture, (column, row) in enumerate(corner):
            cut = whole[picture].reshape(32, 32)[row : row + height, column : column + width]
            assert part[picture].reshape(height, width) == pytest.approx(cut, abs=1e-6)
    balls = [scene.Solid(scene.SPHERE, np.full(3, 0.05), points[:, k]) for k in range(8)]
    for ball in balls:
        seen_in_window, seen = (
            (scene.intersect(ball, rays)[0] > 0).sum(1) for rays in (inside_window, view.rays())
        )
        assert np.all(
            seen_in_window >= seen - 2
        )  # a ball's edge may reach out of the window around its middle


def test_every_shape_lies_within_the_cube_that_windows_are_made_for() -> None:
    points = np.random.default_rng(0).uniform(-1.5, 1.5, (20_000, 3))
    for shape in SHAPES.values():
        assert np.abs(points[inside(shape, points)]).max() <= 1.0 + 1e-5

"""A look-alike of 3D Shapes (Burgess and Kim, 2018): a solid in a room, drawn from its factors.

Camera, room, solids and lighting were measured on 50 frames of the official set. Pictures are codes
into a palette: the geometry is traced once, and every colouring of it is one gather.
"""

from functools import cache
from itertools import product

import numpy as np

from vae_granularity.data.factors import FactorSpace
from vae_granularity.data.render import scene
from vae_granularity.data.render.camera import CameraRays, LightRays, look_at

FACTORS = FactorSpace(
    ("floor_hue", "wall_hue", "object_hue", "scale", "shape", "orientation"), (10, 10, 10, 8, 4, 15)
)

_PIXELS = 64
_CAPSULE = 3  # of cube, cylinder, sphere, capsule
_FLOOR, _WALL, _OBJECT, _SKY = range(4)
_SKY_COLOUR = (153, 226, 249)
_HIGHLIGHT = 29.0  # grey levels
_SOFT = 0.15  # how far its edge reaches, in parts of a normal

_AZIMUTH = np.deg2rad(np.linspace(-30.0, 30.0, 15))
_TARGET = np.array([0.0, 0.0, 0.291])
_TAN_HALF_VIEW = 0.459
_ROOM = 1.2045
_WALL_HEIGHT = 0.745
_LIGHT = np.array([-0.25, 0.15, 0.96]) / np.linalg.norm([-0.25, 0.15, 0.96])
_SHADOW = 0.36


_LEVELS = 256
_HIGHLIGHTS = 4  # steps from no highlight to all of it
_BRIGHTEST = 1.5


def render(factors: np.ndarray) -> np.ndarray:
    """Return images (n, 64, 64, 3) uint8 RGB of the factors (n, 6), integers as in `FACTORS`.

    The first call traces the 480 geometries, which are then kept.

    Raises:
        ArgumentError: a factor is out of range, or `factors` is not (n, 6) integers.
    """
    floor, wall, solid, *geometry = FACTORS.checked(factors).T
    surfaces, sky = _palettes()
    palettes = [surfaces[floor], surfaces[wall], surfaces[solid], sky[np.zeros_like(floor)]]
    return _paint(_geometries()[tuple(geometry)], palettes)


def _encode(material: np.ndarray, brightness: np.ndarray, highlight: np.ndarray) -> np.ndarray:
    """Return a uint16 code a pixel: number of the surface, brightness, share of its highlight."""
    level = np.rint(np.clip(brightness, 0.0, _BRIGHTEST) * ((_LEVELS - 1) / _BRIGHTEST))
    step = np.rint(np.clip(highlight, 0.0, 1.0) * (_HIGHLIGHTS - 1))
    return (level + _LEVELS * (step + _HIGHLIGHTS * np.asarray(material))).astype(np.uint16)


def _shades(colours: np.ndarray, highlight: float = 0.0) -> np.ndarray:
    """Return all codes of a material in its colours (k, 3): clip(brightness * colour + highlight).

    They are (k, `_HIGHLIGHTS` * `_LEVELS`, 4) uint8, the last channel unused: four bytes are
    gathered as one number. `highlight` is in grey levels.
    """
    brightness = np.linspace(0.0, _BRIGHTEST, _LEVELS)[:, None]
    added = np.linspace(0.0, highlight, _HIGHLIGHTS)[:, None, None]
    table = np.asarray(colours, float)[:, None, None] * brightness + added
    table = np.pad(np.rint(np.clip(table, 0, 255)), [(0, 0)] * 3 + [(0, 1)])
    return table.reshape(len(colours), _HIGHLIGHTS * _LEVELS, 4).astype(np.uint8)


def _paint(codes: np.ndarray, palettes: list[np.ndarray]) -> np.ndarray:
    """Look up colours (n, H, W, 3) uint8 of the codes (n, H, W) in each picture's palette.

    `palettes` are rows (n, ...) of `_shades`, one array a material. The result is a view of
    channels that lie one after the other, as networks want them.
    """
    table = np.concatenate(palettes, axis=1).view(np.uint32)[..., 0]
    first = table.shape[1] * np.arange(len(codes), dtype=np.int64)[:, None, None]
    pixels = table.ravel().take(codes + first)[..., None].view(np.uint8)
    images = np.empty((len(codes), 3, *codes.shape[1:]), np.uint8)
    for channel in range(3):
        images[:, channel] = pixels[..., channel]
    return np.moveaxis(images, 1, -1)


@cache
def _palettes() -> tuple[np.ndarray, np.ndarray]:
    hues = np.arange(10)[:, None] / 10.0
    full = np.clip(np.abs((6.0 * hues + [[0.0, 4.0, 2.0]]) % 6.0 - 3.0) - 1.0, 0.0, 1.0)
    return _shades(255.0 * full, _HIGHLIGHT), _shades(np.array([_SKY_COLOUR]))


@cache
def _geometries() -> np.ndarray:
    """Return codes (8, 4, 15, 64, 64) by scale, shape and orientation."""
    scales, shapes, _ = FACTORS.sizes[3:]
    factors = product(range(scales), range(shapes), _AZIMUTH)
    pictures = [_geometry(scale, shape, angle) for scale, shape, angle in factors]
    return np.stack(pictures).reshape(scales, shapes, len(_AZIMUTH), _PIXELS, _PIXELS)


def _geometry(scale: int, shape: int, angle: float) -> np.ndarray:
    """Return the codes (1, 4096) of one geometry."""
    camera = np.array([[np.sin(angle), -np.cos(angle), 0.304]])
    rays = look_at(camera, _TARGET, _LIGHT, _TAN_HALF_VIEW, _PIXELS).rays()
    solids = _solids(shape, 0.75 + 0.5 * scale / 7)
    nearness, (x, y, z) = scene.nearest(solids, rays)
    room, distance, point = _room(rays)
    to_lamp = LightRays(point, _LIGHT)
    shaded = np.any([scene.intersect(solid, to_lamp)[0] for solid in solids], axis=0)
    floor = np.where(shaded, _SHADOW, _floor_light(point))
    light = np.where(room == _FLOOR, floor, _wall_light(point))
    light = np.where(room == _SKY, 1.0, light)

    seen = nearness * distance > 1
    brightness = np.where(seen, _solid_light(x, y, z), light)
    highlight = np.where(seen, 0.5 + (z - 0.2 * x + 0.1 * y - 0.025) / _SOFT, 0.0)
    return _encode(np.where(seen, _OBJECT, room), brightness, highlight)


def _solids(shape: int, factor: float) -> list[scene.Solid]:
    """Return the solids of the object that stands on z = 0; the last shape is a capsule."""
    radius = factor * (0.138, 0.139, 0.166, 0.126)[shape]
    canonical = (scene.BOX, scene.CYLINDER, scene.SPHERE, scene.CYLINDER)[shape]

    def at(height: float, body: scene.Shape) -> scene.Solid:
        return scene.Solid(body, np.full(3, radius), np.array([0.0, 0.0, height * radius]))

    if shape != _CAPSULE:
        return [at(1, canonical)]
    return [at(2.0, canonical), at(1, scene.SPHERE), at(3, scene.SPHERE)]


def _room(rays: CameraRays) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return material (n, P), distance (n, P), point (3, n, P) of floor, walls and sky."""
    origin, direction = rays.coordinates()
    with np.errstate(divide="ignore"):
        walls = (_ROOM * np.sign(direction[:2]) - origin[:2]) / direction[:2]
        floor = np.where(direction[2] < 0, -origin[2] / direction[2], np.inf)
    wall = np.minimum(*walls)
    above = origin[2] + wall * direction[2] > _WALL_HEIGHT
    material = np.where(floor < wall, _FLOOR, np.where(above, _SKY, _WALL))
    distance = np.minimum(floor, wall)
    return material, distance, origin + distance * direction


def _floor_light(point: np.ndarray) -> np.ndarray:
    x, y, _ = point
    return 1.061 - 0.457 * x + 0.084 * y - 0.148 * x**2 + 0.223 * x * y - 0.309 * y**2


def _wall_light(point: np.ndarray) -> np.ndarray:
    x, y, _ = point
    side = np.where(x > 0, 0.967 - 0.744 * y + 0.461 * y**2, 0.683 + 0.564 * y - 0.494 * y**2)
    return np.where(np.abs(x) > _ROOM - 1e-3, side, 1.0)


def _solid_light(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Return the brightness at normals (x, y, z) of the object: a lamp above, diffuse light ahead.

    Least squares over the frames.
    """
    lamp = np.maximum(x * _LIGHT[0] + y * _LIGHT[1] + z * _LIGHT[2], 0.0)
    return 0.476 - 0.024 * x - 0.441 * y - 0.038 * z + 0.138 * x**2 - 0.119 * z**2 + 0.721 * lamp

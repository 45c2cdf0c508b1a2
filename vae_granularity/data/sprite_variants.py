"""dSprites with colour, noise or a picture behind, as disentanglement_lib makes them.

Locatello et al. 2019, arXiv 1811.12359. What is random there at every access is drawn here once an
image, by its index alone: an image is the same in every epoch, and in every run.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from vae_granularity.data.files.pictures import read_picture
from vae_granularity.errors import ArgumentError

SIDE = 64
PICTURE_SIDE = 274  # of the shorter side of a background, as in disentanglement_lib
Paint = Callable[[np.ndarray, np.ndarray], np.ndarray]

VARIANTS = ("color", "noise", "scream")


def painter(variant: str, background: str | Path | None) -> Paint:
    """Sprites (n, 1, 64, 64) of 0 and 1, and their indices (n,), to images (n, 3, 64, 64) uint8.

    Raises:
        ArgumentError: an unknown variant, `scream` without a background, another with one.
        DataError: the background is no picture.
    """
    if variant not in VARIANTS:
        accepted = f"null or one of {', '.join(VARIANTS)} for dsprites"
        raise ArgumentError(f"dataset.variant must be {accepted}, got {variant!r}")
    if (variant == "scream") != (background is not None):
        needed = "a picture file for dataset.variant=scream, and null for the others"
        raise ArgumentError(f"dataset.background must be {needed}, got {background}")
    if background is None:
        return {"color": color, "noise": noise}[variant]
    return partial(scream, prepared(Path(background).expanduser()))


def color(sprites: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Sprites of one colour each, its channels uniform in [0.5, 1], on black."""
    shade = [_drawn(0, index).uniform(0.5, 1.0, 3) for index in indices]
    scale = np.rint(255 * np.array(shade)).astype(np.uint8)
    return sprites * scale[:, :, None, None]


def noise(sprites: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """White sprites on noise, uniform in [0, 1] for each pixel and channel."""
    drawn = [_drawn(1, index).integers(0, 256, (3, SIDE, SIDE), np.uint8) for index in indices]
    return np.where(sprites > 0, np.uint8(255), np.stack(drawn))


def scream(picture: np.ndarray, sprites: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Crops of a picture (3, H, W) mixed half and half with a colour, and inverted in the sprite.

    disentanglement_lib's picture is The Scream (E. Munch).
    """
    height, width = picture.shape[1:]
    images = np.empty((len(indices), 3, SIDE, SIDE), np.uint8)
    for image, index in zip(images, indices, strict=True):
        rng = _drawn(2, index)
        top, left = rng.integers(height - SIDE + 1), rng.integers(width - SIDE + 1)
        crop = picture[:, top : top + SIDE, left : left + SIDE] / 255
        image[:] = np.rint(255 * (crop + rng.random((3, 1, 1))) / 2)
    return np.where(sprites > 0, 255 - images, images)


def prepared(path: Path) -> np.ndarray:
    """A background (3, H, W) uint8, shrunk until its shorter side is 274 pixels.

    Raises:
        ArgumentError: it is smaller than a sprite's image.
        DataError: it is no 8-bit picture without alpha.
    """
    pixels = read_picture(path, f"dataset.background={path}")
    height, width = pixels.shape[1:]
    if min(height, width) < SIDE:
        got = f"{path} is {width}x{height}"
        raise ArgumentError(f"dataset.background must be at least {SIDE}x{SIDE}, got {got}")
    picture = Image.fromarray(pixels.transpose(1, 2, 0).squeeze()).convert("RGB")
    factor = min(1.0, PICTURE_SIDE / min(height, width))
    size = round(width * factor), round(height * factor)
    return np.asarray(picture.resize(size, Image.Resampling.BOX)).transpose(2, 0, 1)


def _drawn(stream: int, index: int) -> np.random.Generator:
    return np.random.default_rng([stream, int(index)])

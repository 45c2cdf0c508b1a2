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
# Width and height that a background is shrunk into, as in disentanglement_lib. Its picture is
# higher than wide, so its longer side becomes 274 pixels.
PICTURE_BOX = (350, 274)
Paint = Callable[[np.ndarray, np.ndarray], np.ndarray]

VARIANTS = ("color", "noise", "scream")


def checked_background(variant: str, background: str | Path | None) -> np.ndarray | None:
    """Return the background of a variant, as `prepared`; None for those without.

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
    return None if background is None else prepared(Path(background).expanduser())


def painter(variant: str, background: np.ndarray | None) -> Paint:
    """Return what makes images (n, 3, 64, 64) uint8 of sprites (n, 1, 64, 64) of 0 and 1 and their
    indices (n,).
    """
    if background is None:
        return {"color": color, "noise": noise}[variant]
    return partial(scream, background)


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
        # As in disentanglement_lib, the last position on each axis is never drawn.
        top = rng.integers(max(1, height - SIDE))
        left = rng.integers(max(1, width - SIDE))
        crop = picture[:, top : top + SIDE, left : left + SIDE] / 255
        image[:] = np.rint(255 * (crop + rng.random((3, 1, 1))) / 2)
    return np.where(sprites > 0, 255 - images, images)


def prepared(path: Path) -> np.ndarray:
    """Return a background (3, H, W) uint8, shrunk until it fits into 350x274 pixels.

    Raises:
        ArgumentError: it is then smaller than a sprite's image.
        DataError: it is no 8-bit picture without alpha.
    """
    pixels = read_picture(path, f"dataset.background={path}")
    picture = Image.fromarray(pixels.transpose(1, 2, 0).squeeze()).convert("RGB")
    original_size = f"{picture.width}x{picture.height}"
    picture.thumbnail(PICTURE_BOX, Image.Resampling.BICUBIC)
    if min(picture.size) < SIDE:
        raise ArgumentError(
            f"dataset.background must be at least {SIDE}x{SIDE} when shrunk into "
            f"{PICTURE_BOX[0]}x{PICTURE_BOX[1]}, got {path} of {original_size}, which becomes "
            f"{picture.width}x{picture.height}"
        )
    return np.asarray(picture).transpose(2, 0, 1)


def _drawn(stream: int, index: int) -> np.random.Generator:
    return np.random.default_rng([stream, int(index)])

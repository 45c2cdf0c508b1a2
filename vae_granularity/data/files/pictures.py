"""One picture as pixels of a given size: what is accepted, how it is cropped and resized.

Gray or RGB of 8 bits. The central square is taken, then area means, the one rule for every data set
and source; nothing is enlarged. A photograph is turned as its EXIF orientation says.
"""

import logging
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from vae_granularity.errors import DataError
from vae_granularity.files import open_regular_file

log = logging.getLogger(__name__)

SUFFIXES = (".png", ".jpg", ".jpeg", ".jfif", ".jpe", ".bmp", ".gif", ".webp", ".avif")
SUFFIXES += (".tif", ".tiff", ".ppm", ".pgm")
# None of which PIL calls another program for.
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "AVIF", "TIFF", "PPM")
COLOURS = {1: "gray", 3: "RGB"}
LARGEST = 128  # side that is taken as it is; larger pictures need a size


@dataclass(frozen=True)
class PictureFormat:
    """Size and colours that pictures are brought to, and those that they must have.

    Args:
        channels: 1 or 3; pictures of the other kind are converted if `convert`, else refused.
        height, width: of every picture; None where their sizes may differ.
        size: side of the result.
    """

    channels: int
    height: int | None
    width: int | None
    size: int
    convert: bool = False

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, size, size)."""
        return self.channels, self.size, self.size


def accepted_pixels(picture: Image.Image, place: str) -> np.ndarray:
    """Return an 8-bit gray or RGB picture as (C, H, W) uint8, upright.

    Raises:
        DataError: it has an alpha channel, more than 8 bits, or another colour space; the message
            begins with `place`.
    """
    # PIL opens some pictures of 16 bits a channel as 8 bits; only its decoder's arguments tell.
    deep = any("16" in str(tile[3]) for tile in getattr(picture, "tile", []))
    if deep or picture.mode.startswith("I") or picture.mode == "F":
        raise DataError(
            f"{place} has more than 8 bits a channel (mode {picture.mode}); convert it to 8 bits a "
            "channel"
        )
    if picture.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in picture.info:
        raise DataError(
            f"{place} has an alpha channel (mode {picture.mode}); put it on a background first"
        )
    if picture.mode not in ("1", "L", "P", "RGB"):
        raise DataError(f"{place} must be gray or RGB, got mode {picture.mode}; convert it to RGB")
    plain = picture.convert("L" if picture.mode in ("1", "L") else "RGB")
    # The transposing function copies pictures without EXIF, too.
    if "exif" in picture.info:
        plain = ImageOps.exif_transpose(plain)
    return np.atleast_3d(np.asarray(plain)).transpose(2, 0, 1)


def fit_picture(pixels: np.ndarray, target: PictureFormat, place: str) -> np.ndarray:
    """Return pixels (C, H, W) uint8 in the target format, (C, size, size) uint8.

    Raises:
        DataError: other colours or another size than accepted; the message begins with `place`.
    """
    channels, height, width = pixels.shape
    if channels != target.channels and not target.convert:
        raise DataError(
            f"{place} is {COLOURS[channels]} and the first picture {COLOURS[target.channels]}; "
            "dataset.channels=1 (gray) or 3 (RGB) converts all"
        )
    if target.height is not None and (height, width) != (target.height, target.width):
        raise DataError(
            f"{place} is {width}x{height} and the first picture {target.width}x{target.height}; "
            "dataset.mixed_sizes=true crops and resizes each"
        )
    side = min(height, width)
    if side < target.size:
        raise DataError(
            f"{place} is {width}x{height}, smaller than dataset.image_size={target.size}; nothing "
            "is enlarged"
        )
    if channels != target.channels:
        pixels = _converted(pixels)
    row = (height - side) // 2
    column = (width - side) // 2
    square = pixels[:, row : row + side, column : column + side]
    return area_means(np.ascontiguousarray(square)[None], target.size)[0]


def _converted(pixels: np.ndarray) -> np.ndarray:
    """Return gray from RGB as PIL does it (ITU-R 601-2), or three equal channels."""
    if len(pixels) == 1:
        return np.repeat(pixels, 3, axis=0)
    picture = Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    return np.asarray(picture.convert("L"))[None]


def area_means(images: np.ndarray, size: int, scale: int = 1) -> np.ndarray:
    """Return area means (n, C, size, size) uint8 of images (n, C, H, H) uint8 times `scale`.

    Where `size` divides H the means are exact, rounded half up; elsewhere they are those of PIL's
    BOX filter: of the pixels whose centres lie in the area.

    >>> area_means(np.array([[[[0, 1], [1, 1]]]], np.uint8), 1, scale=255).tolist()
    [[[[191]]]]
    """
    side = images.shape[-1]
    factor = side // size
    if factor * size != side:
        planes = (images * np.uint8(scale)).reshape(-1, side, side)
        resized = [Image.fromarray(p).resize((size, size), Image.Resampling.BOX) for p in planes]
        return np.stack(list(map(np.asarray, resized))).reshape(*images.shape[:2], size, size)
    total = np.zeros((*images.shape[:2], size, size), np.uint32)
    for line in range(factor):
        for column in range(factor):
            total += images[..., line::factor, column::factor]
    return ((total * scale + factor**2 // 2) // factor**2).astype(np.uint8)


def read_picture(path: Path, place: str) -> np.ndarray:
    """Return a picture file as (C, H, W) uint8.

    Raises:
        DataError: it cannot be read or decoded, or is not accepted.
    """
    try:
        with open_regular_file(path) as file, Image.open(file, formats=FORMATS) as picture:
            return accepted_pixels(picture, place)
    except DataError:
        raise
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        size = path.stat().st_size if path.exists() else 0
        raise DataError(f"{place} is not a whole picture ({size:,} bytes): {error}") from error


def list_pictures(folder: Path) -> list[str]:
    """Return the picture files below a folder, nested and linked too, as sorted POSIX paths.

    Other files are left out, and a log line counts them by kind.

    Raises:
        DataError: there is none, or the folder cannot be read.
    """
    pictures = []
    left_out: Counter[str] = Counter()
    try:
        for path in _walk(folder):
            name = path.relative_to(folder)
            if any(step.startswith(".") or step == "__MACOSX" for step in name.parts):
                left_out["hidden"] += 1
            elif path.suffix.lower() not in SUFFIXES:
                left_out[path.suffix.lower() or "without suffix"] += 1
            elif not path.exists():
                left_out["links to nothing"] += 1
            else:
                pictures.append(name.as_posix())
    except OSError as error:
        raise DataError(f"cannot read {folder}: {error.strerror or error}") from error
    counts = ", ".join(f"{count:,} {kind}" for kind, count in sorted(left_out.items()))
    if not pictures:
        kinds = ", ".join(SUFFIXES)
        others = f"; left out: {counts}" if counts else ""
        raise DataError(f"dataset.path={folder} holds no pictures ({kinds}), at any depth{others}")
    if counts:
        log.warning("%s: %s pictures; left out: %s", folder, f"{len(pictures):,}", counts)
    return sorted(pictures)


def _walk(folder: Path) -> Iterator[Path]:
    """Yield every file below a folder; a folder that several links lead to is entered once."""

    def refuse(error: OSError) -> None:
        raise error

    entered = set()
    for parent, folders, files in os.walk(folder, followlinks=True, onerror=refuse):
        entered.add(os.path.realpath(parent))
        for name in list(folders):
            path = Path(parent, name)
            if not path.is_symlink():
                continue
            target = os.path.realpath(path)
            # Links may lead back to a folder on the way down, directly or through each other.
            if target in entered:
                log.warning("%s is left out: it links to a folder that is read already", path)
                folders.remove(name)
            entered.add(target)
        for name in files:
            yield Path(parent, name)

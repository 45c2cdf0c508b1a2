"""Pictures as codes into a palette: the geometry is traced once, and every colouring of it is one
gather.
"""

from __future__ import annotations

import numpy as np

LEVELS = 256
HIGHLIGHTS = 4  # steps from no highlight to all of it
BRIGHTEST = 1.5


def encode(material: np.ndarray, brightness: np.ndarray, highlight: np.ndarray) -> np.ndarray:
    """One uint16 code a pixel.

    Args:
        material: (...) integers, the number of the surface.
        brightness: (...) factor on the surface's colour, clipped to [0, `BRIGHTEST`].
        highlight: (...) part of the surface's highlight there, clipped to [0, 1].
    """
    level = np.rint(np.clip(brightness, 0.0, BRIGHTEST) * ((LEVELS - 1) / BRIGHTEST))
    step = np.rint(np.clip(highlight, 0.0, 1.0) * (HIGHLIGHTS - 1))
    return (level + LEVELS * (step + HIGHLIGHTS * np.asarray(material))).astype(np.uint16)


def shades(colours: np.ndarray, highlight: float = 0.0) -> np.ndarray:
    """All codes of one material in each of its colours: clip(brightness * colour + highlight).

    Args:
        colours: (k, 3) RGB in [0, 255].
        highlight: grey levels that the whole highlight adds.

    Returns:
        (k, `HIGHLIGHTS` * `LEVELS`, 4) uint8, the last channel unused: four bytes are gathered as
        one number.
    """
    brightness = np.linspace(0.0, BRIGHTEST, LEVELS)[:, None]
    added = np.linspace(0.0, highlight, HIGHLIGHTS)[:, None, None]
    table = np.asarray(colours, float)[:, None, None] * brightness + added
    table = np.pad(np.rint(np.clip(table, 0, 255)), [(0, 0)] * 3 + [(0, 1)])
    return table.reshape(len(colours), HIGHLIGHTS * LEVELS, 4).astype(np.uint8)


def paint(codes: np.ndarray, palettes: list[np.ndarray]) -> np.ndarray:
    """Look every code up in its picture's palette.

    Args:
        codes: (n, H, W) codes of `encode`.
        palettes: for each material, (n, `HIGHLIGHTS` * `LEVELS`, 4) uint8 rows of `shades`.

    Returns:
        (n, H, W, 3) uint8, a view of channels that lie one after the other, as networks want them.
    """
    table = np.concatenate(palettes, axis=1).view(np.uint32)[..., 0]
    first = table.shape[1] * np.arange(len(codes), dtype=np.int64)[:, None, None]
    pixels = table.ravel().take(codes + first)[..., None].view(np.uint8)
    images = np.empty((len(codes), 3, *codes.shape[1:]), np.uint8)
    for channel in range(3):
        images[:, channel] = pixels[..., channel]
    return np.moveaxis(images, 1, -1)

"""Images of another size, by area means: the one rule for every data set and source."""

from dataclasses import replace

import numpy as np
from PIL import Image

from vae_granularity.data.files.cache import ImageStream


def area_means(images: np.ndarray, size: int, scale: int = 1) -> np.ndarray:
    """Images (n, C, H, H) uint8, times `scale`, as (n, C, size, size) uint8: means over areas.

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


def at_size(stream: ImageStream, size: int, scale: int = 1) -> ImageStream:
    """The stream with all its images at that size; the stream itself where they have it."""
    if stream.shape[-1] == size:
        return stream
    chunks = ((where, area_means(images, size, scale)) for where, images in stream.chunks)
    return replace(stream, shape=(stream.shape[0], size, size), chunks=chunks)

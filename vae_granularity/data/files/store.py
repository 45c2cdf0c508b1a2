"""Return uint8 images by index: in memory, mapped, on the GPU, packed, or drawn on demand."""

import logging
import mmap
import os
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch

from vae_granularity.data.factors import FactorSpace

log = logging.getLogger(__name__)

Render = Callable[[np.ndarray], np.ndarray]
Store = Callable[[torch.Tensor], torch.Tensor]  # indices (n,) int64 → images (n, …)


def array_store(images: torch.Tensor) -> Store:
    """Return a store of images (N, C, H, W) uint8, or vectors (N, dim) float32: one gather."""
    return partial(_gather, images)


def _gather(images: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
    return images.index_select(0, indices.to(images.device))


def packed_store(images: torch.Tensor) -> Store:
    """Return a store of binary images (N, C, H, W/8) uint8, eight pixels a byte, high bit first.

    >>> packed_store(torch.tensor([[[[0b10100000]]]], dtype=torch.uint8))(torch.tensor([0]))
    tensor([[[[1, 0, 1, 0, 0, 0, 0, 0]]]], dtype=torch.uint8)
    """
    # (256,): the eight pixels of a byte as one number of eight bytes. A look-up of whole numbers is
    # the fastest way to unpack here.
    pixels = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)
    return partial(_unpack, images, torch.from_numpy(pixels.view(np.int64)[:, 0]).to(images.device))


def _unpack(images: torch.Tensor, pixels_of: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
    packed = _gather(images, indices)  # (n, C, H, W/8)
    pixels = pixels_of.index_select(0, packed.flatten().int()).view(torch.uint8)
    return pixels.view(*packed.shape[:-1], -1)


def rendered_store(space: FactorSpace, render: Render, device: str) -> Store:
    """Return a store that draws images (n, C, H, W) uint8 from the factors of their index."""
    store = partial(_draw, space, render, device)
    # What a renderer makes at its first call is made now, not in the first step.
    store(torch.zeros(1, dtype=torch.long))
    return store


def _draw(space: FactorSpace, render: Render, device: str, indices: torch.Tensor) -> torch.Tensor:
    images = render(space.factors(indices.cpu().numpy()))  # (n, H, W, C)
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous().to(device)


def open_array(path: Path, device: str) -> torch.Tensor:
    """Open a .npy file as a tensor, in memory ("cpu"), mapped ("mmap") or on the GPU ("cuda").

    In memory means memory-mapped, with a warning, for a file of more than half the machine's
    memory. What is mapped is read-only: writing to it ends the process. Nothing is unpickled.
    """
    size = path.stat().st_size
    memory = machine_memory()
    if device == "cpu" and size <= memory // 2:
        return torch.from_numpy(np.load(path, allow_pickle=False))
    if device == "cpu":
        log.warning(
            "%s (%.1f GB) is memory-mapped: it takes more than half of this machine's %.1f GB",
            path,
            size / 1e9,
            memory / 1e9,
        )
    # Read-only: a private copy, "c", is refused where it is larger than memory.
    mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    if device != "cuda":
        # Otherwise a cold image costs a read-ahead of up to megabytes.
        mapped.base.madvise(mmap.MADV_RANDOM)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        images = torch.from_numpy(mapped)
    return images.to(device) if device == "cuda" else images


def machine_memory() -> int:
    """Return the bytes of physical memory."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")

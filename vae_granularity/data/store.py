"""Stores of images: uint8 in memory, memory-mapped, on the GPU, bit-packed, or drawn on demand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from vae_granularity.data.factors import FactorSpace

Render = Callable[[np.ndarray], np.ndarray]


class ImageStore(Protocol):
    """Anything that gathers images by index."""

    def gather(self, indices: torch.Tensor) -> torch.Tensor:
        """Images (n, …) of the indices (n,) int64, in the store's own dtype (uint8 for pictures)."""
        ...


class ArrayStore:
    """Images (N, C, H, W) uint8 as one tensor; one gather a batch. Vectors (N, dim) float32 serve as well."""

    def __init__(self, images: torch.Tensor) -> None:
        self.images = images

    def gather(self, indices: torch.Tensor) -> torch.Tensor:
        """Images (n, C, H, W) uint8."""
        return self.images.index_select(0, indices.to(self.images.device))


class PackedStore:
    """Binary images (N, C, H, W/8) uint8 with eight pixels a byte (most significant bit first), unpacked a batch at a time."""

    def __init__(self, images: torch.Tensor) -> None:
        self.images = images
        self._shifts = torch.arange(7, -1, -1, dtype=torch.uint8, device=images.device)

    def gather(self, indices: torch.Tensor) -> torch.Tensor:
        """Images (n, C, H, W) uint8 of 0 and 1."""
        packed = self.images.index_select(0, indices.to(self.images.device))
        return packed.unsqueeze(-1).bitwise_right_shift(self._shifts).bitwise_and_(1).flatten(-2)


class RenderedStore:
    """Images drawn on demand from the factors of their index; nothing is drawn before it is asked for."""

    def __init__(self, space: FactorSpace, render: Render, device: str = "cpu") -> None:
        self.space, self.render, self.device = space, render, device

    def gather(self, indices: torch.Tensor) -> torch.Tensor:
        """Images (n, C, H, W) uint8."""
        drawn = self.render(self.space.factors(indices.cpu().numpy()))  # (n, H, W, C)
        return torch.from_numpy(drawn).permute(0, 3, 1, 2).to(self.device)


def open_array(path: Path, device: str) -> torch.Tensor:
    """The .npy file as a tensor in memory ("cpu"), memory-mapped ("mmap") or on the GPU ("cuda"), never unpickled."""
    if device == "cpu":
        return torch.from_numpy(np.load(path, allow_pickle=False))
    mapped = torch.from_numpy(np.load(path, mmap_mode="c", allow_pickle=False))  # "c": torch wants writable memory; the file stays as it is
    return mapped if device == "mmap" else mapped.to(device)

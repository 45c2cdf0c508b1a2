"""MNIST: 60 000 + 10 000 handwritten digits, 28×28."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL.Image import Image

from vae_granularity.data.base import ImageDataModule
from vae_granularity.data.files.cache import ImageStream
from vae_granularity.data.files.declaration import DatasetCard, HubTable, RemoteFile
from vae_granularity.data.files.idx import read_idx
from vae_granularity.data.files.npz import CHUNK
from vae_granularity.errors import ArgumentError, DataError

IMAGE_SIZES = (28, 32, 64)


def _file(name: str, sha256: str) -> RemoteFile:
    mirrors = (
        "https://ossci-datasets.s3.amazonaws.com/mnist",
        "https://storage.googleapis.com/cvdf-datasets/mnist",
    )
    plain = name.removesuffix(".gz")
    return RemoteFile(
        name,
        urls=tuple(f"{mirror}/{name}" for mirror in mirrors),
        sha256=sha256,
        hash_of_content=True,
        aliases=(plain, f"MNIST/raw/{name}", f"MNIST/raw/{plain}"),
        max_bytes=100_000_000,
    )


PARTS = {
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}


class MNIST(ImageDataModule):
    """MNIST (LeCun, Cortes and Burges); the digit is a label, not a generative factor.

    Args:
        image_size: 28 as published, 32 (2 black pixels around), or 64 (the 32 pixels doubled,
            bilinear).
    """

    card = DatasetCard(
        name="mnist",
        image_shape=(1, 28, 28),
        files=(
            _file(
                PARTS["train"][0],
                "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            ),
            _file(
                PARTS["train"][1],
                "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            ),
            _file(
                PARTS["test"][0], "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
            ),
            _file(
                PARTS["test"][1], "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"
            ),
        ),
        licence="CC BY-SA 3.0",
        citation="Y. LeCun, L. Bottou, Y. Bengio, P. Haffner: Gradient-based learning applied to document recognition, Proc. IEEE 1998",
        homepage="http://yann.lecun.com/exdb/mnist",
        label_names=("digit",),
        hub=HubTable("ylecun/mnist", splits={"train": "train", "test": "test"}, labels=("label",)),
    )

    def __init__(
        self,
        *,
        source: str = "auto",
        data_dir: str | Path = "data",
        cache_dir: str | Path = "data_cache",
        batch_size: int = 64,
        seed: int = 0,
        val_fraction: float = 0.1,
        device: str = "cpu",
        hub_id: str | None = None,
        image_size: int = 32,
    ) -> None:
        super().__init__(
            source=source,
            data_dir=data_dir,
            cache_dir=cache_dir,
            batch_size=batch_size,
            seed=seed,
            val_fraction=val_fraction,
            device=device,
            hub_id=hub_id,
        )
        if image_size not in IMAGE_SIZES:
            raise ArgumentError(
                f"dataset.image_size must be one of {IMAGE_SIZES} for mnist, got {image_size}"
            )
        self.card = replace(self.card, image_shape=(1, image_size, image_size))

    def read_official(self, files: dict[str, Path]) -> ImageStream:
        """Four IDX files: images (n, 28, 28) and labels (n,) of the training and the test part."""
        images, labels = [], []
        for images_name, labels_name in PARTS.values():
            digits, classes = read_idx(files[images_name], 3), read_idx(files[labels_name], 1)
            if digits.shape[1:] != (28, 28):
                raise DataError(
                    f"{files[images_name]} must hold images of 28×28, got {digits.shape[1:]}"
                )
            if len(digits) != len(classes):
                raise DataError(
                    f"{files[labels_name]} has {len(classes)} labels for the {len(digits)} images of {files[images_name].name}"
                )
            if len(classes) and classes.max() > 9:
                raise DataError(
                    f"{files[labels_name]} must hold digits 0 to 9, got {classes.max()}"
                )
            images.append(digits)
            labels.append(classes)
        counts = {part: len(digits) for part, digits in zip(PARTS, images, strict=True)}
        return ImageStream(
            self.image_shape,
            counts,
            self._chunks(np.concatenate(images)),
            lambda: np.concatenate(labels)[:, None].astype(np.int64),
        )

    def pixels(self, picture: Image) -> np.ndarray:
        """Hub pictures are 28×28."""
        return enlarge(super().pixels(picture)[None], self.image_shape[-1])[0]

    def _chunks(self, digits: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for start in range(0, len(digits), CHUNK):
            chunk = enlarge(digits[start : start + CHUNK, None], self.image_shape[-1])
            yield np.arange(start, start + len(chunk)), chunk


def enlarge(digits: np.ndarray, size: int) -> np.ndarray:
    """Digits (n, 1, 28, 28) uint8 as (n, 1, size, size) uint8."""
    if size == 28:
        return digits
    padded = np.pad(digits, ((0, 0), (0, 0), (2, 2), (2, 2)))
    if size == 32:
        return padded
    doubled = torch.nn.functional.interpolate(
        torch.from_numpy(padded).float(), scale_factor=2, mode="bilinear"
    )
    return doubled.round().to(torch.uint8).numpy()

"""MNIST: 60 000 + 10 000 handwritten digits, 28×28."""

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Unpack

import numpy as np
import torch
from PIL.Image import Image

from vae_granularity.data.base import DataOptions, ImageDataModule
from vae_granularity.data.files.cache import ImageStream
from vae_granularity.data.files.declaration import DatasetCard, HubTable, RemoteFile
from vae_granularity.data.files.readers import CHUNK, Chunks, idx_array
from vae_granularity.errors import ArgumentError, DataError

IMAGE_SIZES = (28, 32, 64)
USUAL = 32
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist",
    "https://storage.googleapis.com/cvdf-datasets/mnist",
)
SPLITS = {
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}
SHA256 = (
    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
)


def _file(name: str, sha256: str) -> RemoteFile:
    plain = name.removesuffix(".gz")
    dotted = plain.replace("-idx", ".idx")
    # Kaggle's archive has the dotted names, and folders of the plain names, so these come last.
    names = (name, dotted, f"{dotted}.gz", f"{plain}/{plain}", plain)
    folders = ("", "raw/", "MNIST/raw/")
    return RemoteFile(
        name,
        urls=tuple(f"{mirror}/{name}" for mirror in MIRRORS),
        sha256=sha256,
        hash_of_content=True,
        aliases=tuple(map("".join, product(folders, names))),
        max_bytes=100_000_000,
    )


class MNIST(ImageDataModule):
    """MNIST (LeCun, Cortes and Burges); the digit is a label, not a generative factor.

    Args:
        image_size: 28 as published, 32 (2 black pixels around), or 64 (the 32 pixels doubled,
            bilinear).
        options: as for `ImageDataModule`.
    """

    card = DatasetCard(
        name="mnist",
        image_shape=(1, 28, 28),
        files=tuple(map(_file, (*SPLITS["train"], *SPLITS["test"]), SHA256)),
        licence="CC BY-SA 3.0",
        citation="Y. LeCun, L. Bottou, Y. Bengio, P. Haffner: Gradient-based learning applied to"
        " document recognition, Proc. IEEE 1998",
        homepage="http://yann.lecun.com/exdb/mnist",
        label_names=("digit",),
        factor_kinds={"digit": "discrete"},
        hub=HubTable("ylecun/mnist", splits={"train": "train", "test": "test"}, labels=("label",)),
    )

    def __init__(self, *, image_size: int = USUAL, **options: Unpack[DataOptions]) -> None:
        super().__init__(**options)
        if image_size not in IMAGE_SIZES:
            raise ArgumentError(
                f"dataset.image_size must be one of {IMAGE_SIZES} for mnist, got {image_size}"
            )
        self.card = replace(self.card, image_shape=(1, image_size, image_size))
        self.size_note = "" if image_size == USUAL else f" {image_size}x{image_size}"

    def read_official(self, files: dict[str, Path]) -> ImageStream:
        """Read four IDX files: images (n, 28, 28) and labels (n,) of training and test part."""
        images = []
        labels = []
        for images_name, labels_name in SPLITS.values():
            images_file = files[images_name]
            labels_file = files[labels_name]
            digits = idx_array(images_file, 3)
            classes = idx_array(labels_file, 1)
            if digits.shape[1:] != (28, 28):
                raise DataError(f"{images_file} must hold images of 28×28, got {digits.shape[1:]}")
            if len(digits) != len(classes):
                raise DataError(
                    f"{labels_file} has {len(classes)} labels for the {len(digits)} images of "
                    f"{images_file.name}"
                )
            if len(classes) and classes.max() > 9:
                raise DataError(f"{labels_file} must hold digits 0 to 9, got {classes.max()}")
            # Splits follow each other in one store, the training part first.
            images.append(digits)
            labels.append(classes)
        counts = {split: len(digits) for split, digits in zip(SPLITS, images, strict=True)}
        classes = np.concatenate(labels)[:, None].astype(np.int64)
        chunks = self._chunks(np.concatenate(images))
        return ImageStream(self.image_shape, counts, chunks, lambda: classes)

    def pixels(self, picture: Image) -> np.ndarray:
        """Return a picture of the hub, which is 28×28, at `image_size`."""
        return enlarge(super().pixels(picture)[None], self.image_shape[-1])[0]

    def _chunks(self, digits: np.ndarray) -> Chunks:
        for start in range(0, len(digits), CHUNK):
            chunk = enlarge(digits[start : start + CHUNK, None], self.image_shape[-1])
            yield np.arange(start, start + len(chunk)), chunk


def enlarge(digits: np.ndarray, size: int) -> np.ndarray:
    """Return digits (n, 1, 28, 28) uint8 as (n, 1, size, size) uint8.

    >>> enlarge(np.full((1, 1, 28, 28), 7, np.uint8), 32)[0, 0, 16, :4].tolist()
    [0, 0, 7, 7]
    """
    if size == 28:
        return digits
    padded = np.pad(digits, ((0, 0), (0, 0), (2, 2), (2, 2)))
    if size == 32:
        return padded
    floats = torch.from_numpy(padded).float()
    doubled = torch.nn.functional.interpolate(floats, scale_factor=2, mode="bilinear")
    return doubled.round().to(torch.uint8).numpy()

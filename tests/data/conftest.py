"""Small file sets in the official formats. Every image of a factor grid shows its own factors, so
no test trusts an index.
"""

from __future__ import annotations

import gzip
import io
import itertools
import struct
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import h5py
import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from vae_granularity.data.base import ImageDataModule
from vae_granularity.data.cars3d import Cars3D
from vae_granularity.data.celeba import ATTRIBUTES, CelebA
from vae_granularity.data.dsprites import DSprites
from vae_granularity.data.mnist import MNIST
from vae_granularity.data.mpi3d import MPI3D
from vae_granularity.data.shapes3d import Shapes3D

SIZES = {
    "dsprites": (1, 2, 2, 3, 2, 2),
    "shapes3d": (2, 3, 2, 2, 2, 3),
    "cars3d": (2, 3, 4),
    "mpi3d": (2, 2, 1, 2, 1, 3, 2),
}
CLASSES: dict[str, type[ImageDataModule]] = {
    "dsprites": DSprites,
    "shapes3d": Shapes3D,
    "cars3d": Cars3D,
    "mpi3d": MPI3D,
    "mnist": MNIST,
    "celeba": CelebA,
}
MNIST_COUNTS = {"train": 30, "t10k": 10}
CELEBA_PARTS = [0] * 24 + [1] * 6 + [2] * 6
STRIPE = 8  # rows of an image that show one factor


def shown(factors: tuple[int, ...], size: int = 64) -> np.ndarray:
    """(size, size, 3) uint8: stripe f has the grey level 20·value + 10, so it survives halving."""
    image = np.zeros((size, size, 3), np.uint8)
    height = STRIPE * size // 64
    for number, value in enumerate(factors):
        image[number * height : (number + 1) * height] = 20 * value + 10
    return image


def read_back(image: np.ndarray, num_factors: int) -> tuple[int, ...]:
    """The factors that an image (3, 64, 64) in [0, 1] shows."""
    return tuple(
        round((255 * float(image[0, STRIPE * f + STRIPE // 2, 32]) - 10) / 20)
        for f in range(num_factors)
    )


def shown_binary(factors: tuple[int, ...]) -> np.ndarray:
    """(64, 64) uint8 of 0 and 1: row f has `value + 1` pixels on."""
    image = np.zeros((64, 64), np.uint8)
    for number, value in enumerate(factors):
        image[number, : value + 1] = 1
    return image


def read_back_binary(image: np.ndarray, num_factors: int) -> tuple[int, ...]:
    """The factors that an image (1, 64, 64) of 0 and 1 shows."""
    return tuple(int(image[0, f].sum()) - 1 for f in range(num_factors))


def grid(name: str) -> list[tuple[int, ...]]:
    """All factor rows in official order, the last factor fastest."""
    return list(itertools.product(*(range(size) for size in SIZES[name])))


def write_dsprites(folder: Path) -> None:
    images = np.stack([shown_binary(row) for row in grid("dsprites")])
    metadata = np.array({"a pickle": "that must never be loaded"}, dtype=object)
    np.savez_compressed(
        folder / DSprites.card.files[0].name,
        imgs=images,
        latents_classes=np.array(grid("dsprites")),
        metadata=metadata,
    )


def write_shapes3d(folder: Path) -> None:
    with h5py.File(folder / "3dshapes.h5", "w") as file:
        file["images"] = np.stack([shown(row) for row in grid("shapes3d")])
        file["labels"] = np.array(grid("shapes3d"), float)


def write_mpi3d(folder: Path) -> None:
    np.savez(folder / "mpi3d_toy.npz", images=np.stack([shown(row) for row in grid("mpi3d")]))


def mesh(car: int) -> bytes:
    """One car_NNN_mesh.mat with `im` (128, 128, 3, azimuth, elevation)."""
    elevations, azimuths, _ = SIZES["cars3d"]
    im = np.stack(
        [
            np.stack([shown((e, a, car), 128) for a in range(azimuths)], -1)
            for e in range(elevations)
        ],
        -1,
    )
    file = io.BytesIO()
    savemat(file, {"im": im, "mask": im[:, :, 0]}, do_compression=True)
    return file.getvalue()


def write_tar(path: Path, members: list[tuple[tarfile.TarInfo | str, bytes]]) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for member, content in members:
            info = tarfile.TarInfo(member) if isinstance(member, str) else member
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def write_cars3d(folder: Path) -> None:
    """The archive holds the cars in another order than list.txt, and the list last."""
    names = [f"car_{number:03d}_mesh" for number in (7, 2, 9, 4)]
    files: list[tuple[tarfile.TarInfo | str, bytes]] = [
        (f"data/cars/{name}.mat", mesh(car)) for car, name in enumerate(names)
    ]
    listing = ("\n".join(names) + "\n").encode()
    write_tar(
        folder / Cars3D.card.files[0].name,
        [*sorted(files, key=str), ("data/sprites/x", b"-"), ("data/cars/list.txt", listing)],
    )


def digit(number: int) -> np.ndarray:
    """(28, 28) uint8 that shows its number."""
    return np.full((28, 28), 3 * number + 1, np.uint8)


def idx(array: np.ndarray) -> bytes:
    return (
        struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
        + array.astype(np.uint8).tobytes()
    )


def write_mnist(folder: Path) -> None:
    for part, count in MNIST_COUNTS.items():
        start = 0 if part == "train" else MNIST_COUNTS["train"]
        images = np.stack([digit(start + n) for n in range(count)])
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images)))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(idx(np.arange(count) % 10))


def face(number: int) -> Image.Image:
    """A picture of 178×218 whose central 148×148 shows its number and whose margin is white."""
    pixels = np.full((218, 178, 3), 255, np.uint8)
    pixels[35:183, 15:163] = 5 * number + 20
    return Image.fromarray(pixels)


def jpeg(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=95)
    return file.getvalue()


def attributes_of(number: int) -> list[int]:
    return [(number >> (k % 6)) & 1 for k in range(len(ATTRIBUTES))]


def write_celeba(folder: Path, *, zipped: bool = False) -> None:
    """36 pictures, parts in a mixed order."""
    count = len(CELEBA_PARTS)
    names = [f"{number + 1:06d}.jpg" for number in range(count)]
    lines = [
        f"{name} {' '.join(str(2 * bit - 1) for bit in attributes_of(number))}"
        for number, name in enumerate(names)
    ]
    (folder / "list_attr_celeba.txt").write_text(
        "\n".join([str(count), " ".join(ATTRIBUTES), *lines]) + "\n"
    )
    parts = celeba_parts()
    (folder / "list_eval_partition.txt").write_text(
        "".join(f"{name} {part}\n" for name, part in zip(names, parts, strict=True))
    )
    if zipped:
        with zipfile.ZipFile(folder / "img_align_celeba.zip", "w") as archive:
            for number, name in enumerate(names):
                archive.writestr(f"img_align_celeba/{name}", jpeg(face(number)))
        return
    (folder / "img_align_celeba").mkdir()
    for number, name in enumerate(names):
        (folder / "img_align_celeba" / name).write_bytes(jpeg(face(number)))


def celeba_parts() -> list[int]:
    """Part of each picture in file order, mixed."""
    return [int(part) for part in np.random.default_rng(0).permutation(CELEBA_PARTS)]


WRITERS: dict[str, Callable[[Path], None]] = {
    "dsprites": write_dsprites,
    "shapes3d": write_shapes3d,
    "cars3d": write_cars3d,
    "mpi3d": write_mpi3d,
    "mnist": write_mnist,
    "celeba": write_celeba,
}

Open = Callable[..., ImageDataModule]


@pytest.fixture
def small() -> ModuleType:
    """This file: writers of small official file sets and readers of what their images show."""
    return sys.modules[__name__]


@pytest.fixture
def open_dataset(tmp_path: Path) -> Open:
    """Builds the data module of a name on the folders of this test, with the small grid and batches
    of 4.
    """

    def build(name: str, **options: Any) -> ImageDataModule:
        small = {"factor_sizes": SIZES[name]} if name in SIZES else {}
        folders = {"data_dir": tmp_path / "files", "cache_dir": tmp_path / "cache"}
        return CLASSES[name](
            **({"source": "official", "batch_size": 4} | folders | small | options)
        )

    (tmp_path / "files").mkdir()
    return build

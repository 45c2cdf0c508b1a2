"""SmallNORB from small files in its official binary format, written here."""

from __future__ import annotations

import gzip
import itertools
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vae_granularity.data.files.cache import directory_for
from vae_granularity.data.grid import FactorGridDataModule
from vae_granularity.data.smallnorb import PARTS, SmallNORB
from vae_granularity.errors import DataError

SIZES = (2, 4, 3, 2, 2)  # category, instance, elevation, azimuth, lighting
INSTANCES = ((1, 3), (0, 2))  # of the training and the testing part


def matrix(array: np.ndarray) -> bytes:
    """A matrix file: magic number, dimensions, at least three sizes, values; little-endian."""
    magic, kind = (0x1E3D4C55, "u1") if array.dtype == np.uint8 else (0x1E3D4C54, "<i4")
    sizes = [*array.shape, *[1] * (3 - array.ndim)]
    head = struct.pack(f"<II{len(sizes)}I", magic, array.ndim, *sizes)
    return head + array.astype(kind).tobytes()


def picture(row: tuple[int, ...]) -> np.ndarray:
    """(2, 96, 96) uint8: the first camera shows the factors in stripes, the second is white."""
    left = np.repeat(np.array(row, np.uint8) * 20 + 10, 18)
    image = np.full((2, 96, 96), 255, np.uint8)
    image[0] = 0
    image[0, : len(left)] = left[:, None]
    return image


def write(folder: Path, **changed: Any) -> None:
    """Both parts in mixed order; `changed` gives other content for a kind of the training part."""
    category, _, *others = map(range, SIZES)
    for part, instances in zip(PARTS, INSTANCES, strict=True):
        rows = list(itertools.product(category, instances, *others))
        rows = [rows[i] for i in np.random.default_rng(0).permutation(len(rows))]
        info = np.array([[row[1], row[2], 2 * row[3], row[4]] for row in rows], np.int32)
        arrays = {
            "dat": np.stack([picture(row) for row in rows]),
            "cat": np.array([row[0] for row in rows], np.int32),
            "info": info,
        }
        for kind, array in arrays.items():
            change = changed.get(kind) if part == PARTS[0] else None
            content = matrix(array) if change is None else change(array)
            name = f"smallnorb-{part}-{kind}.mat"
            if kind == "cat":  # unpacked, as many keep them
                (folder / name).write_bytes(content)
            else:
                (folder / f"{name}.gz").write_bytes(gzip.compress(content))


def opened(tmp_path: Path, **options: Any) -> SmallNORB:
    folders = {"data_dir": tmp_path / "files", "cache_dir": tmp_path / "cache"}
    small = {"source": "official", "factor_sizes": SIZES, "batch_size": 4}
    data = SmallNORB(**small | folders | options)
    data.setup()
    return data


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()


@pytest.mark.parametrize("size", [32, 64, 96])
def test_the_image_of_given_factors_shows_these_factors(size: int, tmp_path: Path) -> None:
    write(tmp_path / "files")
    data = opened(tmp_path, image_size=size)
    assert (data.image_shape, data.space.size) == ((1, size, size), 96)
    rows = list(itertools.product(*map(range, SIZES)))
    images = (255 * data.images(data.space.index(rows))).round().int().numpy()
    middle = [(18 * k + 9) * size // 96 for k in range(len(SIZES))]
    assert [tuple((image[0, middle, 0] - 10) // 20) for image in images] == rows
    assert (data.verified, data.source) == (False, "official")


@pytest.mark.parametrize("size", [64, 32])
def test_images_are_resized_as_in_disentanglement_lib(size: int, tmp_path: Path) -> None:
    """By PIL's Lanczos filter, once called ANTIALIAS; before, they were area means."""
    noisy = np.random.default_rng(3).integers(0, 256, (48, 2, 96, 96)).astype(np.uint8)
    write(tmp_path / "files", dat=lambda a: matrix(noisy))
    data = opened(tmp_path, image_size=size)
    rows = list(itertools.product(range(2), INSTANCES[0], range(3), range(2), range(2)))
    written = [rows[i] for i in np.random.default_rng(0).permutation(len(rows))]
    images = (255 * data.images(data.space.index(written)).numpy()).round().astype(np.uint8)
    pictures = [Image.fromarray(picture) for picture in noisy[:, 0]]
    lanczos = [np.asarray(p.resize((size, size), Image.Resampling.LANCZOS)) for p in pictures]
    means = [np.asarray(p.resize((size, size), Image.Resampling.BOX)) for p in pictures]
    np.testing.assert_array_equal(images[:, 0], lanczos)
    assert (images[:, 0] != means).mean() > 0.5


def test_images_of_another_filter_in_the_cache_are_not_taken(tmp_path: Path) -> None:
    write(tmp_path / "files")
    data = opened(tmp_path)
    conversion = data.conversion()
    assert conversion is not None
    before = FactorGridDataModule.conversion(data)
    assert before is not None
    root = tmp_path / "cache" / "smallnorb"
    directories = [directory_for(root, c.key, c.files) for c in (conversion, before)]
    assert directories[0] == data.cache_directory != directories[1]


def test_the_official_grid_is_the_whole_of_both_parts() -> None:
    assert SmallNORB(source="official").space.size == 2 * 24_300


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"dat": lambda a: matrix(a)[:-100]}, "training-dat.mat.gz is truncated: 100 bytes"),
        ({"dat": lambda a: b"<html>"}, "must be a SmallNORB matrix that begins with 0x1e3d4c55"),
        ({"dat": lambda a: matrix(a.astype(np.int32))}, "must be a SmallNORB matrix"),
        ({"dat": lambda a: matrix(a[:, :1])}, r"must have shape \(48, 2, 96, 96\)"),
        ({"cat": lambda a: matrix(a[:-1])}, r"must be \(n,\) and \(n, 4\), got \(47,\) and"),
        ({"info": lambda a: matrix(a + 1)}, "must hold even azimuths"),
        ({"cat": lambda a: matrix(a + 1)}, "does not fit the factors: factor category must be in"),
        ({"cat": lambda a: matrix(a * 0)}, "images are missing"),
    ],
)
def test_damage_gets_one_clear_message(changed, message, tmp_path: Path) -> None:
    write(tmp_path / "files", **changed)
    with pytest.raises(DataError, match=message):
        opened(tmp_path)
    assert not list((tmp_path / "cache").rglob("manifest.json"))

"""The real files at hand: MNIST in full; the samples of dSprites and Shapes3D through the pipeline
of the official file.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import h5py
import numpy as np
import pytest

from vae_granularity.data.dsprites import DSprites
from vae_granularity.data.mnist import MNIST, SPLITS
from vae_granularity.data.shapes3d import Shapes3D


@pytest.fixture(scope="module")
def mnist(shared_data: Path, tmp_path_factory) -> MNIST:
    data = MNIST(
        source="auto", data_dir=shared_data / "mnist", cache_dir=tmp_path_factory.mktemp("cache")
    )
    data.setup()
    return data


def test_mnist_is_whole_and_verified(mnist: MNIST) -> None:
    assert (mnist.source, mnist.verified, mnist.title) == ("official", True, "mnist")
    assert (len(mnist.train_indices), len(mnist.val_indices), len(mnist.test_indices)) == (
        54_000,
        6_000,
        10_000,
    )
    assert np.bincount(mnist.labels(np.arange(60_000))[:, 0]).tolist() == [
        5923,
        6742,
        5958,
        6131,
        5842,
        5421,
        5918,
        6265,
        5851,
        5949,
    ]
    assert np.bincount(mnist.labels(mnist.test_indices)[:, 0]).tolist() == [
        980,
        1135,
        1032,
        1010,
        982,
        892,
        958,
        1028,
        974,
        1009,
    ]


def test_mnist_images_are_those_of_the_file_with_two_black_pixels_around(
    mnist: MNIST, shared_data: Path
) -> None:
    for part, start, count in (("train", 0, 60_000), ("test", 60_000, 10_000)):
        raw = np.frombuffer(
            gzip.decompress((shared_data / "mnist" / SPLITS[part][0]).read_bytes()),
            np.uint8,
            offset=16,
        ).reshape(-1, 28, 28)
        for first in range(0, count, 10_000):
            images = (
                (255 * mnist.images(np.arange(start + first, start + first + 10_000)))
                .round()
                .numpy()[:, 0]
            )
            np.testing.assert_array_equal(images[:, 2:-2, 2:-2], raw[first : first + 10_000])
            assert images.sum(dtype=np.float64) == raw[first : first + 10_000].sum(dtype=np.float64)


def test_real_sprites_pass_through_the_official_reader(shared_data: Path, tmp_path: Path) -> None:
    real = np.load(shared_data / "dsprites" / "dsprites_real_432.npz", allow_pickle=False)["imgs"]
    np.savez_compressed(tmp_path / DSprites.card.files[0].name, imgs=real)
    data = DSprites(
        source="official",
        data_dir=tmp_path,
        cache_dir=tmp_path / "cache",
        factor_sizes=(1, 3, 6, 24, 1, 1),
    )
    data.setup()
    np.testing.assert_array_equal(data.images(np.arange(432)).numpy()[:, 0], real)


def test_real_scenes_pass_through_the_official_reader(shared_data: Path, tmp_path: Path) -> None:
    real = np.load(shared_data / "shapes3d" / "shapes3d_real_50.npz", allow_pickle=False)["images"]
    with h5py.File(tmp_path / "3dshapes.h5", "w") as file:
        file["images"] = real
    data = Shapes3D(
        source="official",
        data_dir=tmp_path,
        cache_dir=tmp_path / "cache",
        factor_sizes=(5, 5, 2, 1, 1, 1),
        batch_size=4,
    )
    data.setup()
    np.testing.assert_array_equal(
        (255 * data.images(np.arange(50))).round().numpy().transpose(0, 2, 3, 1), real
    )

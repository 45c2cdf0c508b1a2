"""Each dataset reads a small file set in its official format and gives the right image for given
factors.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

GRIDS = ("dsprites", "shapes3d", "cars3d", "mpi3d")
DEVICES = ("cpu", "mmap", pytest.param("cuda", marks=pytest.mark.gpu))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", GRIDS)
def test_the_image_of_given_factors_shows_these_factors(
    name: str, device: str, small, open_dataset, tmp_path
) -> None:
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    small.WRITERS[name](tmp_path / "files")
    data = open_dataset(name, device=device)
    data.setup()
    rows = np.array(list(itertools.product(*map(range, small.SIZES[name]))))[::-1].copy()
    images = data.images(data.factor_space.index(rows))
    read = small.read_back_binary if name == "dsprites" else small.read_back
    assert images.dtype == torch.float32
    assert images.shape == (len(rows), *data.image_shape)
    assert images.device.type == ("cuda" if device == "cuda" else "cpu")
    assert [read(image, rows.shape[1]) for image in images.cpu().numpy()] == [
        tuple(row) for row in rows
    ]
    np.testing.assert_array_equal(data.labels(data.factor_space.index(rows)), rows)


@pytest.mark.parametrize("image_size", [28, 32, 64])
def test_mnist_gives_digits_and_labels_of_both_parts(
    image_size: int, small, open_dataset, tmp_path
) -> None:
    small.write_mnist(tmp_path / "files")
    data = open_dataset("mnist", image_size=image_size)
    data.setup()
    centre = (
        (255 * data.images(np.arange(40))[:, 0, image_size // 2, image_size // 2])
        .round()
        .int()
        .tolist()
    )
    assert centre == [3 * number + 1 for number in range(40)]
    assert data.images(np.arange(3)).shape == (3, 1, image_size, image_size)
    np.testing.assert_array_equal(
        data.labels(np.arange(40))[:, 0], [*(np.arange(30) % 10), *range(10)]
    )
    np.testing.assert_array_equal(data.test_indices, np.arange(30, 40))
    assert data.label_names == ("digit",)
    assert len(data.train_indices) == 27
    assert len(data.val_indices) == 3


@pytest.mark.parametrize("zipped", [False, True])
def test_celeba_follows_the_official_partition(zipped: bool, small, open_dataset, tmp_path) -> None:
    small.write_celeba(tmp_path / "files", zipped=zipped)
    data = open_dataset("celeba")
    data.setup()
    files = [
        number
        for part in (0, 1, 2)
        for number, own in enumerate(small.celeba_parts())
        if own == part
    ]
    images = 255 * data.images(np.arange(36))
    expected = torch.tensor([5.0 * number + 20 for number in files])
    assert images.shape == (36, 3, 64, 64)
    assert (
        images - expected[:, None, None, None]
    ).abs().max() < 6  # the crop has left the white margin out; JPEG costs a little
    np.testing.assert_array_equal(
        data.labels(np.arange(36)), [small.attributes_of(number) for number in files]
    )
    assert (len(data.train_indices), len(data.val_indices), len(data.test_indices)) == (24, 6, 6)


@pytest.mark.parametrize("place", ["shapes3d", "."])
def test_files_may_lie_in_data_dir_or_in_a_folder_of_the_name(
    place: str, small, open_dataset, tmp_path
) -> None:
    folder = tmp_path / "files" / place
    folder.mkdir(exist_ok=True)
    small.write_shapes3d(folder)
    assert open_dataset("shapes3d", source="auto").resolve() == "official"


def test_torchvision_s_mnist_folder_is_found(small, open_dataset, tmp_path) -> None:
    raw = tmp_path / "files" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    small.write_mnist(raw)
    assert open_dataset("mnist").resolve() == "official"


def test_the_unpacked_cars_folder_is_read_like_the_archive(small, open_dataset, tmp_path) -> None:
    folder = tmp_path / "files" / "cars"
    folder.mkdir()
    for car in range(4):
        (folder / f"car_{car:03d}_mesh.mat").write_bytes(small.mesh(car))
    (folder / "list.txt").write_text("".join(f"car_{car:03d}_mesh\n" for car in (3, 1, 0, 2)))
    data = open_dataset("cars3d")
    data.setup()
    shown = [
        small.read_back(image, 3)
        for image in data.images(data.factor_space.index([[1, 2, 0], [0, 0, 3]])).numpy()
    ]
    assert shown == [(1, 2, 3), (0, 0, 2)]


@pytest.mark.parametrize("name", [*GRIDS, "mnist", "celeba"])
def test_a_file_of_unknown_hash_is_used_unverified_with_a_warning(
    name: str, small, open_dataset, tmp_path, caplog
) -> None:
    small.WRITERS[name](tmp_path / "files")
    data = open_dataset(name)
    data.setup()
    assert data.verified is False
    assert data.provenance["verified"] is False
    assert data.provenance["source"] == "official"
    assert "unverified" in caplog.text
    again = open_dataset(name)
    again.read_official = None  # the second time everything comes from the cache
    again.setup()
    assert again.verified is False
    assert torch.equal(again.images(np.arange(4)), data.images(np.arange(4)))


@pytest.mark.parametrize("variant", ["toy", "realistic", "real"])
def test_mpi3d_has_three_variants_with_their_own_files(
    variant: str, small, open_dataset, tmp_path
) -> None:
    small.write_mpi3d(tmp_path / "files")
    (tmp_path / "files" / "mpi3d_toy.npz").rename(tmp_path / "files" / f"mpi3d_{variant}.npz")
    data = open_dataset("mpi3d", variant=variant)
    data.setup()
    assert data.title == f"mpi3d {variant}"
    assert data.provenance["variant"] == variant


@pytest.mark.gpu
@pytest.mark.parametrize(
    ("name", "options"),
    [("shapes3d", {"source": "rendered"}), ("cars3d", {"source": "rendered"}), ("mnist", {})],
)
def test_batches_come_on_the_gpu_from_every_kind_of_store(
    name: str, options: dict, small, open_dataset, tmp_path
) -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    small.write_mnist(tmp_path / "files")
    here, there = (open_dataset(name, device=device, **options) for device in ("cpu", "cuda"))
    for data in (here, there):
        data.setup()
    batch = there.images(there.batch_indices(0))
    assert batch.device.type == "cuda"
    torch.testing.assert_close(batch.cpu(), here.images(here.batch_indices(0)))

"""Folders as people get the data (Kaggle, torchvision, a clone) load as the official files do."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from vae_granularity.data.mpi3d import MPI3D
from vae_granularity.errors import ArgumentError


def kaggle_celeba(folder: Path) -> None:
    """Lists with commas and a header, pictures in a folder within another of its name."""
    attributes = (folder / "list_attr_celeba.txt").read_text().splitlines()
    rows = [",".join(line.split()) for line in attributes[2:]]
    header = ",".join(["image_id", *attributes[1].split()])
    (folder / "list_attr_celeba.csv").write_text("\n".join([header, *rows]) + "\n")
    partition = (folder / "list_eval_partition.txt").read_text().replace(" ", ",")
    (folder / "list_eval_partition.csv").write_text(f"image_id,partition\n{partition}")
    (folder / "list_attr_celeba.txt").unlink()
    (folder / "list_eval_partition.txt").unlink()
    pictures = (folder / "img_align_celeba").rename(folder / "pictures")
    (folder / "img_align_celeba").mkdir()
    pictures.rename(folder / "img_align_celeba" / "img_align_celeba")


def plain_mnist(folder: Path) -> dict[str, bytes]:
    """Unpack the four files; return their content by name and remove them."""
    contents = {}
    for path in sorted(folder.iterdir()):
        raw = path.read_bytes()
        contents[path.stem] = gzip.decompress(raw) if path.suffix == ".gz" else raw
        path.unlink()
    return contents


def dotted_mnist(folder: Path) -> None:
    for name, content in plain_mnist(folder).items():
        (folder / name.replace("-idx", ".idx")).write_bytes(content)


def kaggle_mnist(folder: Path) -> None:
    """Each file in a folder of its own name."""
    for name, content in plain_mnist(folder).items():
        (folder / name).mkdir()
        (folder / name / name).write_bytes(content)


def kaggle_mnist_twice(folder: Path) -> None:
    """The archive as it is: folders that look like the files, and dotted files beside them."""
    for name, content in plain_mnist(folder).items():
        (folder / name).mkdir()
        (folder / name.replace("-idx", ".idx")).write_bytes(content)


def torchvision_mnist(folder: Path) -> None:
    contents = plain_mnist(folder)
    (folder / "MNIST" / "raw").mkdir(parents=True)
    for name, content in contents.items():
        (folder / "MNIST" / "raw" / name).write_bytes(content)


def inside(name: str):
    """Return a function that moves all files of a folder into a folder in it."""

    def move(folder: Path) -> None:
        files = list(folder.iterdir())
        (folder / name).mkdir()
        for file in files:
            file.rename(folder / name / file.name)

    return move


LAYOUTS = {
    "celeba from Kaggle": ("celeba", kaggle_celeba),
    "mnist with a dot": ("mnist", dotted_mnist),
    "mnist in folders": ("mnist", kaggle_mnist),
    "mnist from Kaggle": ("mnist", kaggle_mnist_twice),
    "mnist from torchvision": ("mnist", torchvision_mnist),
    "3dshapes in a folder": ("shapes3d", inside("3dshapes")),
    "dsprites cloned": ("dsprites", inside("dsprites-dataset")),
    "dsprites unpacked": ("dsprites", inside("dsprites-dataset-master")),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_folder_as_people_get_it_holds_the_same_data(layout, small, open_dataset, tmp_path):
    name, rearrange = LAYOUTS[layout]
    small.WRITERS[name](tmp_path / "files")
    official = open_dataset(name, cache_dir=tmp_path / "official")
    official.setup()
    rearrange(tmp_path / "files")
    data = open_dataset(name)
    data.setup()
    indices = np.arange(sum(official.parts.values()))
    assert data.parts == official.parts
    np.testing.assert_array_equal(data.images(indices), official.images(indices))
    np.testing.assert_array_equal(data.labels(indices), official.labels(indices))


def test_hdf5_is_read_where_the_disk_has_no_locks(small, open_dataset, tmp_path, monkeypatch):
    import h5py

    modes = []
    original = h5py.File

    class Recorded(original):
        def __init__(self, *arguments, **options):
            modes.append(options.get("locking"))
            super().__init__(*arguments, **options)

    small.write_shapes3d(tmp_path / "files")
    monkeypatch.setattr(h5py, "File", Recorded)
    open_dataset("shapes3d").setup()
    assert modes == [False]


@pytest.mark.parametrize("option", ["data_dir", "cache_dir"])
def test_a_home_that_does_not_exist_is_one_line(option):
    with pytest.raises(ArgumentError, match=rf"dataset\.{option}=~nobody_of_that_name/data"):
        MPI3D(**{option: "~nobody_of_that_name/data"})

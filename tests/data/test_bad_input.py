"""Every class of bad input gives one DataError that names the file and the cause, and leaves no
cache behind.
"""

from __future__ import annotations

import gzip
import os
import pickle
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from vae_granularity.errors import DataError
from vae_granularity.files import digest_of_file

DSPRITES = "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz"
CARS = "nips2015-analogy-data.tar.gz"
MNIST_IMAGES, MNIST_LABELS = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte"
Damage = Callable[[Path, Any], object]  # of a file, with the writers of conftest at hand
HTML = b"<!DOCTYPE html><html><body>Quota exceeded</body></html>"


def truncate(path: Path, _: Any = None) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def overwrite(content: bytes) -> Damage:
    return lambda path, _: path.write_bytes(content)


def npz(**arrays: Any) -> Damage:
    return lambda path, _: np.savez(path, **arrays)


def h5(**arrays: Any) -> Damage:
    def write(path: Path, _: Any) -> None:
        with h5py.File(path, "w") as file:
            for name, array in arrays.items():
                file[name] = array

    return write


def edit_text(old: str, new: str) -> Damage:
    return lambda path, _: path.write_text(path.read_text().replace(old, new, 1))


def truncated_member(path: Path, _: Any) -> None:
    """A whole zip around an array that is shorter than its header says."""
    with zipfile.ZipFile(path, "w") as archive, archive.open("imgs.npy", "w") as member:
        np.lib.format.write_array_header_1_0(
            member, {"descr": "|u1", "fortran_order": False, "shape": (48, 64, 64)}
        )
        member.write(bytes(7 * 64 * 64))


def link(name: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, "/etc/passwd"
    return info


def cars(
    *changes: tuple[tarfile.TarInfo | str, bytes | None],
    listing: bytes = b"a\nb\nc\nd\n",
    **extra: Any,
) -> Damage:
    """The small Cars3D archive with other members in place of, or added to, its own."""

    def write(path: Path, small: Any) -> None:
        members: dict[Any, bytes] = {
            f"data/cars/{name}.mat": small.mesh(car) for car, name in enumerate("abcd")
        }
        members["data/cars/list.txt"] = listing
        for member, content in changes:
            members.pop(member.name if isinstance(member, tarfile.TarInfo) else member, None)
            if content is not None:
                members[member] = content
        small.write_tar(path, list(members.items()))

    return write


def mat(**arrays: Any) -> bytes:
    file = BytesIO()
    savemat(file, arrays)
    return file.getvalue()


GRID_SHAPE = (48, 64, 64)
CASES: dict[str, tuple[str, str, Damage, str]] = {
    # class of bad input: dataset, file, damage, words of the message
    "truncated npz": ("dsprites", DSPRITES, truncate, "not a whole npz archive"),
    "truncated array in a whole npz": (
        "dsprites",
        DSPRITES,
        truncated_member,
        "`imgs` is truncated at image 7 of 48",
    ),
    "truncated h5": ("shapes3d", "3dshapes.h5", truncate, "not a whole HDF5 file"),
    "truncated gz": ("mnist", MNIST_IMAGES, truncate, "not a whole gzip file"),
    "truncated idx": ("mnist", MNIST_LABELS, truncate, "truncated or too long"),
    "truncated tar": ("cars3d", CARS, truncate, "not a whole archive"),
    "truncated mat": (
        "cars3d",
        CARS,
        cars(("data/cars/b.mat", b"MATLAB 5.0 MAT-file" + bytes(200))),
        "b.mat is not a whole MATLAB file",
    ),
    "truncated jpg": (
        "celeba",
        "img_align_celeba/000005.jpg",
        truncate,
        "000005.jpg is not a whole JPEG",
    ),
    "zero bytes npz": ("mpi3d", "mpi3d_toy.npz", overwrite(b""), "0 bytes"),
    "zero bytes h5": ("shapes3d", "3dshapes.h5", overwrite(b""), "0 bytes"),
    "zero bytes idx": ("mnist", MNIST_LABELS, overwrite(b""), "0 bytes"),
    "zero bytes tar": ("cars3d", CARS, overwrite(b""), "0 bytes"),
    "zero bytes jpg": (
        "celeba",
        "img_align_celeba/000001.jpg",
        overwrite(b""),
        "000001.jpg is not a whole JPEG picture .0 bytes",
    ),
    "zero bytes list": (
        "celeba",
        "list_attr_celeba.txt",
        overwrite(b""),
        "must begin with the number of pictures",
    ),
    "html as npz": ("dsprites", DSPRITES, overwrite(HTML), "an HTML page saved under this name"),
    "html as h5": (
        "shapes3d",
        "3dshapes.h5",
        overwrite(HTML),
        "an HTML page saved under this name",
    ),
    "html as idx": ("mnist", MNIST_IMAGES, overwrite(HTML), "an HTML page saved under this name"),
    "html as tar": ("cars3d", CARS, overwrite(HTML), "an HTML page saved under this name"),
    "wrong shape npz": (
        "dsprites",
        DSPRITES,
        npz(imgs=np.zeros((47, 64, 64), np.uint8)),
        r"uint8 of shape \(48, 64, 64\), got uint8 of shape \(47",
    ),
    "wrong shape h5": (
        "shapes3d",
        "3dshapes.h5",
        h5(images=np.zeros((144, 32, 32, 3), np.uint8)),
        r"got uint8 of shape \(144, 32, 32, 3\)",
    ),
    "wrong shape mat": (
        "cars3d",
        CARS,
        cars(("data/cars/c.mat", mat(im=np.zeros((64, 64, 3), np.uint8)))),
        r"c.mat: `im` must be uint8 of shape",
    ),
    "wrong shape idx": (
        "mnist",
        MNIST_IMAGES,
        overwrite(b"\0\0\x08\x03" + bytes([0, 0, 0, 1] * 3) + b"x"),
        "must hold images of 28×28",
    ),
    "wrong number of labels": (
        "mnist",
        MNIST_LABELS,
        overwrite(b"\0\0\x08\x01" + bytes([0, 0, 0, 2, 5, 6])),
        "has 2 labels for the 30 images",
    ),
    "fortran order": (
        "dsprites",
        DSPRITES,
        npz(imgs=np.asfortranarray(np.zeros(GRID_SHAPE, np.uint8))),
        "Fortran order",
    ),
    "wrong dtype npz": (
        "dsprites",
        DSPRITES,
        npz(imgs=np.zeros(GRID_SHAPE, np.float32)),
        "must be uint8 .* got float32",
    ),
    "wrong dtype h5": (
        "shapes3d",
        "3dshapes.h5",
        h5(images=np.zeros((144, 64, 64, 3))),
        "must be uint8 .* got float64",
    ),
    "wrong dtype idx": (
        "mnist",
        MNIST_LABELS,
        overwrite(b"\0\0\x0d\x01" + bytes(8)),
        "must hold unsigned bytes",
    ),
    "values that are not binary": (
        "dsprites",
        DSPRITES,
        npz(imgs=np.full(GRID_SHAPE, 255, np.uint8)),
        "must hold 0 and 1, got 255",
    ),
    "missing key npz": (
        "mpi3d",
        "mpi3d_toy.npz",
        npz(imgs=np.zeros(GRID_SHAPE, np.uint8)),
        r"no array `images`; it holds \['imgs'\]",
    ),
    "missing key h5": (
        "shapes3d",
        "3dshapes.h5",
        h5(labels=np.zeros(3)),
        r"no array `images`; it holds \['labels'\]",
    ),
    "missing key mat": (
        "cars3d",
        CARS,
        cars(("data/cars/a.mat", mat(mask=np.zeros(3)))),
        "a.mat has no array `im`",
    ),
    "pickled array": (
        "dsprites",
        DSPRITES,
        npz(imgs=np.array([{}] * 48, dtype=object)),
        "is pickled .* never loaded",
    ),
    "path traversal": (
        "cars3d",
        CARS,
        cars(("../../data/cars/x", b"-")),
        "leads out of the archive",
    ),
    "absolute path": ("cars3d", CARS, cars(("/etc/cron.d/x", b"-")), "leads out of the archive"),
    "symbolic link": (
        "cars3d",
        CARS,
        cars((link("data/cars/b.mat"), b"")),
        "b.mat' is a link or a device",
    ),
    "hard link": (
        "cars3d",
        CARS,
        cars((link("data/cars/b.mat", tarfile.LNKTYPE), b"")),
        "b.mat' is a link or a device",
    ),
    "device file": (
        "cars3d",
        CARS,
        cars((link("data/cars/b.mat", tarfile.CHRTYPE), b"")),
        "b.mat' is a link or a device",
    ),
    "a member too large": ("cars3d", CARS, cars(listing=bytes(2 << 20)), "more than the accepted"),
    "no list": (
        "cars3d",
        CARS,
        cars(("data/cars/list.txt", None)),
        "has no member data/cars/list.txt",
    ),
    "a list of another length": (
        "cars3d",
        CARS,
        cars(listing=b"a\nb\nc\n"),
        "must name 4 different meshes, it names 3",
    ),
    "a type twice": ("cars3d", CARS, cars(listing=b"a\nb\nc\nc\n"), r"it names 4 \(3 different\)"),
    "a missing mesh": (
        "cars3d",
        CARS,
        cars(("data/cars/d.mat", None)),
        r"lacks the meshes \['d.mat'\]",
    ),
    "non-numeric labels": (
        "celeba",
        "list_attr_celeba.txt",
        edit_text("000003.jpg -1", "000003.jpg no"),
        "line 5: must be a file name and 40 values",
    ),
    "a column too few": (
        "celeba",
        "list_attr_celeba.txt",
        edit_text("000003.jpg -1 ", "000003.jpg "),
        "line 5: must be",
    ),
    "unknown columns": (
        "celeba",
        "list_attr_celeba.txt",
        edit_text("Smiling", "Frowning"),
        r"not known: \['Frowning'\]",
    ),
    "columns in another order": (
        "celeba",
        "list_attr_celeba.txt",
        edit_text("Bald Bangs", "Bangs Bald"),
        "in the official order",
    ),
    "a count that is not true": (
        "celeba",
        "list_attr_celeba.txt",
        edit_text("36", "35"),
        "says 35 pictures and lists 36",
    ),
    "a part that does not exist": (
        "celeba",
        "list_eval_partition.txt",
        edit_text("000001.jpg ", "000001.jpg 7"),
        "line 1: must be a file name and 0, 1 or 2",
    ),
    "lists that disagree": (
        "celeba",
        "list_eval_partition.txt",
        edit_text("000001.jpg", "999999.jpg"),
        "must list the same files",
    ),
    "a picture that is missing": (
        "celeba",
        "img_align_celeba/000004.jpg",
        lambda path, _: path.unlink(),
        r"lacks 1 of the 36 pictures .* 000004.jpg",
    ),
    "a list that is no text": (
        "celeba",
        "list_attr_celeba.txt",
        overwrite(b"\xff\xfe\x00"),
        "is not a text file",
    ),
    "another dataset in the right name (h5)": (
        "shapes3d",
        "3dshapes.h5",
        h5(images=np.zeros((48, 64, 64), np.uint8)),
        "must be uint8 of shape",
    ),
    "another dataset in the right name (idx)": (
        "mnist",
        MNIST_IMAGES,
        overwrite(gzip.compress(b"\0\0\x08\x01" + bytes(30))),
        "in 3 dimensions",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_one_error_that_names_file_and_cause(
    case: str, small, open_dataset, tmp_path: Path
) -> None:
    name, file, damage, message = CASES[case]
    small.WRITERS[name](tmp_path / "files")
    path = tmp_path / "files" / file
    damage(path, small)
    data = open_dataset(name)
    with pytest.raises(DataError, match=message) as error:
        data.setup()
    assert file.split("/")[0] in str(error.value)
    assert not list((tmp_path / "cache").rglob("manifest.json"))
    assert not list((tmp_path / "cache").rglob("*.tmp"))


def test_another_variant_under_this_name_is_recognised_by_its_hash(
    small, open_dataset, tmp_path: Path
) -> None:
    small.write_mpi3d(tmp_path / "files")
    data = open_dataset("mpi3d")
    known = digest_of_file(tmp_path / "files" / "mpi3d_toy.npz", "md5")
    data.card = replace(
        data.card, files=(replace(data.card.files[0], impostors=((known, "mpi3d_real.npz"),)),)
    )
    with pytest.raises(
        DataError, match=r"mpi3d_toy.npz is mpi3d_real.npz under the name of mpi3d_toy.npz"
    ):
        data.setup()


@contextmanager
def without_rights(folder: Path) -> Iterator[None]:
    """Nobody but root may read the folder, and root becomes nobody meanwhile."""
    folder.chmod(0)
    if os.getuid() == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(os.getuid())
        folder.chmod(0o755)


@pytest.mark.parametrize(
    ("name", "folder"),
    [("shapes3d", "files"), ("celeba", "files"), ("celeba", "files/img_align_celeba")],
)
def test_an_unreadable_directory_is_one_error(name: str, folder: str, small, open_dataset) -> None:
    with TemporaryDirectory() as place:  # not in tmp_path, which nobody but its owner may enter
        files = Path(place) / "files"
        files.mkdir()
        Path(place).chmod(0o755)
        small.WRITERS[name](files)
        with (
            without_rights(Path(place) / folder),
            pytest.raises(DataError, match=rf"cannot read .*{folder}.*: Permission denied"),
        ):
            open_dataset(name, data_dir=files, cache_dir=Path(place) / "cache").setup()


def test_a_file_in_place_of_the_cache_directory_is_one_error(
    small, open_dataset, tmp_path: Path
) -> None:
    small.write_shapes3d(tmp_path / "files")
    (tmp_path / "cache").write_text("")
    with pytest.raises(DataError, match=r"cannot write the cache .*Not a directory"):
        open_dataset("shapes3d").setup()


def test_the_pickle_in_the_official_dsprites_file_is_never_loaded(
    small, open_dataset, tmp_path: Path, monkeypatch
) -> None:
    small.write_dsprites(tmp_path / "files")
    for function in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(
            pickle, function, lambda *_, **__: pytest.fail("something was unpickled")
        )
    open_dataset("dsprites").setup()

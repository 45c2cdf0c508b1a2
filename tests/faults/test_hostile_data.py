"""Data files and archives that someone else has made: nothing in them runs, nothing is written or
read elsewhere on this machine, none fills the memory; each is named in one line.
"""

from __future__ import annotations

import gzip
import io
import os
import pickle
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from PIL import Image

from vae_granularity.data import cars3d, image_sources
from vae_granularity.data.files import cache, readers
from vae_granularity.data.files.declaration import RemoteFile
from vae_granularity.data.files.sources import find
from vae_granularity.data.image_labels import csv_columns
from vae_granularity.data.images import Images
from vae_granularity.data.mnist import MNIST
from vae_granularity.errors import DataError
from vae_granularity.files import digest_of_file
from vae_granularity.runs.config_file import load_config

LIMIT = 1_000_000
SHAPE = (4, 2, 2)
DESCRIBED = "---\nconfigs:\n- config_name: default\n  data_files: {}\n---\n"  # README.md
Read = Callable[[], Any]


class Touch:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def executed(folder: Path) -> Path:
    return folder / "executed"


def secret(folder: Path, suffix: str) -> Path:
    """A file of this machine that is none of the data set's."""
    return folder / "victim" / f"secret.{suffix}"


# Bombs


def gzip_bomb(folder: Path) -> Read:
    (folder / "x").write_bytes(gzip.compress(bytes(3 * LIMIT)))
    return lambda: readers.idx_array(folder / "x", 3, max_bytes=LIMIT)


def gzip_bomb_to_hash(folder: Path) -> Read:
    (folder / "x").write_bytes(gzip.compress(bytes(3 * LIMIT)))
    return lambda: digest_of_file(folder / "x", of_content=True, max_bytes=LIMIT)


def matlab_bomb(folder: Path) -> Read:
    packed = zlib.compress(bytes(readers.MEMBER_BYTES + 1), 1)
    content = b"MATLAB 5.0".ljust(128) + struct.pack("<II", 15, len(packed)) + packed
    return lambda: cars3d._mesh("x", content, (1,))


def zip_bomb(folder: Path) -> Read:
    with zipfile.ZipFile(folder / "x", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("member", bytes(3 * LIMIT))
    return lambda: list(readers.members(folder / "x", lambda _: True, LIMIT))


def tar_of_a_long_name(folder: Path) -> Read:
    """The name of a member is read into memory, whoever wants the member."""
    with tarfile.open(folder / "x", "w:gz", format=tarfile.GNU_FORMAT) as archive:
        archive.addfile(tarfile.TarInfo("n" * LIMIT))
    return lambda: list(readers.members(folder / "x", lambda _: False, LIMIT))


def array_of_a_long_header(folder: Path) -> Read:
    header = b"\x93NUMPY\x02\x00" + struct.pack("<I", 3 * LIMIT) + bytes(3 * LIMIT)
    with zipfile.ZipFile(folder / "x.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images.npy", header)
    return lambda: Images(path=str(folder / "x.npz"), cache_dir=folder / "cache").inspect()


def labels_bomb(folder: Path) -> Read:
    big = {"descr": "<i8", "fortran_order": False, "shape": (2, image_sources.MAX_LABEL_BYTES)}
    with zipfile.ZipFile(folder / "x.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("images.npy", "w") as member:
            np.save(member, np.zeros((2, 8, 8), np.uint8))
        with archive.open("factors.npy", "w") as member:
            np.lib.format.write_array_header_1_0(member, big)
    return own_images(folder, "x.npz", factors="factors")


def picture_bomb(folder: Path) -> Read:
    """A header of 60 000 by 60 000 pixels."""
    sizes = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    chunk = b"IHDR" + sizes
    png = (
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    )
    (folder / "x").mkdir()
    (folder / "x" / "a.png").write_bytes(png)
    return own_images(folder, "x")


def yaml_bomb(folder: Path) -> Read:
    """Nine levels of ten aliases are 10⁹ words."""
    levels = ["a0: &a0 [x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    (folder / "x").write_text("\n".join(levels))
    return lambda: load_config(folder / "x")


# What never ends


def pipe(folder: Path) -> Read:
    os.mkfifo(folder / "x")
    return lambda: find((RemoteFile("x"),), [folder])


def pipe_of_pictures(folder: Path) -> Read:
    (folder / "x").mkdir()
    os.mkfifo(folder / "x" / "a.png")
    return own_images(folder, "x")


def pipe_of_labels(folder: Path) -> Read:
    os.mkfifo(folder / "x")
    return lambda: csv_columns(folder / "x", None)


# Archives that lead elsewhere


def zip_of(name: str, link: bool = False) -> Callable[[Path], Read]:
    def make(folder: Path) -> Read:
        info = zipfile.ZipInfo(name)
        info.external_attr = 0o120777 << 16 if link else 0
        with zipfile.ZipFile(folder / "x", "w") as archive:
            archive.writestr(info, "../../victim/secret.png" if link else "owned")
        return lambda: list(readers.members(folder / "x", lambda _: True, LIMIT))

    return make


def tar_of(name: str, kind: bytes = tarfile.REGTYPE) -> Callable[[Path], Read]:
    def make(folder: Path) -> Read:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, str(secret(folder, "png"))
        with tarfile.open(folder / "x", "w") as archive:
            archive.addfile(info)
        return lambda: list(readers.members(folder / "x", lambda _: True, LIMIT))

    return make


# Pickles and programs


def pickled_images(folder: Path) -> Read:
    np.savez(folder / "x.npz", imgs=np.array([Touch(executed(folder))], dtype=object))
    return lambda: list(readers.npz_images(folder / "x.npz", "imgs", (1, 8, 8)))


def pickled_labels(folder: Path) -> Read:
    labels = np.array([Touch(executed(folder))] * 2, dtype=object)
    np.savez(folder / "x.npz", images=np.zeros((2, 8, 8), np.uint8), factors=labels)
    return own_images(folder, "x.npz", factors="factors")


def postscript(folder: Path) -> Read:
    """Pillow hands it to Ghostscript, whatever its name says."""
    (folder / "x").mkdir()
    text = "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n%%EOF\n"
    (folder / "x" / "a.png").write_text(text)
    return own_images(folder, "x")


def script_in_a_table(folder: Path) -> Read:
    (folder / "x").mkdir()
    code = f"from pathlib import Path\nPath({str(executed(folder))!r}).touch()\n"
    (folder / "x" / "x.py").write_text(code)
    return hub_digits(folder)


def pickle_in_a_table(folder: Path) -> Read:
    (folder / "x").mkdir()
    (folder / "x" / "x.pkl").write_bytes(pickle.dumps(Touch(executed(folder))))
    (folder / "x" / "README.md").write_text(DESCRIBED.format("x.pkl"))
    return hub_digits(folder)


# Files that name others of this machine


def own_images(folder: Path, name: str, **options: Any) -> Read:
    def read() -> None:
        Images(path=str(folder / name), cache_dir=folder / "cache", **options).setup()

    return read


def hub_digits(folder: Path) -> Read:
    module = MNIST(source="hub", hub_id=str(folder / "x"), cache_dir=folder / "cache")
    return module.prepare_data


def hdf5(write: Callable[[h5py.File, Path], object]) -> Callable[[Path], Read]:
    def make(folder: Path) -> Read:
        with h5py.File(folder / "x", "w") as file:
            write(file, secret(folder, "h5"))
        return lambda: list(readers.h5_images(folder / "x", "images", SHAPE))

    return make


def external_link(file: h5py.File, other: Path) -> None:
    file["images"] = h5py.ExternalLink(str(other), "images")


def soft_link(file: h5py.File, other: Path) -> None:
    file["there"] = h5py.ExternalLink(str(other), "images")
    file["images"] = h5py.SoftLink("/there")


def external_storage(file: h5py.File, other: Path) -> None:
    file.create_dataset("images", SHAPE, np.uint8, external=[(str(other), 0, 16)])


def virtual_array(file: h5py.File, other: Path) -> None:
    layout = h5py.VirtualLayout(SHAPE, np.uint8)
    layout[:] = h5py.VirtualSource(str(other), "images", SHAPE)
    file.create_virtual_dataset("images", layout)


def table_of(*cells: dict[str, Any]) -> Any:
    """A table whose pictures are these cells, as the file of a stranger may have them."""
    datasets = pytest.importorskip("datasets")
    import pyarrow

    features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("int64")})
    columns = {"image": list(cells), "label": list(range(len(cells)))}
    return pyarrow.table(columns, schema=features.arrow_schema)


def named_picture(folder: Path) -> None:
    import pyarrow.parquet

    (folder / "x").mkdir()
    table = table_of({"bytes": None, "path": str(secret(folder, "png"))})
    pyarrow.parquet.write_table(table, folder / "x" / "train.parquet")


def hub_row(folder: Path) -> Read:
    named_picture(folder)
    return hub_digits(folder)


def own_row(folder: Path) -> Read:
    named_picture(folder)
    return own_images(folder, "x")


def elsewhere(folder: Path, name: str) -> Path:
    import pyarrow.parquet

    picture = io.BytesIO()
    Image.new("L", (28, 28), 200).save(picture, "PNG")
    table = table_of({"bytes": picture.getvalue(), "path": None})
    path = folder / "victim" / name
    if name.endswith("parquet"):
        pyarrow.parquet.write_table(table, path)
    else:
        with pyarrow.ipc.new_stream(str(path), table.schema) as stream:
            stream.write_table(table)
    return path


def described_elsewhere(folder: Path) -> Read:
    path = elsewhere(folder, "rows.parquet")
    (folder / "x").mkdir()
    (folder / "x" / "README.md").write_text(DESCRIBED.format(path))
    return hub_digits(folder)


def saved_elsewhere(folder: Path) -> Read:
    datasets = pytest.importorskip("datasets")
    path = elsewhere(folder, "rows.arrow")
    rows = {"image": [Image.new("L", (28, 28))], "label": [1]}
    datasets.Dataset.from_dict(rows).save_to_disk(str(folder / "x"))
    state = folder / "x" / "state.json"
    state.write_text(
        state.read_text().replace("data-00000-of-00001.arrow", f"../victim/{path.name}")
    )
    return hub_digits(folder)


def another_format(folder: Path) -> Read:
    """The library's own reader of HDF5 follows links."""
    (folder / "x").mkdir()
    with h5py.File(folder / "x" / "train.h5", "w") as file:
        external_link(file, secret(folder, "h5"))
    return hub_digits(folder)


HOSTILE: dict[str, tuple[Callable[[Path], Read], str]] = {
    # what it is: how it is made and read, words of the line
    "gzip bomb": (gzip_bomb, "more than the accepted 1,000,000 bytes"),
    "gzip bomb, hashed": (gzip_bomb_to_hash, "unpacks to more than 1,000,000 bytes"),
    "MATLAB bomb": (matlab_bomb, "unpacks to more than 67,108,864 bytes"),
    "zip bomb": (zip_bomb, "3,000,000 bytes unpacked, more than the accepted 1,000,000"),
    "tar with a name of a megabyte": (tar_of_a_long_name, "a header of 1,000,001 bytes"),
    "array with a header of megabytes": (array_of_a_long_header, "has no readable header"),
    "labels bomb": (labels_bomb, "must hold labels of at most 1,073,741,824 bytes"),
    "picture bomb": (picture_bomb, "is not a whole picture"),
    "YAML bomb": (yaml_bomb, "refers to parts of itself by aliases"),
    "pipe": (pipe, "is no file: a pipe or a device"),
    "pipe among pictures": (pipe_of_pictures, "a pipe or a device"),
    "pipe of labels": (pipe_of_labels, "a pipe or a device"),
    "zip, absolute path": (zip_of("/etc/cron.d/x"), "leads out of the archive"),
    "zip, climbing path": (zip_of("a/../../victim/x"), "leads out of the archive"),
    "zip, climbing path of Windows": (zip_of("a\\..\\..\\x"), "leads out of the archive"),
    "zip, link": (zip_of("a.png", link=True), "is a link or a device"),
    "tar, absolute path": (tar_of("/etc/cron.d/x"), "leads out of the archive"),
    "tar, climbing path": (tar_of("../victim/x"), "leads out of the archive"),
    "tar, symbolic link": (tar_of("a.png", tarfile.SYMTYPE), "is a link or a device"),
    "tar, hard link": (tar_of("a.png", tarfile.LNKTYPE), "is a link or a device"),
    "tar, device": (tar_of("a.png", tarfile.CHRTYPE), "is a link or a device"),
    "pickled images": (pickled_images, "is pickled"),
    "pickled labels": (pickled_labels, "array of dataset.factors"),
    "PostScript as a picture": (postscript, "is not a whole picture"),
    "script in a hub folder": (script_in_a_table, "cannot be loaded"),
    "pickle in a hub folder": (pickle_in_a_table, "cannot be loaded|must be one of"),
    "HDF5, external link": (hdf5(external_link), "no array `images`"),
    "HDF5, soft link": (hdf5(soft_link), "no array `images`"),
    "HDF5, external storage": (hdf5(external_storage), "lies in other files"),
    "HDF5, virtual array": (hdf5(virtual_array), "lies in other files"),
    "hub row that names a file": (hub_row, r"row 0 names the file .*secret.png"),
    "row of one's own table that names a file": (own_row, r"row 0 names the file .*secret.png"),
    "hub folder that describes other files": (described_elsewhere, r"names the file .* outside"),
    "saved table of other files": (saved_elsewhere, r"names the file .* outside"),
    "hub folder of another format": (another_format, "must be one of arrow, imagefolder, parquet"),
}


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_data_file_is_refused_in_one_line(case, tmp_path):
    make, words = HOSTILE[case]
    victim = tmp_path / "victim"
    victim.mkdir()
    Image.new("L", (28, 28), 200).save(secret(tmp_path, "png"))
    with h5py.File(secret(tmp_path, "h5"), "w") as file:
        file["images"] = np.full(SHAPE, 7, np.uint8)
    read = make(tmp_path)
    before = {path: path.read_bytes() for path in victim.iterdir()}
    with pytest.raises(DataError, match=words) as error:
        read()
    message = str(error.value)
    assert len(message.splitlines()) == 1
    head = message.replace(str(tmp_path), "").split(":")[0]
    assert "x" in head or "hub data set of mnist" in head
    assert not executed(tmp_path).exists()
    assert {path: path.read_bytes() for path in victim.iterdir()} == before
    assert not list((tmp_path / "cache").rglob(cache.MANIFEST))


@pytest.mark.parametrize("name", [cache.MANIFEST, cache.IMAGES])
def test_a_pipe_in_the_cache_is_no_cache(name, tmp_path):
    def stream() -> cache.ImageStream:
        chunks = [(np.arange(2), np.zeros((2, 1, 8, 8), np.uint8))]
        return cache.ImageStream((1, 8, 8), {"train": 2}, chunks)

    cache.prepare(tmp_path / "images", stream)
    (tmp_path / "images" / name).unlink()
    os.mkfifo(tmp_path / "images" / name)
    assert cache.load(tmp_path / "images") is None
    assert cache.prepare(tmp_path / "images", stream)["parts"] == {"train": 2}


def test_a_row_that_holds_its_picture_is_read(tmp_path):
    """Names of files beside the bytes, as the hub's tables have them, are not looked at."""
    import pyarrow.parquet

    picture = io.BytesIO()
    Image.new("L", (28, 28), 200).save(picture, "PNG")
    (tmp_path / "x").mkdir()
    cells = [{"bytes": picture.getvalue(), "path": "/etc/passwd"}] * 10
    pyarrow.parquet.write_table(table_of(*cells), tmp_path / "x" / "train.parquet")
    own_images(tmp_path, "x", batch_size=4)()

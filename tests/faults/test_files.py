"""Data files and servers that misbehave: one error that names the file, in time, within bounds."""

from __future__ import annotations

import gzip
import os
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import h5py
import numpy as np
import pytest
from digits import write_digits

from vae_granularity import load_run
from vae_granularity.data import cars3d
from vae_granularity.data.files import hub
from vae_granularity.data.files.declaration import RemoteFile, digest
from vae_granularity.data.files.download import DownloadError, Patience, fetch
from vae_granularity.data.files.readers import h5_images, idx_array
from vae_granularity.data.files.sources import find
from vae_granularity.errors import DataError

BODY = bytes(range(256)) * 400
QUICK = Patience(connect=1, read=0.3, attempts=2, backoff=0.01)


class Handler(BaseHTTPRequestHandler):
    """Each address misbehaves in the way that it names."""

    def do_GET(self) -> None:
        how = self.path.strip("/")
        if how == "416":
            return self.say(416, Content_Length="0")
        if how == "redirect":
            return self.say(302, Location="http://[not an address/", Content_Length="0")
        if how == "retry":
            return self.say(503, Retry_After="²".encode("latin-1").decode("latin-1"))
        if how == "headers":
            self.wfile.write(b"HTTP/1.1 200 OK\r\n")
            return self.drip(b"X: y\r\n" * 1000)
        if how == "length":
            self.say(200, Content_Length="abc")
            self.wfile.write(BODY)
            return None
        if how == "one byte a time":
            return self.say(200)
        self.say(200)
        if how == "drip":
            return self.drip(BODY)
        while how == "endless":
            self.wfile.write(BODY)
        return None

    def say(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def drip(self, content: bytes) -> None:
        for number in range(len(content)):
            self.wfile.write(content[number : number + 1])
            time.sleep(0.05)

    def log_message(self, *_: object) -> None: ...


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


SERVERS = {
    "drip": "less than 1024 bytes a second",
    "headers": "no whole answer within 2.6 s",
    "endless": "more than the 500,000 bytes that the file may have",
    "416": "HTTP 416 to a request for the whole file",
    "redirect": "it answers what is no HTTP",
    "retry": r"HTTP 503 \(2 attempts\)",
}


@pytest.mark.parametrize("how", SERVERS)
def test_a_server_that_misbehaves_is_given_up_with_its_reason(how, address, tmp_path):
    started = time.monotonic()
    with pytest.raises(DownloadError, match=SERVERS[how]):
        fetch(RemoteFile("x", urls=(f"{address}/{how}",), max_bytes=500_000), tmp_path, QUICK)
    assert time.monotonic() - started < 10
    assert not (tmp_path / "x").exists()
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 500_000


def test_a_length_that_is_no_number_is_ignored(address, tmp_path):
    path = fetch(RemoteFile("x", urls=(f"{address}/length",)), tmp_path, QUICK)
    assert path.read_bytes() == BODY


def test_a_part_that_is_a_link_is_replaced_not_followed(address, tmp_path):
    mine = tmp_path / "mine"
    mine.write_text("mine")
    (tmp_path / "x.part").symlink_to(mine)
    fetch(RemoteFile("x", urls=(f"{address}/length",)), tmp_path, QUICK)
    assert mine.read_text() == "mine"
    assert not (tmp_path / "x").is_symlink()


def test_a_gzip_bomb_is_refused_while_it_is_unpacked(tmp_path):
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(bytes(3_000_000)))
    with pytest.raises(DataError, match="more than the accepted 1,000,000 bytes"):
        idx_array(path, 3, max_bytes=1_000_000)
    with pytest.raises(DataError, match="unpacks to more than 1,000,000 bytes"):
        digest(path, "sha256", of_content=True, max_bytes=1_000_000)


def test_a_matlab_bomb_is_refused_while_it_is_unpacked(monkeypatch):
    monkeypatch.setattr(cars3d, "MEMBER_BYTES", 1_000_000)
    packed = zlib.compress(bytes(3_000_000))
    content = b"MATLAB 5.0".ljust(128) + struct.pack("<II", 15, len(packed)) + packed
    with pytest.raises(DataError, match=r"a.mat is not .*: it unpacks to more than 1,000,000"):
        cars3d._mesh("a.mat", content, (1,))


def test_a_pipe_in_place_of_a_file_is_refused_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "x")
    with pytest.raises(DataError, match="x is no file: a pipe or a device"):
        find((RemoteFile("x"),), [tmp_path])


def test_a_config_that_unpacks_to_anything_is_refused(tmp_path):
    """A YAML bomb: nine levels of ten aliases are 10⁹ words."""
    levels = ["a0: &a0 [x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    (tmp_path / "config.yaml").write_text("\n".join(levels))
    with pytest.raises(DataError, match="refers to parts of itself by aliases"):
        load_run(tmp_path)


SHAPE = (4, 2, 2, 3)


def _other_file(folder: Path) -> Path:
    with h5py.File(folder / "secret.h5", "w") as file:
        file["images"] = np.ones(SHAPE, np.uint8)
    (folder / "secret.raw").write_bytes(bytes(48))
    return folder / "secret.h5"


def _link(file: h5py.File, other: Path) -> None:
    file["images"] = h5py.ExternalLink(str(other), "images")


def _external(file: h5py.File, other: Path) -> None:
    place = [(str(other.with_suffix(".raw")), 0, h5py.h5f.UNLIMITED)]
    file.create_dataset("images", SHAPE, np.uint8, external=place)


def _virtual(file: h5py.File, other: Path) -> None:
    layout = h5py.VirtualLayout(SHAPE, np.uint8)
    layout[:] = h5py.VirtualSource(str(other), "images", SHAPE)
    file.create_virtual_dataset("images", layout)


@pytest.mark.parametrize("way", [_link, _external, _virtual])
def test_an_hdf5_file_whose_images_lie_in_another_is_refused(way, tmp_path):
    other = _other_file(tmp_path)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        way(file, other)
    with pytest.raises(DataError, match=r"x.h5.*(no array `images`|in other files)"):
        list(h5_images(tmp_path / "x.h5", "images", SHAPE))


def test_a_row_of_a_hub_table_that_names_a_file_is_refused(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    from PIL import Image

    from vae_granularity.data.mnist import MNIST

    Image.new("L", (28, 28), 200).save(tmp_path / "secret.png")
    features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("int64")})
    rows = {"image": [{"bytes": None, "path": str(tmp_path / "secret.png")}], "label": [1]}
    table = datasets.Dataset.from_dict(rows, features=features)
    monkeypatch.setattr(hub, "load", lambda *_: {"train": table, "test": table})
    data = MNIST(source="hub", hub_id=str(tmp_path), cache_dir=tmp_path / "cache")
    with pytest.raises(DataError, match=r"row 0 names the file .*secret.png"):
        data.prepare_data()


def test_whole_files_are_still_read(tmp_path):
    write_digits(tmp_path, counts=(30, 10))
    assert idx_array(tmp_path / "train-images-idx3-ubyte", 3).shape == (30, 28, 28)

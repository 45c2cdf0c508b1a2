"""Downloads against a local server that misbehaves in each way a real one does."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from vae_granularity.data.files import download, sources
from vae_granularity.data.files.declaration import RemoteFile
from vae_granularity.data.files.download import DownloadError, Patience, fetch, reachable
from vae_granularity.errors import DataError

CONTENT = bytes(range(256)) * 4000  # a megabyte
SHA256 = hashlib.sha256(CONTENT).hexdigest()
QUICK = Patience(connect=1, read=0.3, attempts=3, backoff=0.01)


class Handler(http.server.BaseHTTPRequestHandler):
    """`/BEHAVIOUR/name` misbehaves as named the first `server.times` times, then serves the file,
    with ranges.
    """

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.end_headers()

    def do_GET(self) -> None:
        behaviour = self.path.split("/")[1]
        self.server.requests.append((behaviour, self.headers.get("Range")))
        bad = self.server.times > 0
        self.server.times -= 1
        if bad and behaviour.isdigit():
            self.send_response(int(behaviour))
            self.send_header("Retry-After", "0")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if bad and behaviour == "silent":
            time.sleep(0.6)
            return
        start = (
            int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
            if "Range" in self.headers
            else 0
        )
        if behaviour == "norange":
            start = 0
        if start >= len(CONTENT):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(CONTENT)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = CONTENT[start:]
        if bad and behaviour == "wrong":
            body = body[:-1] + b"!"
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        self.end_headers()
        if bad and behaviour in ("drop", "stall", "norange"):
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            if behaviour == "stall":
                time.sleep(0.6)
            return
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


class Server(http.server.ThreadingHTTPServer):
    times: int
    requests: list[tuple[str, str | None]]

    def url(self, behaviour: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{behaviour}/file.bin"

    def handle_error(self, *_: object) -> None: ...  # clients that hang up are what is tested


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as server:
        server.times, server.requests = 0, []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def remote(*urls: str, **options: object) -> RemoteFile:
    return replace(RemoteFile("file.bin", urls=urls, sha256=SHA256), **options)


@pytest.mark.parametrize(
    "behaviour", ["ok", "drop", "stall", "silent", "norange", "429", "503", "500"]
)
def test_a_failure_that_passes_ends_in_the_whole_file(
    behaviour: str, server: Server, tmp_path: Path
) -> None:
    server.times = 0 if behaviour == "ok" else 1
    path = fetch(remote(server.url(behaviour)), tmp_path, QUICK)
    assert path.read_bytes() == CONTENT
    assert not (tmp_path / "file.bin.part").exists()
    assert len(server.requests) == 1 + (behaviour != "ok")


def test_a_dropped_download_is_resumed_where_it_stopped(server: Server, tmp_path: Path) -> None:
    server.times = 1
    fetch(remote(server.url("drop")), tmp_path, QUICK)
    (_, first), (_, second) = server.requests
    resumed_at = int(second.removeprefix("bytes=").removesuffix("-"))
    assert first is None
    assert 0 <= len(CONTENT) // 2 - resumed_at < download.BLOCK


def test_the_part_of_an_earlier_process_is_resumed(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.bin.part").write_bytes(CONTENT[:1000])
    assert fetch(remote(server.url("ok")), tmp_path, QUICK).read_bytes() == CONTENT
    assert server.requests == [("ok", "bytes=1000-")]


@pytest.mark.parametrize("part", [b"of another version", CONTENT, CONTENT + b"and more"])
def test_a_part_that_does_not_fit_is_fetched_anew(
    part: bytes, server: Server, tmp_path: Path
) -> None:
    (tmp_path / "file.bin.part").write_bytes(part)
    assert fetch(remote(server.url("ok")), tmp_path, QUICK).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        ("404", "404/file.bin: HTTP 404"),
        ("429", r"HTTP 429 \(3 attempts\)"),
        ("503", r"HTTP 503 \(3 attempts\)"),
        ("wrong", f"wrong content: sha256 .*, expected {SHA256}"),
        ("silent", r"dropped or stalled \(3 attempts\)"),
    ],
)
def test_a_failure_that_stays_names_what_the_mirror_did_and_leaves_no_file(
    behaviour: str, message: str, server: Server, tmp_path: Path
) -> None:
    server.times = 1000
    with pytest.raises(DownloadError, match=message):
        fetch(remote(server.url(behaviour)), tmp_path, QUICK)
    assert not (tmp_path / "file.bin").exists()
    assert not (tmp_path / "file.bin.part").exists()


@pytest.mark.parametrize("first", ["404", "wrong", "503"])
def test_the_next_mirror_is_tried(first: str, server: Server, tmp_path: Path) -> None:
    server.times = 3 if first == "503" else 1
    assert (
        fetch(remote(server.url(first), server.url("ok")), tmp_path, QUICK).read_bytes() == CONTENT
    )


def test_a_drop_at_every_attempt_still_ends_because_each_makes_progress(
    server: Server, tmp_path: Path
) -> None:
    server.times = 4
    assert fetch(remote(server.url("drop")), tmp_path, QUICK).read_bytes() == CONTENT


def test_nothing_is_retried_after_404(server: Server, tmp_path: Path) -> None:
    server.times = 1000
    with pytest.raises(DownloadError):
        fetch(remote(server.url("404")), tmp_path, QUICK)
    assert len(server.requests) == 1


def test_the_hash_may_be_of_what_is_inside_the_gzip(
    server: Server, tmp_path: Path, monkeypatch
) -> None:
    inside = b"IDX" * 100
    monkeypatch.setattr(f"{__name__}.CONTENT", gzip.compress(inside))
    file = remote(server.url("ok"), sha256=hashlib.sha256(inside).hexdigest(), hash_of_content=True)
    assert gzip.decompress(fetch(file, tmp_path, QUICK).read_bytes()) == inside


def test_two_processes_fetch_a_file_once(server: Server, tmp_path: Path) -> None:
    threads = [
        threading.Thread(target=fetch, args=(remote(server.url("ok")), tmp_path, QUICK))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.requests) == 1
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_a_full_disk_is_one_error(server: Server, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(
        DataError, match=r"no space left in .*file.bin needs 1,024,000 more bytes, 1,000 are free"
    ):
        fetch(remote(server.url("ok")), tmp_path, QUICK)
    assert not (tmp_path / "file.bin").exists()


def test_hosts_that_do_not_answer_are_given_up_together_in_the_time_allowed(
    server: Server, monkeypatch
) -> None:
    def no_name_server(*_: object, **__: object) -> None:
        time.sleep(2)
        raise socket.gaierror("Temporary failure in name resolution")

    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        silent = [f"http://127.0.0.1:{deaf.getsockname()[1]}/{number}" for number in range(4)]
        with monkeypatch.context() as patch:
            start = time.monotonic()
            patch.setattr(socket, "getaddrinfo", no_name_server)
            assert reachable(["http://nowhere.invalid/a", "http://nowhere.invalid/b"], 0.5) == set()
            assert time.monotonic() - start < 1.0
        start = time.monotonic()
        assert reachable([*silent, server.url("ok")], 0.5) == {server.url("ok")}
        assert time.monotonic() - start < 1.0


def test_a_read_only_data_dir_sends_downloads_to_the_cache(
    server: Server, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(
        sources.os, "access", lambda path, _: tmp_path / "cache" in Path(path).parents
    )
    roots = sources.search_roots("x", tmp_path / "data", tmp_path / "cache")
    found = sources.fetch_all([remote(server.url("ok"))], roots, brisk=True)
    assert found == {"file.bin": tmp_path / "cache" / "x" / "downloads" / "file.bin"}
    assert sources.find((remote(),), roots) == found

"""Data files and servers that misbehave: one error that names the file, in time, within bounds."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from digits import write_digits

from vae_granularity.data.files.declaration import RemoteFile
from vae_granularity.data.files.download import DownloadError, Patience, fetch
from vae_granularity.data.files.readers import idx_array

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
    "redirect": "invalid HTTP response",
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


def test_whole_files_are_still_read(tmp_path):
    write_digits(tmp_path, counts=(30, 10))
    assert idx_array(tmp_path / "train-images-idx3-ubyte", 3).shape == (30, 28, 28)

"""Download one file: mirrors in order, resumed when cut off, retried with back-off, hashed."""

import os
import shutil
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import requests
from rich.console import Console
from rich.progress import DownloadColumn, Progress, TransferSpeedColumn
from urllib3.exceptions import HTTPError, ProtocolError
from urllib3.exceptions import TimeoutError as ReadTimeout

from vae_granularity.data.files.declaration import RemoteFile
from vae_granularity.data.files.locks import locked
from vae_granularity.errors import DataError, ResourceError
from vae_granularity.files import digest_of_file, open_to_append

HEADERS = {"Accept-Encoding": "identity"}  # a decoded body would break resuming by byte offset
BLOCK = 1 << 16  # what a dropped connection may lose
PASSING = (408, 425, 429, 500, 502, 503, 504)  # statuses worth another attempt
LONGEST_WAIT = 30.0
DROPPED = "the connection was dropped or stalled"
SLOWEST = 1024  # bytes a second, over `Patience.read` seconds


@dataclass(frozen=True)
class Patience:
    """Limits of waiting and of attempts."""

    connect: float  # seconds for a connection
    read: float  # seconds for the next bytes
    attempts: int  # in a row without progress
    backoff: float  # seconds before the second attempt, doubling with each further one


PATIENT = Patience(connect=10, read=30, attempts=4, backoff=1.0)
# For source=auto, which can draw images instead.
BRISK = Patience(connect=3, read=3, attempts=2, backoff=0.5)


class DownloadError(DataError):
    """A file could not be had from any of its mirrors; the message says what each one did."""


class _RetryError(Exception):
    """The attempt failed in a way that may pass; `wait` is the server's Retry-After in seconds."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


def reachable(urls: Iterable[str], seconds: float) -> set[str]:
    """Return the URLs whose host answers at all within `seconds`, name look-up included."""
    alive: set[str] = set()

    def knock(url: str) -> None:
        try:
            requests.head(url, headers=HEADERS, timeout=seconds, allow_redirects=False).close()
        except requests.RequestException:
            return
        alive.add(url)

    # Daemons: a name look-up cannot be interrupted, and must not hold up the end of the process.
    knocks = [threading.Thread(target=knock, args=(url,), daemon=True) for url in urls]
    deadline = time.monotonic() + seconds
    for thread in knocks:
        thread.start()
    for thread in knocks:
        thread.join(max(0.0, deadline - time.monotonic()))
    return set(alive)


def fetch(
    file: RemoteFile, directory: Path, patience: Patience, urls: Iterable[str] | None = None
) -> Path:
    """Return the file in `directory`, downloading it if it is not there.

    One process downloads while others wait.

    Mirrors are tried in order, `urls` or all declared ones. An unfinished download stays in the
    directory as NAME.part and is resumed.

    Raises:
        DownloadError: no mirror gave the file; names what each did.
        DataError: the directory cannot be written, or the disk is full.
    """
    target = directory / file.name
    partial = directory / f"{file.name}.part"
    reasons = []
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with locked(directory / f".{file.name}.lock"):
            if target.exists():
                return target
            for url in file.urls if urls is None else urls:
                try:
                    _from_mirror(url, file, partial, patience)
                except DownloadError as error:
                    reasons.append(f"{url}: {error}")
                else:
                    os.replace(partial, target)
                    return target
    except OSError as error:
        raise ResourceError(f"cannot write {target}: {error.strerror or error}") from error
    raise DownloadError("; ".join(reasons))


def _from_mirror(url: str, file: RemoteFile, partial: Path, patience: Patience) -> None:
    """Complete the partial file from one mirror and check its hash."""
    is_fresh = not partial.exists()
    _persist(url, partial, patience, file.max_bytes)
    if file.digest is None:
        return
    algorithm, expected = file.digest
    actual = digest_of_file(
        partial, algorithm, of_content=file.hash_of_content, max_bytes=file.max_bytes
    )
    if actual == expected:
        return
    partial.unlink()
    if is_fresh:
        raise DownloadError(f"wrong content: {algorithm} {actual}, expected {expected}")
    # What an earlier process downloaded may be of another version: once more from the start.
    _from_mirror(url, file, partial, patience)


def _persist(url: str, partial: Path, patience: Patience, max_bytes: int) -> None:
    """Try until the partial file is whole or too many attempts in a row made no progress."""
    failures = 0
    while True:
        before = _size(partial)
        try:
            return _transfer(url, partial, patience, max_bytes)
        except _RetryError as error:
            failures = 0 if _size(partial) >= before + BLOCK else failures + 1
            if failures >= patience.attempts:
                raise DownloadError(f"{error} ({patience.attempts} attempts)") from error
            backoff = patience.backoff * 2 ** max(0, failures - 1)
            time.sleep(min(LONGEST_WAIT, backoff if error.wait is None else error.wait))


def _transfer(url: str, partial: Path, patience: Patience, max_bytes: int) -> None:
    """Append the rest of the body to the partial file, up to `max_bytes`, in one attempt."""
    size = _size(partial)
    answered = False
    headers = HEADERS | ({"Range": f"bytes={size}-"} if size else {})
    timeout = (patience.connect, patience.read)
    try:
        with _answer(url, headers, timeout) as response:
            answered = True
            _receive(response, partial, size, patience, max_bytes)
    except requests.ConnectTimeout as error:
        raise DownloadError(f"no connection within {patience.connect:g} s") from error
    except (requests.exceptions.ChunkedEncodingError, requests.Timeout) as error:
        raise _RetryError(DROPPED) from error
    except requests.ConnectionError as error:
        if answered or isinstance(error.args[0], ProtocolError):
            raise _RetryError(DROPPED) from error
        raise DownloadError("no connection (is there a network?)") from error
    # The body is read by urllib3, with its own errors; a malformed redirect is a ValueError.
    except (HTTPError, requests.RequestException, ValueError) as error:
        if answered and isinstance(error, (ProtocolError, ReadTimeout)):
            raise _RetryError(DROPPED) from error
        raise DownloadError(f"invalid HTTP response: {error}") from error


def _answer(url: str, headers: dict[str, str], timeout: tuple[float, float]) -> requests.Response:
    """Return the answer once its headers are there; a server may send them a byte at a time.

    Raises:
        DownloadError: they do not arrive in time.
    """
    results: list[requests.Response | Exception] = []

    def request() -> None:
        try:
            results.append(requests.get(url, headers=headers, stream=True, timeout=timeout))
        except Exception as error:  # of any kind: raised by the thread that waits
            results.append(error)

    # A daemon: a request that drips cannot be interrupted, and must not delay the process's end.
    thread = threading.Thread(target=request, daemon=True)
    thread.start()
    # Twice the time-outs, for name look-up and redirects.
    limit = sum(timeout) * 2
    thread.join(limit)
    if not results:
        raise DownloadError(f"no whole answer within {limit:g} s")
    if isinstance(results[0], Exception):
        raise results[0]
    return results[0]


def _receive(
    response: requests.Response, partial: Path, size: int, patience: Patience, max_bytes: int
) -> None:
    """Write the body of an answer to a request for the bytes after the first `size`."""
    start = _first_byte(response, partial, size)
    if start is None:
        return
    header = response.headers.get("Content-Length", "")
    length = int(header) if _is_number(header) else 0
    too_long = f"it sends more than the {max_bytes:,} bytes that the file may have"
    if start + length > max_bytes:
        raise DownloadError(too_long)
    free = shutil.disk_usage(partial.parent).free
    if length > free:
        raise ResourceError(
            f"no space left in {partial.parent}: {partial.stem} needs {length:,} more bytes, "
            f"{free:,} are free"
        )
    if not start:
        # A link may lie there, to a file elsewhere.
        partial.unlink(missing_ok=True)
    console = Console(stderr=True, force_jupyter=False)
    columns = [*Progress.get_default_columns(), DownloadColumn(), TransferSpeedColumn()]
    progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    size = window_start = start
    window_time = time.monotonic()
    with open_to_append(partial) as out, progress:
        bar = progress.add_task(partial.stem, total=start + length or None, completed=start)
        while block := response.raw.read1(BLOCK):
            size += len(block)
            if size > max_bytes:
                out.truncate(0)
                raise DownloadError(too_long)
            out.write(block)
            progress.advance(bar, len(block))
            # A server that drips resets every time-out, but not this one.
            seconds = time.monotonic() - window_time
            if seconds >= patience.read:
                if size - window_start < SLOWEST * seconds:
                    raise DownloadError(f"it sends less than {SLOWEST} bytes a second")
                window_time = time.monotonic()
                window_start = size
        out.flush()
        os.fsync(out.fileno())


def _first_byte(response: requests.Response, partial: Path, size: int) -> int | None:
    """Return where in the file the answer's body begins; None if the file is whole.

    Raises:
        DownloadError: the server refuses, for good.
        _RetryError: it refuses, for now.
    """
    content_range = response.headers.get("Content-Range", "")
    # 416: nothing after the first `size` bytes. The file is whole, or of another version.
    if response.status_code == 416:
        if content_range.endswith(f"/{size}"):
            return None
        if not size:
            raise DownloadError("HTTP 416 to a request for the whole file")
        partial.unlink()
        raise _RetryError("the server refused to resume")
    if response.status_code in PASSING:
        wait = response.headers.get("Retry-After", "")
        raise _RetryError(f"HTTP {response.status_code}", float(wait) if _is_number(wait) else None)
    if not response.ok:
        raise DownloadError(f"HTTP {response.status_code}")
    resumes = response.status_code == 206 and content_range.startswith(f"bytes {size}-")
    return size if resumes else 0


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def _size(partial: Path) -> int:
    return partial.stat().st_size if partial.is_file() and not partial.is_symlink() else 0

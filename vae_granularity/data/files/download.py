"""Downloads one file: mirrors in order, resumed when cut off, retried with back-off, hashed."""

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
    """How long a download waits and how often it tries again."""

    connect: float  # seconds for a connection
    read: float  # seconds for the next bytes
    attempts: int  # in a row without progress
    backoff: float  # seconds before the second attempt, doubling with each further one


PATIENT = Patience(connect=10, read=30, attempts=4, backoff=1.0)
# of source=auto: rendered images are an answer too
BRISK = Patience(connect=3, read=3, attempts=2, backoff=0.5)


class DownloadError(DataError):
    """A file could not be had from any of its mirrors; the message says what each one did."""


class _Again(Exception):
    """This attempt failed in a way that may pass; `wait` is the server's Retry-After in seconds."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


def reachable(urls: Iterable[str], seconds: float) -> set[str]:
    """The URLs whose host answers at all within `seconds`, name look-up and proxy included."""
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
    """The file in `directory`, downloaded if it is not there; safe for concurrent processes.

    Mirrors are tried in order, `urls` or all declared ones. An unfinished download stays in the
    directory as NAME.part and is resumed.

    Raises:
        DownloadError: no mirror gave the file; names what each did.
        DataError: the directory cannot be written, or the disk is full.
    """
    target, part = directory / file.name, directory / f"{file.name}.part"
    reasons = []
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with locked(directory / f".{file.name}.lock"):
            if target.exists():
                return target
            for url in file.urls if urls is None else urls:
                try:
                    _from_mirror(url, file, part, patience)
                except DownloadError as error:
                    reasons.append(f"{url}: {error}")
                else:
                    os.replace(part, target)
                    return target
    except OSError as error:
        raise ResourceError(f"cannot write {target}: {error.strerror or error}") from error
    raise DownloadError("; ".join(reasons))


def _from_mirror(url: str, file: RemoteFile, part: Path, patience: Patience) -> None:
    """`part` holds the whole file with the right hash, or DownloadError."""
    fresh = not part.exists()
    _persist(url, part, patience, file.max_bytes)
    if file.digest is None:
        return
    algorithm, expected = file.digest
    asked = {"of_content": file.hash_of_content, "max_bytes": file.max_bytes}
    found = digest_of_file(part, algorithm, **asked)
    if found == expected:
        return
    part.unlink()
    if fresh:
        raise DownloadError(f"wrong content: {algorithm} {found}, expected {expected}")
    # The part of an earlier process may be of another version: once more from the start.
    _from_mirror(url, file, part, patience)


def _persist(url: str, part: Path, patience: Patience, max_bytes: int) -> None:
    """Attempts until `part` is whole or too many in a row have made no progress."""
    failures = 0
    while True:
        before = _size(part)
        try:
            return _transfer(url, part, patience, max_bytes)
        except _Again as error:
            failures = 0 if _size(part) >= before + BLOCK else failures + 1
            if failures >= patience.attempts:
                raise DownloadError(f"{error} ({patience.attempts} attempts)") from error
            backoff = patience.backoff * 2 ** max(0, failures - 1)
            time.sleep(min(LONGEST_WAIT, backoff if error.wait is None else error.wait))


def _transfer(url: str, part: Path, patience: Patience, max_bytes: int) -> None:
    """One attempt: append to `part` what is missing of the body, of `max_bytes` at most."""
    have, answered = _size(part), False
    headers = HEADERS | ({"Range": f"bytes={have}-"} if have else {})
    timeout = (patience.connect, patience.read)
    try:
        with _answer(url, headers, timeout) as response:
            answered = True
            _receive(response, part, have, patience, max_bytes)
    except requests.ConnectTimeout as error:
        raise DownloadError(f"no connection within {patience.connect:g} s") from error
    except (requests.exceptions.ChunkedEncodingError, requests.Timeout) as error:
        raise _Again(DROPPED) from error
    except requests.ConnectionError as error:
        if answered or isinstance(error.args[0], ProtocolError):
            raise _Again(DROPPED) from error
        raise DownloadError("no connection (is there a network?)") from error
    except HTTPError as error:  # urllib3's own, of a body that requests does not read
        if answered and isinstance(error, (ProtocolError, ReadTimeout)):
            raise _Again(DROPPED) from error
        raise DownloadError(f"it answers what is no HTTP: {error}") from error
    except (requests.RequestException, ValueError) as error:  # ValueError: a malformed redirect
        raise DownloadError(f"it answers what is no HTTP: {error}") from error


def _answer(url: str, headers: dict[str, str], timeout: tuple[float, float]) -> requests.Response:
    """The answer, once all its headers are there: a server may send these a byte at a time, too.

    Raises:
        DownloadError: they are not there in time.
    """
    got: list[requests.Response | Exception] = []

    def ask() -> None:
        try:
            got.append(requests.get(url, headers=headers, stream=True, timeout=timeout))
        except Exception as error:  # of any kind: raised where it is waited for
            got.append(error)

    # A daemon: what drips cannot be interrupted, and must not hold up the end of the process.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    limit = sum(timeout) * 2  # name look-up, redirects
    asking.join(limit)
    if not got:
        raise DownloadError(f"no whole answer within {limit:g} s")
    if isinstance(got[0], Exception):
        raise got[0]
    return got[0]


def _receive(
    response: requests.Response, part: Path, have: int, patience: Patience, max_bytes: int
) -> None:
    """Write the body of an answer to a request from byte `have` on."""
    said = response.headers
    if response.status_code == 416:  # nothing after `have`: part is whole, or not of this file
        if said.get("Content-Range", "").endswith(f"/{have}"):
            return
        if not have:
            raise DownloadError("HTTP 416 to a request for the whole file")
        part.unlink()
        raise _Again("the server refused to resume")
    if response.status_code in PASSING:
        wait = said.get("Retry-After", "")
        raise _Again(f"HTTP {response.status_code}", float(wait) if _is_number(wait) else None)
    if not response.ok:
        raise DownloadError(f"HTTP {response.status_code}")
    resumed = said.get("Content-Range", "").startswith(f"bytes {have}-")
    start = have if resumed and response.status_code == 206 else 0
    length = said.get("Content-Length", "")
    length, free = int(length) if _is_number(length) else 0, shutil.disk_usage(part.parent).free
    too_long = f"it sends more than the {max_bytes:,} bytes that the file may have"
    if start + length > max_bytes:
        raise DownloadError(too_long)
    if length > free:
        needs = f"{part.stem} needs {length:,} more bytes, {free:,} are free"
        raise ResourceError(f"no space left in {part.parent}: {needs}")
    columns = *Progress.get_default_columns(), DownloadColumn(), TransferSpeedColumn()
    console = Console(stderr=True, force_jupyter=False)
    shown = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    if not start:  # what lies there, a link to elsewhere perhaps, is not gone on with
        part.unlink(missing_ok=True)
    size, began, window = start, time.monotonic(), start
    with open_to_append(part) as out, shown:
        bar = shown.add_task(part.stem, total=start + length or None, completed=start)
        while block := response.raw.read1(BLOCK):
            size += len(block)
            if size > max_bytes:
                out.truncate(0)
                raise DownloadError(too_long)
            out.write(block)
            shown.advance(bar, len(block))
            seconds = time.monotonic() - began
            if seconds >= patience.read:
                if size - window < SLOWEST * seconds:
                    raise DownloadError(f"it sends less than {SLOWEST} bytes a second")
                began, window = time.monotonic(), size
        out.flush()
        os.fsync(out.fileno())


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def _size(part: Path) -> int:
    return part.stat().st_size if part.is_file() and not part.is_symlink() else 0

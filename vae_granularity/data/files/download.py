"""Downloads one file: mirrors in order, resumed when cut off, retried with back-off, hashed before
it gets its name.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import requests
from filelock import FileLock
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from urllib3.exceptions import ProtocolError

from vae_granularity.data.files.declaration import RemoteFile
from vae_granularity.data.files.hashes import digest
from vae_granularity.errors import DataError

HEADERS = {"Accept-Encoding": "identity"}  # a decoded body would break resuming by byte offset
BLOCK = 1 << 16  # what a dropped connection may lose
PASSING = (408, 425, 429, 500, 502, 503, 504)  # statuses worth another attempt
LONGEST_WAIT = 30.0


@dataclass(frozen=True)
class Patience:
    """Seconds to wait for a connection and for the next bytes; attempts without progress; seconds
    before the second attempt, doubling.
    """

    connect: float
    read: float
    attempts: int
    backoff: float


PATIENT = Patience(connect=10, read=30, attempts=4, backoff=1.0)
BRISK = Patience(
    connect=3, read=3, attempts=2, backoff=0.5
)  # source=auto: rendered images are an answer too


class DownloadError(DataError):
    """A file could not be had from any of its mirrors; the message says what each one did."""


class _Again(Exception):
    """This attempt failed in a way that may pass; `wait` is the server's own Retry-After in
    seconds.
    """

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


def reachable(urls: Iterable[str], seconds: float) -> set[str]:
    """The URLs whose host answers, anything at all, within `seconds` in all: name look-up, proxy
    and connection included.
    """
    alive: set[str] = set()

    def knock(url: str) -> None:
        try:
            requests.head(url, headers=HEADERS, timeout=seconds, allow_redirects=False).close()
        except requests.RequestException:
            return
        alive.add(url)

    # Daemons: a name look-up cannot be interrupted, and must not hold up the caller or the end of
    # the process.
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
    """The file in `directory`, downloaded if it is not there. Two processes may ask for it at the
    same time.

    Args:
        file: what to download and the hash that it must have.
        directory: where it goes; an unfinished download stays there as NAME.part and is resumed.
        patience: time-outs and attempts.
        urls: mirrors to try, in order; all declared ones by default.

    Raises:
        DownloadError: no mirror gave the file; names what each did.
        DataError: the directory cannot be written, or the disk is full.
    """
    mirrors = tuple(file.urls if urls is None else urls)
    target, part = directory / file.name, directory / f"{file.name}.part"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with FileLock(directory / f".{file.name}.lock"):
            if target.exists():
                return target
            reasons = []
            for url in mirrors:
                try:
                    _from_mirror(url, file, part, patience)
                except DownloadError as error:
                    reasons.append(f"{url}: {error}")
                else:
                    os.replace(part, target)
                    return target
    except OSError as error:
        raise DataError(f"cannot write {target}: {error.strerror or error}") from error
    raise DownloadError("; ".join(reasons))


def _from_mirror(url: str, file: RemoteFile, part: Path, patience: Patience) -> None:
    """`part` holds the whole file with the right hash, or DownloadError."""
    left, fresh = patience.attempts, not part.exists()
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            _transfer(url, part, patience)
            break
        except _Again as error:
            left = patience.attempts if part.exists() and part.stat().st_size > before else left - 1
            if left <= 0:
                raise DownloadError(f"{error} ({patience.attempts} attempts)") from error
            waits = patience.attempts - left
            time.sleep(
                min(
                    LONGEST_WAIT,
                    error.wait
                    if error.wait is not None
                    else patience.backoff * 2 ** max(0, waits - 1),
                )
            )
    if file.digest is None:
        return None
    algorithm, expected = file.digest
    found = digest(part, algorithm, of_content=file.hash_of_content)
    if found != expected:
        part.unlink()
        if (
            not fresh
        ):  # the part of an earlier process may be of another version: once more from the start
            return _from_mirror(url, file, part, patience)
        raise DownloadError(f"wrong content: {algorithm} {found}, expected {expected}")
    return None


def _transfer(url: str, part: Path, patience: Patience) -> None:
    """One attempt: append to `part` what is missing of the body."""
    have = part.stat().st_size if part.exists() else 0
    headers = HEADERS | ({"Range": f"bytes={have}-"} if have else {})
    answered = False
    try:
        with requests.get(
            url, headers=headers, stream=True, timeout=(patience.connect, patience.read)
        ) as response:
            answered = True
            if (
                response.status_code == 416
            ):  # nothing after `have`: the part is whole, or not of this file
                if response.headers.get("Content-Range", "").endswith(f"/{have}"):
                    return
                part.unlink()
                raise _Again("the server refused to resume")
            if response.status_code in PASSING:
                raise _Again(f"HTTP {response.status_code}", _retry_after(response))
            if not response.ok:
                raise DownloadError(f"HTTP {response.status_code}")
            resumed = response.status_code == 206 and response.headers.get(
                "Content-Range", ""
            ).startswith(f"bytes {have}-")
            length = int(response.headers.get("Content-Length", 0))
            free = shutil.disk_usage(part.parent).free
            if length > free:
                raise DataError(
                    f"no space left in {part.parent}: {part.stem} needs {length:,} more bytes, {free:,} are free"
                )
            _write(response, part, have if resumed else 0, length)
    except requests.ConnectTimeout as error:
        raise DownloadError(f"no connection within {patience.connect:g} s") from error
    except (requests.exceptions.ChunkedEncodingError, requests.Timeout) as error:
        raise _Again("the connection was dropped or stalled") from error
    except requests.ConnectionError as error:
        if answered or isinstance(error.args[0], ProtocolError):
            raise _Again("the connection was dropped or stalled") from error
        raise DownloadError("no connection (is there a network?)") from error
    except requests.RequestException as error:
        raise DownloadError(str(error)) from error


def _write(response: requests.Response, part: Path, start: int, length: int) -> None:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with (
        part.open("ab" if start else "wb") as out,
        Progress(*columns, console=Console(stderr=True), transient=True) as progress,
    ):
        bar = progress.add_task(part.stem, total=start + length or None, completed=start)
        for block in response.iter_content(BLOCK):
            out.write(block)
            progress.advance(bar, len(block))
        out.flush()
        os.fsync(out.fileno())


def _retry_after(response: requests.Response) -> float | None:
    value = response.headers.get("Retry-After", "")
    return float(value) if value.isdigit() else None

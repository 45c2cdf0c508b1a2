"""Files: written whole under a private name, read only where they are regular, hashed.

The one copy of each. Run directories, caches and output folders may be shared with others, so that
no name in them is followed as a link when it is written, nor waited for as a pipe when it is read.
"""

import atexit
import errno
import gzip
import hashlib
import json
import logging
import math
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from io import BufferedReader
from pathlib import Path
from typing import IO, Any

from vae_granularity.errors import DataError, ResourceError

log = logging.getLogger(__name__)

PART = ".part"  # ends the name of what is being written
NO_FILE = "a pipe or a device, which may never end"
GZIP = b"\x1f\x8b"  # how a gzip file begins
MAX_JSON_BYTES = 64 << 20
MAX_JSON_DEPTH = 100  # of lists and mappings in one another; what this program writes has under 20
# Writing refuses links in place of the file; what is there under a new name is never opened.
NEW = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def replace_file(path: Path, *, durable: bool = True) -> Iterator[IO[bytes]]:
    """Open a new file beside `path` for writing; move it to `path` once the block has ended.

    Whoever reads `path` sees the file of before or the whole new one. The new file has a name that
    nobody can foresee, so that no link or pipe can wait there; it is made on the same disk, because
    a move from another would be a copy that can be cut off. Several may write one path at once:
    the last one stays.

    Args:
        durable: wait until the disk has it. A sign of life that is soon replaced need not.
    """
    check_no_folder(path)
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(8)}{PART}")
    try:
        with open(os.open(temporary, os.O_RDWR | NEW, 0o666), "w+b") as file:
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def check_no_folder(path: Path) -> None:
    """Refuse to write a file where a folder lies.

    Raises:
        ResourceError: names the folder.
    """
    if path.is_dir() and not path.is_symlink():
        raise ResourceError(f"{path} is a folder; a file is to be written there: remove it")


def write_text(path: Path, text: str, *, durable: bool = True) -> None:
    """Write a text file, whole or not at all."""
    with replace_file(path, durable=durable) as file:
        file.write(text.encode())


def write_json(path: Path, values: Any, *, durable: bool = True) -> None:
    """Write a JSON file, whole or not at all.

    Raises:
        DataError: a number is not finite, which no JSON can say; the message names its key.
    """
    write_text(path, json_text(values, path.name), durable=durable)


def json_text(values: Any, name: str) -> str:
    """Return values as JSON text.

    >>> json_text({"scores": {"mig": float("nan")}}, "results.json")
    Traceback (most recent call last):
    vae_granularity.errors.DataError: results.json: scores.mig is nan; only finite numbers are \
written, null stands for what is undefined

    Raises:
        DataError: a number is not finite; the message names its key.
    """
    try:
        return json.dumps(values, indent=1, allow_nan=False)
    except ValueError as error:
        for key, value in _leaves(values):
            if isinstance(value, float) and not math.isfinite(value):
                raise DataError(
                    f"{name}: {key} is {value}; only finite numbers are written, null stands for "
                    "what is undefined"
                ) from error
        raise


def _leaves(node: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(node, Mapping):
        for name, value in node.items():
            yield from _leaves(value, f"{key}.{name}" if key else str(name))
    elif isinstance(node, (list, tuple)):
        for index, value in enumerate(node):
            yield from _leaves(value, f"{key}[{index}]")
    else:
        yield key, node


def open_to_append(path: Path) -> IO[bytes]:
    """Open a file to write at its end; it is made if it is not there.

    Raises:
        OSError: it cannot be written, or is a link, a folder, a pipe or a device.
    """
    return open(_descriptor(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW), "ab")


def open_to_change(path: Path) -> IO[bytes]:
    """Open a file that is there to read it and to write anywhere in it.

    Raises:
        OSError: it is not there, cannot be written, or is a link, a folder, a pipe or a device.
    """
    return open(_descriptor(path, os.O_RDWR | os.O_NOFOLLOW), "r+b")


def open_regular_file(path: str | Path) -> BufferedReader:
    """Open a file to read its bytes.

    Raises:
        OSError: it is not there, or no file: a folder, a pipe, a device.
    """
    return open(_descriptor(path, os.O_RDONLY), "rb")


def _descriptor(path: str | Path, flags: int) -> int:
    """Open a regular file and return its descriptor."""
    # Without O_NONBLOCK, opening a pipe waits for whoever is at its other end, for good where
    # nobody is. What was opened is asked, not the name, which may lead elsewhere a moment later.
    descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    kind = os.fstat(descriptor).st_mode
    if stat.S_ISREG(kind):
        return descriptor
    os.close(descriptor)
    if stat.S_ISDIR(kind):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    raise OSError(errno.EINVAL, NO_FILE, str(path))


def read_regular_file(path: str | Path, max_bytes: int | None = None) -> bytes:
    """Return all bytes of a file.

    Raises:
        OSError: it is not there, no file (a folder, a pipe, a device), or has more than
            `max_bytes`.
    """
    with open_regular_file(path) as file:
        if max_bytes is not None and os.fstat(file.fileno()).st_size > max_bytes:
            raise OSError(errno.EFBIG, f"more than {max_bytes:,} bytes", str(path))
        return file.read()


def read_json(path: str | Path) -> Any:
    """Return what a JSON file holds.

    Raises:
        OSError: it is not there, or no file (a folder, a pipe, a device), or too large.
        ValueError: it is damaged, or its lists lie in one another too deeply.
    """
    try:
        values = json.loads(read_regular_file(path, MAX_JSON_BYTES))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    check_depth(values)
    return values


def check_depth(values: Any, limit: int = MAX_JSON_DEPTH) -> None:
    """Refuse values that are nested so deeply that code which walks them may not end.

    Raises:
        ValueError: lists and mappings lie in one another more than `limit` times.
    """
    level = [values]
    for _ in range(limit):
        containers = (node for node in level if isinstance(node, (dict, list)))
        level = [
            child
            for node in containers
            for child in (node.values() if isinstance(node, dict) else node)
        ]
        if not level:
            return
    raise ValueError(f"nested more than {limit} times")


def set_aside(path: Path) -> Path:
    """Rename what cannot be read to NAME.damaged, so that nothing of it is overwritten."""
    aside = path.with_name(path.name + ".damaged")
    os.replace(path, aside)
    return aside


def check_folder(path: Path, home: Path) -> None:
    """Refuse to write into a folder that is a file, or a link that leads out of `home`.

    Raises:
        ResourceError: names it.
    """
    leads_to = Path(os.path.realpath(path))
    if not leads_to.is_relative_to(os.path.realpath(home)):
        raise ResourceError(
            f"{path} is a link that leads out of {home}, to {leads_to}: nothing is written there; "
            "remove the link"
        )
    if path.exists() and not path.is_dir():
        raise ResourceError(f"{path} is no folder; one is to be there: remove it")


def remove_unfinished(folder: Path) -> None:
    """Remove the files that killed processes were writing in a folder which nobody else writes."""
    for left_over in folder.glob(f"*{PART}"):
        with suppress(IsADirectoryError):
            left_over.unlink(missing_ok=True)


@cache
def private_cache(name: str) -> Path:
    """Return a folder that only this user can read and write, for files that are loaded as code.

    Never a folder that runs or data share: whoever writes there decides what is executed. Where
    there is no such folder, a fresh one that ends with the process.
    """
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    folder = Path(base) / "vae_granularity" / name
    try:
        if not folder.is_absolute():
            raise OSError(f"{folder} is no absolute path")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat(follow_symlinks=False)
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
            raise OSError(f"{folder} is not a folder of this user")
        if status.st_mode & 0o077:
            folder.chmod(0o700)
    except OSError as error:
        log.info("the cache %s is kept for this process alone: %s", name, error)
        temporary = tempfile.mkdtemp(prefix=f"vae_granularity-{name}-")
        atexit.register(shutil.rmtree, temporary, ignore_errors=True)
        return Path(temporary)
    return folder


def digest(content: bytes | str) -> str:
    """Return the SHA-256 of bytes or of a text, in hexadecimal digits."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()


def digest_of_file(
    path: Path, algorithm: str = "sha256", *, of_content: bool = False, max_bytes: int = 16 << 30
) -> str:
    """Return the hash of a file in hexadecimal digits.

    Args:
        of_content: hash the bytes inside, where the file is a gzip: compressing again changes only
            the outside.

    Raises:
        DataError: a gzip unpacks to more than `max_bytes` (a bomb).
    """
    raw: Any
    with open_regular_file(path) as raw:
        zipped = of_content and raw.read(2) == GZIP
        raw.seek(0)
        if not zipped:
            return hashlib.file_digest(raw, algorithm).hexdigest()
        hashed = hashlib.new(algorithm)
        remaining = max_bytes
        with gzip.open(raw) as content:
            while block := content.read(1 << 20):
                hashed.update(block)
                remaining -= len(block)
                if remaining < 0:
                    raise DataError(f"{path} unpacks to more than {max_bytes:,} bytes")
        return hashed.hexdigest()

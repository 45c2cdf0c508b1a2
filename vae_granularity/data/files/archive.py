"""Reads members of a folder, a zip or a tar archive one after another. Nothing is ever extracted to
disk.
"""

from __future__ import annotations

import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from vae_granularity.data.files.npz import describe
from vae_granularity.errors import DataError

MEMBER_BYTES = 64 << 20  # no picture or mesh comes near this


def members(
    path: Path, wanted: Callable[[str], bool], max_bytes: int
) -> Iterator[tuple[str, bytes]]:
    """(name, content) of the wanted members, in the order of the archive; a folder counts as an
    archive of its files.

    Raises:
        DataError: the archive is unreadable, a name leads out of it, a wanted member is a link or a
            device, or the members are larger than `max_bytes` in all (a bomb).
    """
    total = 0
    with _reading(path):
        for name, size, read in (
            _folder(path)
            if path.is_dir()
            else _zip(path)
            if zipfile.is_zipfile(path)
            else _tar(path)
        ):
            parts = PurePosixPath(name.replace("\\", "/"))
            if parts.is_absolute() or ".." in parts.parts:
                raise DataError(f"{path}: member {name!r} leads out of the archive; it is refused")
            if not wanted(name):
                continue
            if read is None:
                raise DataError(
                    f"{path}: member {name!r} is a link or a device, not a file; it is refused"
                )
            total += size
            if size > MEMBER_BYTES or total > max_bytes:
                raise DataError(
                    f"{path}: member {name!r} makes {total:,} bytes unpacked, more than the accepted {max_bytes:,}"
                )
            yield name, read()


Member = tuple[str, int, Callable[[], bytes] | None]


def _folder(path: Path) -> Iterator[Member]:
    for file in sorted(path.iterdir()):
        if file.is_file():
            yield file.name, file.stat().st_size, file.read_bytes


def _zip(path: Path) -> Iterator[Member]:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if not info.is_dir():
                link = (info.external_attr >> 16) & 0o170000 == 0o120000
                yield (
                    info.filename,
                    info.file_size,
                    None if link else lambda info=info: archive.read(info),
                )


def _tar(path: Path) -> Iterator[Member]:
    with tarfile.open(path, "r|*") as archive:
        for info in archive:
            if not info.isdir():
                yield (
                    info.name,
                    info.size,
                    (lambda info=info: _content(archive, info)) if info.isreg() else None,
                )


def _content(archive: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(info)
    assert file is not None, "regular files have a content"
    return file.read()


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise DataError(f"{path} is not a whole archive ({describe(path)}): {error}") from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error

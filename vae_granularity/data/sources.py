"""Where a dataset's images come from: its official files, found, fetched and verified; and the words when they are not there."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

from vae_granularity.data.declaration import DatasetCard, RemoteFile
from vae_granularity.errors import DataError

SOURCES = ("auto", "official", "hub", "rendered")


def search_roots(name: str, data_dir: Path, cache_dir: Path) -> list[Path]:
    """Directories looked in for official files, in order; the last takes downloads when `data_dir` is read-only."""
    return [data_dir, data_dir / name, cache_dir / name / "downloads"]


def find(files: tuple[RemoteFile, ...], roots: list[Path]) -> dict[str, Path]:
    """The declared files that exist, by name.

    Raises:
        DataError: a directory cannot be read.
    """
    found = {}
    for file in files:
        for path in (root / alias for root in roots for alias in (file.name, *file.aliases)):
            try:
                exists = path.stat() is not None
            except (FileNotFoundError, NotADirectoryError):
                exists = False
            except OSError as error:
                raise DataError(f"cannot read {path}: {error.strerror}") from error
            if exists:
                found[file.name] = path
                break
    return found


def digest(path: Path, algorithm: str, *, of_content: bool = False) -> str:
    """Hex digest of a file or, if `of_content`, of the bytes inside a gzip (a file that is no gzip counts as it is)."""
    with path.open("rb") as raw:
        zipped = of_content and raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        if not zipped:
            return hashlib.file_digest(raw, algorithm).hexdigest()
        with gzip.open(raw) as content:
            return hashlib.file_digest(content, algorithm).hexdigest()  # type: ignore[arg-type]


def verify(files: tuple[RemoteFile, ...], paths: dict[str, Path]) -> bool:
    """Whether every file has the published hash. A folder, or a file for which none is published, has no known hash."""
    for file in files:
        path, expected = paths[file.name], file.digest
        if expected is None or path.is_dir() or digest(path, expected[0], of_content=file.hash_of_content) != expected[1]:
            return False
    return True


def other_ways(card: DatasetCard) -> str:
    """The sources that remain when the official files are not there, as one clause."""
    rendered = "source=rendered (look-alike images drawn here)" if card.renderer else f"source=rendered does not exist for {card.name}"
    hub = f"source=hub (`{card.hub.id}`, needs a network)" if card.hub else f"source=hub does not exist for {card.name}"
    return f"Other ways: {rendered}; {hub}."


def missing_message(card: DatasetCard, missing: list[RemoteFile], data_dir: Path, reason: str) -> str:
    """One message: which files, where to get them, where they were looked for, and the other ways."""
    state = "" if data_dir.is_dir() else " (which does not exist)"
    wanted = "\n".join(f"  {file.name}  from  {file.urls[0] if file.urls else card.homepage}" for file in missing)
    return (
        f"{card.name}: official files are missing in dataset.data_dir={data_dir}{state} and could not be downloaded ({reason}):\n{wanted}\n"
        f"Put them there or into {data_dir / card.name}. {other_ways(card)}"
    )


def rendered_warning(card: DatasetCard, reason: str) -> str:
    """The framed text shown when `auto` falls back to rendered images."""
    lines = [
        f"{card.name.upper()}: THE OFFICIAL DATA ARE NOT HERE. USING RENDERED IMAGES.",
        "They only look like the data set. Every place that shows this run says `rendered`.",
        f"Why: {reason}",
        f"For the real data: put {', '.join(file.name for file in card.files)} (from {card.homepage}) into dataset.data_dir.",
    ]
    width = max(map(len, lines))
    frame = "!" * (width + 6)
    return "\n".join(["", frame, *(f"!! {line:<{width}} !!" for line in lines), frame])

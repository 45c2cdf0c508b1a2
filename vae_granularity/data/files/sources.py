"""Which source a dataset comes from, and where its official files are: found, or fetched."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from vae_granularity.data.files.declaration import DatasetCard, RemoteFile
from vae_granularity.data.files.download import BRISK, PATIENT, DownloadError, fetch, reachable
from vae_granularity.data.files.messages import (
    missing_message,
    no_hub,
    other_ways,
    rendered_warning,
)
from vae_granularity.errors import DataError

log = logging.getLogger(__name__)

SOURCES = ("auto", "official", "hub", "rendered")


def settle(
    card: DatasetCard, source: str, hub_id: str | None, data_dir: Path, cache_dir: Path
) -> tuple[str, dict[str, Path]]:
    """The source that `source` comes to (official, hub or rendered) and the paths of the official
    files.

    `auto` is the official files if they are there or can be fetched; else rendered images, with a
    warning; else an error.

    Raises:
        DataError: the source does not exist for this dataset or cannot be had; the message names
            the other ways.
    """
    if source == "rendered":
        if not card.renderer:
            raise DataError(
                f"dataset.source=rendered does not exist for {card.name}: nothing draws its images. {other_ways(card, source)}"
            )
        return source, {}
    if source == "hub":
        if not (hub_id or card.hub.id):
            raise DataError(
                f"dataset.source=hub needs dataset.hub_id=FOLDER: {no_hub(card)}. {other_ways(card, source)}"
            )
        return source, {}
    roots = search_roots(card.name, data_dir, cache_dir)
    found = find(card.files, roots)
    missing = [file for file in card.files if file.name not in found]
    try:
        return "official", found | (
            fetch_all(missing, roots, brisk=source == "auto") if missing else {}
        )
    except DownloadError as error:
        if source == "auto" and card.renderer:
            log.warning(rendered_warning(card, str(error)))
            return "rendered", {}
        raise DataError(missing_message(card, missing, data_dir, str(error))) from error


def search_roots(name: str, data_dir: Path, cache_dir: Path) -> list[Path]:
    """Directories looked in for official files, in order; the last takes downloads when `data_dir`
    is read-only.
    """
    return [data_dir, data_dir / name, cache_dir / name / "downloads"]


def all_here(card: DatasetCard, data_dir: Path, cache_dir: Path) -> bool:
    """Whether no official file would have to be fetched."""
    return len(find(card.files, search_roots(card.name, data_dir, cache_dir))) == len(card.files)


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


def fetch_all(missing: list[RemoteFile], roots: list[Path], *, brisk: bool) -> dict[str, Path]:
    """Download the missing files into the first of `roots[1:]` that can be written.

    Args:
        missing: what to fetch.
        roots: of `search_roots`.
        brisk: give up a host that does not answer within 3 s (10 s otherwise).

    Raises:
        DownloadError: a file could not be had; nothing is created when no host answers.
    """
    patience = BRISK if brisk else PATIENT
    alive = reachable({url for file in missing for url in file.urls}, patience.connect)
    for file in missing:
        if not alive.intersection(file.urls):
            raise DownloadError(
                f"no host of {file.name} answered within {patience.connect:g} s; is there a network?"
            )
    into = roots[1] if _writable(roots[1]) else roots[2]
    return {
        file.name: fetch(file, into, patience, [url for url in file.urls if url in alive])
        for file in missing
    }


def _writable(directory: Path) -> bool:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(directory, os.W_OK)

"""Settle the source of a data set; find its official files or download them."""

import logging
import os
import stat
from itertools import chain, product
from pathlib import Path

from vae_granularity.data.files.declaration import DatasetCard, RemoteFile
from vae_granularity.data.files.download import BRISK, PATIENT, DownloadError, fetch, reachable
from vae_granularity.errors import DataError
from vae_granularity.files import NO_FILE

log = logging.getLogger(__name__)

SOURCES = ("auto", "official", "hub", "rendered")


def settle(
    card: DatasetCard,
    source: str,
    hub_id: str | None,
    data_dir: Path,
    cache_dir: Path,
    *,
    fetch: bool = True,
) -> tuple[str, dict[str, Path]]:
    """Return the settled source (official, hub or rendered) and the paths of the official files.

    `auto` is the official files if they are there or can be fetched; else rendered images, with a
    warning; else an error. Without `fetch` nothing is downloaded.

    Raises:
        DataError: the source does not exist for this dataset or cannot be had; the message names
            the other ways.
    """
    if source == "rendered" and not card.renderer:
        raise DataError(
            f"dataset.source=rendered does not exist for {card.name}: nothing draws its images. "
            f"{_other_ways(card, source)}"
        )
    if source == "hub" and not (hub_id or card.hub.id):
        raise DataError(
            f"dataset.source=hub needs dataset.hub_id=FOLDER: {_no_hub(card)}. "
            f"{_other_ways(card, source)}"
        )
    # Neither needs an official file.
    if source in ("rendered", "hub"):
        return source, {}
    roots = search_roots(card.name, data_dir, cache_dir)
    paths = find(card.files, roots)
    missing = [file for file in card.files if file.name not in paths]
    try:
        if missing and not fetch:
            raise DownloadError(
                "data_dir is named by a run directory, so nothing is written there; name it "
                "yourself: paths.data_dir=FOLDER, or data_dir= of load_run"
            )
        fetched = fetch_all(missing, roots, brisk=source == "auto") if missing else {}
    except DownloadError as error:
        # The name promises the official data where they can be had, never an error without need;
        # the warning is framed, since everything that follows is about other images.
        if source == "auto" and card.renderer:
            log.warning(rendered_warning(card, str(error)))
            return "rendered", {}
        raise DataError(_missing_message(card, missing, data_dir, str(error))) from error
    return "official", paths | fetched


def search_roots(name: str, data_dir: Path, cache_dir: Path) -> list[Path]:
    """Return the directories searched for official files; the last for a read-only `data_dir`."""
    return [data_dir, data_dir / name, cache_dir / name / "downloads"]


def all_here(card: DatasetCard, data_dir: Path, cache_dir: Path) -> bool:
    """Return whether no official file would have to be downloaded."""
    return len(find(card.files, search_roots(card.name, data_dir, cache_dir))) == len(card.files)


def find(files: tuple[RemoteFile, ...], roots: list[Path]) -> dict[str, Path]:
    """Return the paths of the declared files that exist, by name.

    Raises:
        DataError: a directory cannot be read.
    """
    paths = {}
    for file in files:
        for root, name in product(roots, (file.name, *file.aliases)):
            path = root / name
            # Not `exists`, which takes a folder that may not be read for one without the file.
            try:
                mode = path.stat().st_mode
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                raise DataError(f"cannot read {path}: {error.strerror}") from error
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                raise DataError(f"{path} is no file: {NO_FILE}")
            paths[file.name] = path
            break
    return paths


def fetch_all(missing: list[RemoteFile], roots: list[Path], *, brisk: bool) -> dict[str, Path]:
    """Download the missing files into the first of `search_roots`[1:] that can be written.

    With `brisk`, a host that does not answer within 3 s (10 s otherwise) is given up.

    Raises:
        DownloadError: a file could not be had; nothing is created when no host answers.
    """
    patience = BRISK if brisk else PATIENT
    # Asked at once, all mirrors of all files: without a network the answer comes in seconds, and
    # no folder is made.
    alive = reachable(set(chain.from_iterable(file.urls for file in missing)), patience.connect)
    for file in missing:
        if not alive.intersection(file.urls):
            raise DownloadError(
                f"no host of {file.name} answered within {patience.connect:g} s; is there a "
                "network?"
            )
    directory = roots[1] if _writable(roots[1]) else roots[2]
    paths = {}
    for file in missing:
        urls = [url for url in file.urls if url in alive]
        paths[file.name] = fetch(file, directory, patience, urls)
    return paths


def _writable(directory: Path) -> bool:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(directory, os.W_OK)


def rendered_warning(card: DatasetCard, reason: str) -> str:
    """Return the framed text shown when `auto` falls back to rendered images."""
    lines = [
        f"{card.name.upper()}: THE OFFICIAL DATA ARE NOT HERE. USING RENDERED IMAGES.",
        "They only look like the data set. Every place that shows this run says `rendered`.",
        f"Why: {reason}",
        f"For the real data: put {_official(card)} into dataset.data_dir.",
    ]
    width = max(map(len, lines))
    frame = "!" * (width + 6)
    return "\n".join(["", frame, *(f"!! {line:<{width}} !!" for line in lines), frame])


def _missing_message(
    card: DatasetCard, missing: list[RemoteFile], data_dir: Path, reason: str
) -> str:
    """Return which files are missing, their origin, the folders searched, and the other ways."""
    absent = "" if data_dir.is_dir() else " (which does not exist)"
    files = "\n".join(f"  {f.name}  from  {(*f.urls, card.homepage)[0]}" for f in missing)
    return (
        f"{card.name}: official files are missing in dataset.data_dir={data_dir}{absent} and could"
        f" not be downloaded ({reason}):\n{files}\n"
        f"Put them there or into {data_dir / card.name}. {_other_ways(card, 'official')}"
    )


def _other_ways(card: DatasetCard, refused: str) -> str:
    """Return the sources that remain when `refused` cannot be had, as one sentence."""
    rendered = f"not rendered: nothing draws {card.name}"
    if card.renderer:
        rendered = "dataset.source=rendered (look-alike images, drawn here)"
    hub = f"dataset.source=hub with your own folder in dataset.hub_id: {_no_hub(card)}"
    if card.hub.id:
        hub = f"dataset.source=hub (`{card.hub.id}`, needs a network)"
    sources = {
        "official": f"dataset.source=official (put {_official(card)} into dataset.data_dir)",
        "rendered": rendered,
        "hub": hub,
    }
    remaining = [text for source, text in sources.items() if source != refused]
    return f"Other ways: {'; '.join(remaining)}."


def _official(card: DatasetCard) -> str:
    return f"{', '.join(file.name for file in card.files)} (from {card.homepage})"


def _no_hub(card: DatasetCard) -> str:
    """Return that there is no hub id, and the columns that a user's folder must hold."""
    columns = ", ".join(card.hub_columns)
    return f"no parquet copy of {card.name} is known; the columns are {columns}"

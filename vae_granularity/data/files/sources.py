"""Which source a dataset comes from, and its official files: found, fetched, or asked for."""

import logging
import os
import stat
from pathlib import Path

from vae_granularity.data.files.declaration import DatasetCard, RemoteFile
from vae_granularity.data.files.download import BRISK, PATIENT, DownloadError, fetch, reachable
from vae_granularity.errors import DataError
from vae_granularity.files import NO_FILE

log = logging.getLogger(__name__)

UNASKED = (
    "data_dir is named by a run directory, so nothing is written there; name it yourself: "
    "paths.data_dir=FOLDER, or data_dir= of load_run"
)
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
    """What `source` comes to (official, hub or rendered) and the paths of the official files.

    `auto` is the official files if they are there or can be fetched; else rendered images, with a
    warning; else an error. Without `fetch` nothing is downloaded.

    Raises:
        DataError: the source does not exist for this dataset or cannot be had; the message names
            the other ways.
    """
    refusal = None
    if source == "rendered" and not card.renderer:
        refusal = f"does not exist for {card.name}: nothing draws its images"
    if source == "hub" and not (hub_id or card.hub.id):
        refusal = f"needs dataset.hub_id=FOLDER: {_no_hub(card)}"
    if refusal:
        raise DataError(f"dataset.source={source} {refusal}. {_other_ways(card, source)}")
    if source in ("rendered", "hub"):
        return source, {}
    roots = search_roots(card.name, data_dir, cache_dir)
    found = find(card.files, roots)
    missing = [file for file in card.files if file.name not in found]
    try:
        if missing and not fetch:
            raise DownloadError(UNASKED)
        fetched = fetch_all(missing, roots, brisk=source == "auto") if missing else {}
    except DownloadError as error:
        if source == "auto" and card.renderer:
            log.warning(rendered_warning(card, str(error)))
            return "rendered", {}
        raise DataError(_missing_message(card, missing, data_dir, str(error))) from error
    return "official", found | fetched


def search_roots(name: str, data_dir: Path, cache_dir: Path) -> list[Path]:
    """Directories searched for official files, in order; the last for a read-only `data_dir`."""
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
                mode = path.stat().st_mode
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                raise DataError(f"cannot read {path}: {error.strerror}") from error
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                raise DataError(f"{path} is no file: {NO_FILE}")
            found[file.name] = path
            break
    return found


def fetch_all(missing: list[RemoteFile], roots: list[Path], *, brisk: bool) -> dict[str, Path]:
    """Download the missing files into the first of `search_roots`[1:] that can be written.

    With `brisk`, a host that does not answer within 3 s (10 s otherwise) is given up.

    Raises:
        DownloadError: a file could not be had; nothing is created when no host answers.
    """
    patience = BRISK if brisk else PATIENT
    alive = reachable({url for file in missing for url in file.urls}, patience.connect)
    for file in missing:
        if not alive.intersection(file.urls):
            silent = f"no host of {file.name} answered within {patience.connect:g} s"
            raise DownloadError(f"{silent}; is there a network?")
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


def rendered_warning(card: DatasetCard, reason: str) -> str:
    """The framed text shown when `auto` falls back to rendered images."""
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
    """Which files, where to get them, where they were looked for, and the other ways."""
    place = f"dataset.data_dir={data_dir}{'' if data_dir.is_dir() else ' (which does not exist)'}"
    wanted = "\n".join(f"  {f.name}  from  {(*f.urls, card.homepage)[0]}" for f in missing)
    return (
        f"{card.name}: official files are missing in {place} and could not be downloaded"
        f" ({reason}):\n{wanted}\n"
        f"Put them there or into {data_dir / card.name}. {_other_ways(card, 'official')}"
    )


def _other_ways(card: DatasetCard, asked: str) -> str:
    """The sources that remain when the one asked for cannot be had, as one sentence."""
    drawn = "dataset.source=rendered (look-alike images, drawn here)"
    known = f"dataset.source=hub (`{card.hub.id}`, needs a network)"
    own = f"dataset.source=hub with your own folder in dataset.hub_id: {_no_hub(card)}"
    ways = {
        "official": f"dataset.source=official (put {_official(card)} into dataset.data_dir)",
        "rendered": drawn if card.renderer else f"not rendered: nothing draws {card.name}",
        "hub": known if card.hub.id else own,
    }
    return "Other ways: " + "; ".join(way for source, way in ways.items() if source != asked) + "."


def _official(card: DatasetCard) -> str:
    return f"{', '.join(file.name for file in card.files)} (from {card.homepage})"


def _no_hub(card: DatasetCard) -> str:
    """Why there is no hub id, and what a folder of one's own must hold."""
    columns = ", ".join(card.hub_columns)
    return f"no parquet copy of {card.name} is known; the columns are {columns}"

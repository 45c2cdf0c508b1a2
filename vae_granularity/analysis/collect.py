"""From folders of run directories to one table, reading only what has changed since the last
time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson
import pandas as pd

from vae_granularity.analysis.columns import Columns, joined
from vae_granularity.analysis.row import READER, row_of
from vae_granularity.errors import ArgumentError, DataError
from vae_granularity.runs.identity import CONFIG, RESULTS

WHERE = (
    "path",
    "mtime_ns",
    "size",
    "reader",
)  # of results.json, and of the code: what tells whether a row is still right


@dataclass(frozen=True)
class Collected:
    """The runs of some folders."""

    table: pd.DataFrame  # a row a finished run: see `row.row_of`, and `path` of its directory
    broken: dict[str, str]  # path of results.json to what is wrong with it
    unfinished: tuple[str, ...]  # run directories without results.json
    reused: int = 0  # rows taken from the last pass


def collect(folders: Sequence[Path], last: pd.DataFrame | None = None) -> Collected:
    """Read results.json of every run directory in the folders (or of a folder that is one itself).

    Args:
        last: the table of an earlier pass; its rows are kept where path, time and size of
            results.json and the reading code are the same.

    Raises:
        ArgumentError: a folder does not exist, or holds no run directory.
    """
    known: dict[tuple[object, ...], int] = {}
    if (
        last is not None and "reader" in last
    ):  # a table of before there was a reader is read again whole
        known = {
            key: i
            for i, key in enumerate(zip(*(last[name].tolist() for name in WHERE), strict=True))
        }
    kept: list[int] = []
    fresh = Columns()
    broken: dict[str, str] = {}
    unfinished: list[str] = []
    for directory in _run_directories(folders):
        file = os.path.join(directory, RESULTS)
        try:
            state = os.stat(file)
        except FileNotFoundError:
            unfinished.append(directory)
            continue
        place = known.get((directory, str(state.st_mtime_ns), state.st_size, READER))
        if place is not None:
            kept.append(place)
            continue
        try:
            row = read_results(file)
        except DataError as error:
            broken[file] = str(error)
            continue
        fresh.add(
            {
                "path": directory,
                "mtime_ns": str(state.st_mtime_ns),
                "size": state.st_size,
                "reader": READER,
                **row,
            }
        )
    table = fresh.frame() if last is None else joined(last.iloc[kept], fresh.frame())
    return Collected(table, broken, tuple(unfinished), len(kept))


def read_results(file: str) -> dict[str, object]:
    """The row of one results.json.

    Raises:
        DataError: it cannot be read, is no JSON, or not the results of a run.
    """
    try:
        with open(file, "rb") as opened:
            return row_of(orjson.loads(opened.read()))
    except orjson.JSONDecodeError as error:
        raise DataError(f"is not JSON, half-written perhaps: {error}") from error
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}") from error


def _run_directories(folders: Sequence[Path]) -> Iterator[str]:
    for folder in folders:
        if not folder.is_dir():
            raise ArgumentError(
                f"runs must name a folder of run directories, got {str(folder)!r}, which is no folder"
            )
        if (folder / CONFIG).is_file() or (folder / RESULTS).is_file():
            yield str(folder)
            continue
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if entry.is_dir())
        found = [path for name in names if _is_run(path := os.path.join(folder, name))]
        if not found:
            raise ArgumentError(
                f"runs must name a folder of run directories, got {str(folder)!r}, which holds none"
            )
        yield from found


def _is_run(path: str) -> bool:
    return os.path.exists(os.path.join(path, CONFIG)) or os.path.exists(os.path.join(path, RESULTS))

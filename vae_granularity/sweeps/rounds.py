"""The record of a deciding sweep: its question and the rounds of runs that were added, and why."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vae_granularity.errors import ArgumentError, DataError
from vae_granularity.files import read_json, write_json

FILE = "deciding.json"


@dataclass(frozen=True)
class Axis:
    """Values of a swept key that may be tried, in order, and the overrides that set each."""

    name: str
    values: tuple[Any, ...]
    overrides: tuple[tuple[str, ...], ...]


@dataclass
class Record:
    """What `deciding.json` of an output folder holds; everything else follows from the runs."""

    asks: dict[str, Any]  # question, value, axes, seeds: what must not change
    budget: dict[str, float | None]  # runs, hours
    rounds: list[dict[str, Any]] = field(default_factory=list)  # look, answer, additions
    end: dict[str, Any] | None = None  # why it ended, with the last look and answer

    def write(self, folder: Path) -> None:
        """The whole record or nothing."""
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / FILE, vars(self))


def read_record(folder: Path) -> Record | None:
    """The record of a folder, if a deciding sweep has run there.

    Raises:
        DataError: the file is damaged.
    """
    try:
        return Record(**read_json(folder / FILE))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"{folder / FILE} is damaged: {error}") from error


def opened(folder: Path, asks: dict[str, Any], budget: dict[str, float | None]) -> Record:
    """The record to go on with: the folder's own, or a new one.

    Raises:
        ArgumentError: the folder's sweep asks something else, or has ended with another budget.
    """
    record = read_record(folder)
    if record is None:
        return Record(asks, budget)
    for key, value in json.loads(json.dumps(asks)).items():
        before = record.asks.get(key)
        if before != value:
            raise ArgumentError(
                f"{key} must stay {before!r} in {folder} ({FILE}), got {value!r}; "
                "another question needs a paths.output_dir of its own"
            )
    if record.budget != budget:
        if record.end is not None:
            raise ArgumentError(
                f"hydra.sweeper.budget must stay {record.budget} once a sweep has ended, got "
                f"{budget}: its last look spent what was left of the error probability; a larger "
                "budget needs a paths.output_dir of its own"
            )
        record.budget = budget
    return record

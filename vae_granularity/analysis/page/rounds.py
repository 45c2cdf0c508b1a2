"""The rounds of deciding sweeps as the page shows them: what was added when, and why."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vae_granularity.analysis.deciding.sweep import ending
from vae_granularity.analysis.page.labels import (
    first_line,
    name_of,
    seeds_label,
    value_label,
    with_unit,
)
from vae_granularity.errors import DataError
from vae_granularity.sweeps.rounds import FILE, Record, read_record


@dataclass(frozen=True)
class Round:
    """A row of the table of rounds."""

    number: int
    runs: int  # added by this round
    total: int  # with those before
    look: str  # what was seen before it
    additions: tuple[str, ...]  # `x = 4: y = 1, 2 (1 seed each): why`


@dataclass(frozen=True)
class DecidingSweep:
    """A deciding sweep of one folder."""

    folder: str
    asks: str
    rounds: tuple[Round, ...]
    end: str


def rounds_of(folders: Iterable[Path]) -> tuple[list[DecidingSweep], list[str]]:
    """The deciding sweeps of some folders, in their order, and notes on damaged records."""
    found, damaged = [], []
    for folder in folders:
        try:
            record = read_record(folder)
            found += [] if record is None else [_sweep(folder, record)]
        except DataError as error:
            damaged.append(str(error))
        except Exception as error:  # of any kind: any value may be another than was written
            what = f"{type(error).__name__}: {first_line(error)}"
            damaged.append(f"{folder / FILE} is not as a deciding sweep writes it: {what}")
    return found, damaged


def _sweep(folder: Path, record: Record) -> DecidingSweep:
    rounds, total = [], 0
    for number, one in enumerate(record.rounds, 1):
        runs = sum(len(added["seeds"]) for added in one["additions"])
        total += runs
        rounds.append(Round(number, runs, total, _look(one), tuple(_additions(record, one))))
    end = ending(record) if record.end else "still going on: the same command continues it"
    return DecidingSweep(str(folder), _asks(record), tuple(rounds), end)


def _asks(record: Record) -> str:
    asks = record.asks
    x, y = (name_of(asks[axis]["name"]) for axis in ("x", "y"))
    what = {
        "trajectory": f"the shape of the best {y} over {x}",
        "best": f"the best {y}" + (f" and {x}" if x else ""),
        "difference": f"whether the first of two points ({y}) is better by more than "
        f"{asks['larger_than']:g}",
    }[asks["question"]]
    amounts = {name: value for name, value in record.budget.items() if value is not None}
    budget = " and ".join(f"{value:g} {name}" for name, value in amounts.items())
    grid = len(asks["x"]["values"]) * len(asks["y"]["values"])
    return (
        f"{what}, by {with_unit(asks['value'])} ({asks['optimum']}), among {grid} points with up "
        f"to {len(asks['seeds'])} seeds; budget {budget}; confidence {asks['confidence']:.0%}"
    )


def _look(one: dict[str, Any]) -> str:
    if not one["look"]:
        return "–"
    return f"at level {one['look']['level']:.2g}: {one['answer']['sentence']}"


def _additions(record: Record, one: dict[str, Any]) -> Iterator[str]:
    x, y = record.asks["x"]["name"], record.asks["y"]["name"]
    groups: dict[tuple[Any, str, int], list[str]] = {}
    for added in one["additions"]:
        at = f"{name_of(x)} = {value_label(x, added['x'])}" if x else ""
        key = (at, added["why"], len(added["seeds"]))
        groups.setdefault(key, []).append(value_label(y, added["y"]))
    for (at, why, seeds), values in groups.items():
        where = ", ".join(filter(None, (at, f"{name_of(y)} = {', '.join(values)}")))
        each = " each" if len(values) > 1 else ""
        yield f"{where}: {seeds_label(seeds)}{each}, {why}"

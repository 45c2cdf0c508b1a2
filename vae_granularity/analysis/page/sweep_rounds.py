"""Describe the rounds of deciding sweeps for the page: which runs were added when, and why."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from vae_granularity.analysis.labels import (
    first_line,
    name_of,
    seeds_label,
    values_label,
    with_unit,
)
from vae_granularity.analysis.next_runs.loop import ending
from vae_granularity.errors import DataError
from vae_granularity.sweeps.rounds import FILE, Record, read_record


def describe_sweeps(folders: Iterable[Path]) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the deciding sweeps of some folders, and notes on damaged records.

    Of each sweep what it asks, its rounds and how it ended.
    """
    sweeps = []
    damaged = []
    for folder in folders:
        try:
            record = read_record(folder)
            if record is not None:
                sweeps.append(_sweep(folder, record))
        except DataError as error:
            damaged.append(str(error))
        except Exception as error:  # of any kind: any value may be another than was written
            damaged.append(
                f"{folder / FILE} is not as a deciding sweep writes it: "
                f"{type(error).__name__}: {first_line(error)}"
            )
    return sweeps, damaged


def _sweep(folder: Path, record: Record) -> dict[str, Any]:
    rounds = []
    total = 0
    for number, entry in enumerate(record.rounds, 1):
        runs = sum(len(addition["seeds"]) for addition in entry["additions"])
        total += runs
        rounds.append(
            {
                "number": number,
                "runs": runs,
                "total": total,
                "look": _look_words(entry),
                "additions": list(_addition_lines(record, entry)),
            }
        )
    end = ending(record) if record.end else "still going on: the same command continues it"
    return {"folder": str(folder), "asks": _question_words(record), "rounds": rounds, "end": end}


def _question_words(record: Record) -> str:
    asks = record.asks
    x = name_of(asks["x"]["name"])
    y = name_of(asks["y"]["name"])
    question = {
        "trajectory": f"the shape of the best {y} over {x}",
        "best": f"the best {y}" + (f" and {x}" if x else ""),
        "difference": f"whether the first of two points ({y}) is better by more than "
        f"{asks['larger_than']:g}",
    }[asks["question"]]
    limits = {name: limit for name, limit in record.budget.items() if limit is not None}
    budget = " and ".join(f"{limit:g} {name}" for name, limit in limits.items())
    grid = len(asks["x"]["values"]) * len(asks["y"]["values"])
    return (
        f"{question}, by {with_unit(asks['value'])} ({asks['optimum']}), among {grid} points with "
        f"up to {len(asks['seeds'])} seeds; budget {budget}; confidence {asks['confidence']:.0%}"
    )


def _look_words(entry: dict[str, Any]) -> str:
    if not entry["look"]:
        return "–"
    return f"at level {entry['look']['level']:.2g}: {entry['answer']['sentence']}"


def _addition_lines(record: Record, entry: dict[str, Any]) -> Iterator[str]:
    """Yield lines such as `x = 4, y = 1, 2: 1 seed each, why`."""
    x = record.asks["x"]["name"]
    y = record.asks["y"]["name"]
    groups: dict[tuple[str, str, int], list[Any]] = {}
    for addition in entry["additions"]:
        row = f"{values_label(x, [addition['x']])}, " if x else ""
        key = (row, addition["why"], len(addition["seeds"]))
        groups.setdefault(key, []).append(addition["y"])
    for (row, reason, seeds), values in groups.items():
        each_point = " each" if len(values) > 1 else ""
        yield f"{row}{values_label(y, values)}: {seeds_label(seeds)}{each_point}, {reason}"

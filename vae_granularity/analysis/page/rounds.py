"""The rounds of deciding sweeps as the page shows them: what was added when, and why."""

from collections.abc import Iterable, Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any

from vae_granularity.analysis.deciding.sweep import ending
from vae_granularity.analysis.page.labels import (
    first_line,
    name_of,
    seeds_label,
    values_label,
    with_unit,
)
from vae_granularity.errors import DataError
from vae_granularity.sweeps.rounds import FILE, Record, read_record


def rounds_of(folders: Iterable[Path]) -> tuple[list[dict[str, Any]], list[str]]:
    """The deciding sweeps of some folders (what each asks, its rounds and how it ended), and notes
    on damaged records.
    """
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


def _sweep(folder: Path, record: Record) -> dict[str, Any]:
    runs = [sum(len(added["seeds"]) for added in one["additions"]) for one in record.rounds]
    rounds = [
        {"number": number, "runs": added, "total": total, "look": _look(one)}
        | {"additions": list(_additions(record, one))}
        for number, (one, added, total) in enumerate(
            zip(record.rounds, runs, accumulate(runs), strict=True), 1
        )
    ]
    end = ending(record) if record.end else "still going on: the same command continues it"
    return {"folder": str(folder), "asks": _asks(record), "rounds": rounds, "end": end}


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
    """Lines such as `x = 4, y = 1, 2: 1 seed each, why`."""
    x, y = record.asks["x"]["name"], record.asks["y"]["name"]
    groups: dict[tuple[str, str, int], list[Any]] = {}
    for added in one["additions"]:
        at = f"{values_label(x, [added['x']])}, " if x else ""
        groups.setdefault((at, added["why"], len(added["seeds"])), []).append(added["y"])
    for (at, why, seeds), values in groups.items():
        each = " each" if len(values) > 1 else ""
        yield f"{at}{values_label(y, values)}: {seeds_label(seeds)}{each}, {why}"

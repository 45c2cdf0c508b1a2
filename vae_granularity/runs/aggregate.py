"""Numbers of several runs as one: mean, deviation and interval over seeds, never over two
protocols. Reads results.json only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vae_granularity.errors import ArgumentError
from vae_granularity.metrics.core.confidence import BY_CHANCE, Interval, interval, same_protocol
from vae_granularity.metrics.core.harmonic_scores import HARMONIC
from vae_granularity.runs.protocol import BESIDES, MEASURE_AGAIN, VERSION, version_of, without

Results = Mapping[str, Any]  # what a results.json holds


def number_protocol(results: Results, name: str) -> dict[str, Any]:
    """What a number of `terms` or `scores` was measured under; a harmonic mean under both of its
    parts.

    Empty if there is no record.
    """
    protocol = results.get("protocol", {})
    if name in results.get("terms", {}):
        return without(protocol.get("terms", {}), BESIDES)
    for entry in protocol.get("metrics", {}).values():
        if name in entry.get("scores", ()):
            return without(entry, BESIDES)
    return {part: number_protocol(results, part) for part in HARMONIC.get(name, ())}


def split_by_protocol(runs: Sequence[Results], name: str) -> list[list[Results]]:
    """The runs in lots whose number `name` was measured under one protocol and one version of it,
    in the order in which the protocols appear.
    """
    lots: list[list[Results]] = []
    for run in runs:
        protocol = _measured(run, name)
        home = next((lot for lot in lots if same_protocol(_measured(lot[0], name), protocol)), None)
        if home is None:
            lots.append([run])
        else:
            home.append(run)
    return lots


def over_runs(runs: Sequence[Results], name: str, level: float = 0.95) -> Interval | None:
    """Mean, standard deviation and Student's interval of a number over runs; missing values are
    left out, None where all are missing.

    Args:
        runs: contents of their results.json; choose ones that differ in their seed alone.
        name: a key of `terms` or of `scores`.

    Raises:
        ArgumentError: the runs that have it were measured under different protocols; names two of
            them and the first difference.
    """
    having = [run for run in runs if _value(run, name) is not None]
    lots = split_by_protocol(having, name)
    if len(lots) > 1:
        (first, *_), (other, *_) = lots[:2]
        key, a, b = next(_differences(_measured(first, name), _measured(other, name)))
        names = [run.get("run", {}).get("name", "a run") for run in (first, other)]
        raise ArgumentError(
            f"{name} must be measured under one protocol to be averaged, got {key}={a!r} in"
            f" {names[0]} and {b!r} in {names[1]}{f'; {MEASURE_AGAIN}' if key == VERSION else ''}"
        )
    return interval([_value(run, name) for run in having], level) if having else None


def aggregate(runs: Sequence[Results], level: float = 0.95) -> dict[str, Interval | None]:
    """`over_runs` of every term and score that one of the runs has.

    Raises:
        ArgumentError: as `over_runs`; split the runs with `split_by_protocol` first.
    """
    names = dict.fromkeys(
        name for run in runs for part in ("terms", "scores") for name in run.get(part, {})
    )
    return {name: over_runs(runs, name, level) for name in names}


def _measured(run: Results, name: str) -> dict[str, Any]:
    return {VERSION: version_of(run.get("protocol", {}))} | number_protocol(run, name)


def _value(run: Results, name: str) -> Any:
    return run.get("terms", {}).get(name, run.get("scores", {}).get(name))


def _differences(a: Any, b: Any, at: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Key, value and value where two protocols differ."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        for key in dict.fromkeys((*a, *b)):
            if key not in BY_CHANCE:
                yield from _differences(a.get(key), b.get(key), f"{at}.{key}".lstrip("."))
    elif a != b:
        yield at, a, b

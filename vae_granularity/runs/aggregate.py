"""Numbers of several runs as one: mean and interval over seeds, never over two protocols."""

from collections.abc import Mapping, Sequence
from typing import Any

from vae_granularity.errors import ArgumentError
from vae_granularity.metrics.core.group_scores import HARMONIC
from vae_granularity.runs import protocol as protocols
from vae_granularity.runs.interval import Interval, interval
from vae_granularity.runs.protocol import MEASURE_AGAIN, NOT_COMPARED, VERSION, differences, without

Results = Mapping[str, Any]  # what a results.json holds


def number_protocol(results: Results, name: str) -> dict[str, Any]:
    """Return the protocol of a term or score; of a harmonic mean, the protocols of both parts."""
    protocol = results.get("protocol", {})
    if name in results.get("terms", {}):
        return without(protocol.get("terms", {}), NOT_COMPARED)
    for entry in protocol.get("metrics", {}).values():
        if name in entry.get("scores", ()):
            return without(entry, NOT_COMPARED)
    return {mean: number_protocol(results, mean) for mean in HARMONIC.get(name, ())}


def split_by_protocol(runs: Sequence[Results], name: str) -> list[list[Results]]:
    """Return the runs in lots whose number `name` was measured under one protocol, in order."""
    lots: list[list[Results]] = []
    for run in runs:
        protocol = _measured(run, name)
        alike = (lot for lot in lots if not differences([_measured(lot[0], name), protocol]))
        home = next(alike, None)
        if home is None:
            lots.append(home := [])
        home.append(run)
    return lots


def over_runs(runs: Sequence[Results], name: str, level: float = 0.95) -> Interval | None:
    """Return mean, deviation and Student's interval of a number over the runs that have it.

    Args:
        runs: contents of their results.json; choose ones that differ in their seed alone.
        name: a key of `terms` or of `scores`.

    Raises:
        ArgumentError: they were measured under different protocols; names two runs and the first
            difference.
    """
    having = [run for run in runs if _value(run, name) is not None]
    lots = split_by_protocol(having, name)
    if len(lots) > 1:
        pair = [lot[0] for lot in lots[:2]]
        differing = differences(_measured(run, name) for run in pair)
        key, (a, b) = next(iter(differing.items()))
        first, other = (run.get("run", {}).get("name", "a run") for run in pair)
        remedy = f"; {MEASURE_AGAIN}" if key == VERSION else ""
        raise ArgumentError(
            f"{name} must be measured under one protocol to be averaged, "
            f"got {key}={a!r} in {first} and {b!r} in {other}{remedy}"
        )
    return interval([_value(run, name) for run in having], level) if having else None


def aggregate(runs: Sequence[Results], level: float = 0.95) -> dict[str, Interval | None]:
    """Return `over_runs` of every term and score that one of the runs has.

    Raises:
        ArgumentError: as `over_runs`; split the runs with `split_by_protocol` first.
    """
    names: dict[str, None] = {}
    for run in runs:
        names.update(dict.fromkeys(run.get("terms", {})))
        names.update(dict.fromkeys(run.get("scores", {})))
    return {name: over_runs(runs, name, level) for name in names}


def _measured(run: Results, name: str) -> dict[str, Any]:
    return {VERSION: protocols.version_of(run.get("protocol", {}))} | number_protocol(run, name)


def _value(run: Results, name: str) -> Any:
    return run.get("terms", {}).get(name, run.get("scores", {}).get(name))

"""What would settle an undecided verdict: the smallest addition of runs, its command and cost."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from itertools import count, islice
from typing import Any

import numpy as np

from vae_granularity.analysis.deciding.measured import Addition, Measured
from vae_granularity.analysis.deciding.questions import Trajectory
from vae_granularity.analysis.deciding.spending import ALPHA
from vae_granularity.analysis.page.labels import first_line, name_of, seeds_label, values_label
from vae_granularity.analysis.points import Surface
from vae_granularity.analysis.settings import Settings
from vae_granularity.analysis.slices import Reading, Slice, SliceResult
from vae_granularity.analysis.verdict import EDGE, MIN_PLACES, NOT_ENOUGH
from vae_granularity.errors import DataError
from vae_granularity.training.command import command, recorded_overrides, value_text

WHOLE = ("model.granularity", "model.latent_dim", "net.depth")  # whole numbers from 1 on
MOST_SEEDS = 100  # of a point: what needs more is not expected to be settled


@dataclass(frozen=True)
class Missing:
    """An addition to the runs of one reading."""

    reading: str  # `best granularity γ for each β`
    held: str
    what: str  # in words
    runs: int
    seconds: float  # of the runs that are to be added, projected from those that are done
    commands: tuple[str, ...]
    no_command: str = ""  # why there is none


def missing(result: SliceResult, settings: Settings) -> list[Missing]:
    """What the undecided readings of a slice lack, and those whose optimum lies on the edge."""
    return [
        found
        for reading in result.readings
        if reading.verdict.shape in (NOT_ENOUGH, EDGE)
        for found in [_of_reading(result.part, reading, settings)]
        if found is not None
    ]


def missing_words(one: Missing) -> str:
    """Cost and what, in one line.

    >>> missing_words(Missing("", "", "seeds", 12, 3600.0, ()))
    '12 runs, about 60 minutes of training: seeds'
    """
    minutes = one.seconds / 60
    time = f"{minutes:.0f} minutes" if minutes < 600 else f"{minutes / 60:.0f} hours"
    if minutes < 2:
        time = f"{one.seconds:.0f} s"
    return f"{one.runs} runs, about {time} of training: {one.what}"


def _of_reading(part: Slice, reading: Reading, settings: Settings) -> Missing | None:
    surface = reading.trajectory.surface
    known = sorted({int(seed) for seed in part.runs["seed"]})[: settings.min_seeds]
    seeds = known + _unused(known, settings.min_seeds - len(known))
    if reading.verdict.shape == EDGE or len(surface.y) < 3:
        found = _beyond(surface, reading)
        values, why = [(x, y, seeds) for x, y in found], "values beyond the edge"
    elif len(surface.x) < MIN_PLACES:
        new = _new_value(surface.x_name, surface.x, inside=True)
        values = [(new, y, seeds) for y in surface.y] if new is not None else []
        why = f"further values of {name_of(surface.x_name)}: a shape needs {MIN_PLACES}"
    else:
        values, why = _more(surface, settings)
    if not values:
        return None
    runs = sum(len(further) for _, _, further in values)
    seconds = runs * float(part.runs["run.seconds"].mean())
    groups = list(_grouped(values))
    lines = [_group_words(surface, *group) for group in groups[:6]]
    more = f" and {len(groups) - 6} more groups" if len(groups) > 6 else ""
    what = f"{why}: {'; '.join(lines)}{more}"
    try:
        commands, reason = _commands(part, surface, groups), ""
    except (DataError, OSError) as error:
        commands, reason = (), first_line(error)
    return Missing(reading.title, part.title, what, runs, seconds, commands, reason)


def _more(surface: Surface, settings: Settings) -> tuple[list[tuple[Any, Any, list[int]]], str]:
    """Points and seeds on the grid that is there: those that compete for an optimum first."""
    sign, least = 1.0 if settings.maximise else -1.0, settings.min_seeds
    question = Trajectory(first_seeds=least, min_seeds=least, max_seeds=MOST_SEEDS)
    measured = Measured(replace(surface, values=sign * surface.values), surface.count)
    additions = question.prepare(measured) or question.sharpen(measured, ALPHA)
    reasons = list(dict.fromkeys(one.why for one in additions))
    return [_values(surface, one) for one in additions], ", ".join(reasons)


def _values(surface: Surface, one: Addition) -> tuple[Any, Any, list[int]]:
    known = np.isfinite(surface.values[one.row, one.column])
    used = [seed for seed, there in zip(surface.seeds, known, strict=True) if there]
    return surface.x[one.row], surface.y[one.column], _unused(used, one.seeds)


def _unused(seeds: Collection[int], number: int) -> list[int]:
    return list(islice((seed for seed in count() if seed not in seeds), number))


def _beyond(surface: Surface, reading: Reading) -> list[tuple[Any, Any]]:
    """For each row whose optimum is on an edge the next value of y outside."""
    path, ends = reading.trajectory, {}
    for place, values in ((0, surface.y[::-1]), (len(surface.y) - 1, surface.y)):
        ends[place] = _new_value(surface.y_name, values, inside=False)
    rows = zip(path.rows.tolist(), path.best.tolist(), strict=True)
    return [(surface.x[row], ends[at]) for row, at in rows if ends.get(at) is not None]


def _new_value(name: str, values: tuple[Any, ...], inside: bool) -> Any:
    """A value in the widest gap between neighbours, or one step beyond the last; by equal factors
    where all are positive. None where values are words or there is none.

    >>> _new_value("model.beta", (1.0, 2.0, 4.0), False)
    8.0
    >>> _new_value("model.beta", (1.0, 2.0, 8.0), True)
    4.0
    >>> _new_value("model.granularity", (3.0, 2.0, 1.0), False) is None
    True
    """
    if len(values) < 2 or not all(isinstance(v, (int, float)) for v in values):
        return None
    numbers = np.array(values, dtype=np.float64)
    scaled = np.log(numbers) if numbers.min() > 0 else numbers
    if inside:
        at = int(np.abs(np.diff(scaled)).argmax())
        new = scaled[at : at + 2].mean()
    else:
        new = scaled[-1] + (scaled[-1] - scaled[-2])
    found = float(f"{np.exp(new) if numbers.min() > 0 else new:.3g}")
    if name in WHOLE:
        found = max(float(round(found)), 1.0)
    return None if found in values else found


def _grouped(
    values: list[tuple[Any, Any, list[int]]],
) -> Iterator[tuple[list[Any], list[Any], list[int]]]:
    """Additions as products of values of x, values of y and seeds."""
    rows: dict[tuple[Any, tuple[int, ...]], list[Any]] = {}
    for x, y, seeds in values:
        rows.setdefault((x, tuple(seeds)), []).append(y)
    groups: dict[tuple[tuple[Any, ...], tuple[int, ...]], list[Any]] = {}
    for (x, seeds), ys in rows.items():
        groups.setdefault((tuple(ys), seeds), []).append(x)
    for (ys, seeds), xs in groups.items():
        yield xs, list(ys), list(seeds)


def _group_words(surface: Surface, xs: list[Any], ys: list[Any], seeds: list[int]) -> str:
    axes = ((surface.x_name, xs), (surface.y_name, ys))
    parts = ", ".join(values_label(name, values) for name, values in axes)
    return f"{seeds_label(len(seeds))} at {parts}"


def _commands(part: Slice, surface: Surface, groups: list[Any]) -> tuple[str, ...]:
    axes = (surface.x_name, surface.y_name)
    for axis in axes:
        if "." not in axis or axis.startswith("run."):
            raise DataError(f"{axis} is no key of a config")
    overrides = recorded_overrides(str(part.runs["path"].iloc[0]))
    named = (*axes, "seed")
    held = [one for one in overrides if one.lstrip("+").split("=")[0] not in named]
    swept = ([f"{k}={_listed(v)}" for k, v in zip(named, one, strict=True)] for one in groups)
    return tuple(command(["-m", *held, *values]) for values in swept)


def _listed(values: list[Any]) -> str:
    whole = [int(v) if isinstance(v, float) and v.is_integer() else v for v in values]
    return ",".join(value_text(value) for value in whole)

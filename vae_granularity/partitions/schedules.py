"""Hyperparameters that change during training: pure functions of the step, in the config."""

import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, Protocol

from vae_granularity.errors import ArgumentError, integer, number

Scheduled = float | Mapping[str, Any]  # a number, or a schedule of it as `schedule` reads it


class Schedule(Protocol):
    """A value for each training step, counted from 0."""

    def __call__(self, step: int) -> float: ...

    @property
    def values(self) -> tuple[float, ...]:
        """The values between which all others lie, in the order in which they are met."""
        ...


@dataclass(frozen=True)
class Constant:
    """The same value at every step."""

    value: float

    def __call__(self, step: int) -> float:
        return self.value

    @property
    def values(self) -> tuple[float, ...]:
        return (self.value,)


@dataclass(frozen=True)
class Ramp:
    """From `start` to `end`, as far at a step as `progress` (0 to 1) says."""

    start: float
    end: float

    def __call__(self, step: int) -> float:
        return self.start + (self.end - self.start) * self.progress(step)

    def progress(self, step: int) -> float:
        """Share of the way."""
        raise TypeError(f"{type(self).__name__} must define progress()")

    @property
    def values(self) -> tuple[float, ...]:
        return (self.start, self.end)


@dataclass(frozen=True)
class Linear(Ramp):
    """`start` until step `delay`, then a line to `end` in `steps` more, in stairs of `every`."""

    steps: int
    delay: int = 0
    every: int = 1

    def progress(self, step: int) -> float:
        done = max(0, step - self.delay) // self.every * self.every
        return min(1.0, done / self.steps)


@dataclass(frozen=True)
class Cosine(Linear):
    """Half a cosine wave in place of the line of `Linear`: slow, fast, slow."""

    def progress(self, step: int) -> float:
        return 0.5 - 0.5 * math.cos(math.pi * super().progress(step))


@dataclass(frozen=True)
class Cyclic(Ramp):
    """Every `period` steps: a line in the fraction `rise`, then `end` (arXiv 1903.10145)."""

    period: int
    rise: float = 0.5

    def progress(self, step: int) -> float:
        return min(1.0, step % self.period / (self.rise * self.period))


@dataclass(frozen=True)
class Piecewise:
    """`levels[i]` from step `at[i - 1]` on; γ from coarse to fine: levels 10, 5, 2, 1."""

    levels: tuple[float, ...]
    at: tuple[int, ...]

    def __call__(self, step: int) -> float:
        return self.levels[bisect_right(self.at, step)]

    @property
    def values(self) -> tuple[float, ...]:
        return self.levels


KINDS: dict[str, type] = {k.__name__.lower(): k for k in (Linear, Cosine, Cyclic, Piecewise)}


def schedule(
    name: str, value: Any, low: float = -math.inf, high: float = math.inf, *, whole: bool = False
) -> Schedule:
    """Return the schedule of a config value: a number, or a mapping with its kind and arguments.

    >>> beta = schedule("beta", {"schedule": "linear", "start": 0, "end": 4, "steps": 100}, 0)
    >>> beta(50), beta(1000)
    (2.0, 4.0)

    Args:
        name: of the config key, for messages.
        low, high: the range that every value must lie in.
        whole: only integers are accepted, and values on the way between two of them are rounded.

    Raises:
        ArgumentError: unknown kind or key, a missing key, a value outside the range.
    """
    if not isinstance(value, Mapping):
        return Constant(_in_range(name, value, low, high, whole))
    kind = value.get("schedule")
    if kind not in KINDS:
        raise ArgumentError(f"{name}.schedule must be one of {', '.join(KINDS)}, got {kind!r}")
    accepted = {field.name: field for field in fields(KINDS[kind])}
    required = {key for key, field in accepted.items() if field.default is MISSING}
    arguments = {key: item for key, item in value.items() if key != "schedule"}
    if required - set(arguments) or set(arguments) - set(accepted):
        raise ArgumentError(
            f"{name}: a {kind} schedule takes {', '.join(accepted)}, "
            f"got {', '.join(map(str, arguments)) or 'none of them'}"
        )
    for key in ("start", "end"):
        if key in arguments:
            arguments[key] = _in_range(f"{name}.{key}", arguments[key], low, high, whole)
    for key, lowest in (("steps", 1), ("period", 1), ("every", 1), ("delay", 0)):
        if key in arguments:
            arguments[key] = integer(f"{name}.{key}", arguments[key], lowest)
    if "rise" in arguments:
        arguments["rise"] = number(f"{name}.rise", arguments["rise"], 0.0, 1.0, above=True)
    if kind == "piecewise":
        levels = tuple(
            _in_range(f"{name}.levels[{i}]", level, low, high, whole)
            for i, level in enumerate(arguments["levels"])
        )
        at = tuple(integer(f"{name}.at[{i}]", step, 1) for i, step in enumerate(arguments["at"]))
        if len(levels) != len(at) + 1 or list(at) != sorted(set(at)):
            raise ArgumentError(
                f"{name}.at must hold rising steps, one fewer than levels, got {at} for {levels}"
            )
        arguments |= {"levels": levels, "at": at}
    exact = KINDS[kind](**arguments)
    return Rounded(exact) if whole else exact


@dataclass(frozen=True)
class Rounded:
    """Another schedule, rounded to whole numbers."""

    exact: Schedule

    def __call__(self, step: int) -> float:
        return round(self.exact(step))

    @property
    def values(self) -> tuple[float, ...]:
        return self.exact.values


def label(name: str, value: Any) -> str:
    """Return a config value as names of runs show it: the number, or the ends of its schedule.

    >>> label("beta", 4.0)
    '4'
    >>> label("beta", {"schedule": "linear", "start": 0, "end": 4, "steps": 100})
    '0to4'

    Raises:
        ArgumentError: as `schedule`.
    """
    return ends(schedule(name, value))


def ends(rule: Schedule) -> str:
    """Return `4` for a constant, `0to4` for a schedule from 0 to 4."""
    values = rule.values
    return f"{values[0]:g}" if isinstance(rule, Constant) else f"{values[0]:g}to{values[-1]:g}"


def _in_range(name: str, value: object, low: float, high: float, whole: bool) -> float:
    if whole:
        return integer(name, value, int(low), None if math.isinf(high) else int(high))
    return number(name, value, low, high)

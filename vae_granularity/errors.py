"""Errors whose message is all a user needs: the commands print it alone, without a traceback."""

from __future__ import annotations

import math
import numbers

# How a reason begins where a metric lacks rows: another sample or other options could do. Any other
# reason holds for the data set and model.
TOO_LITTLE = "too little data: "


class UserError(Exception):
    """Something the user can mend; the message names it and says how."""


class ArgumentError(UserError, ValueError):
    """An argument is out of range: the message names the argument, its value and the accepted
    range.
    """


class DataError(UserError, RuntimeError):
    """A data file is missing, unreadable or not what its name says: the message names the file and
    the cause.
    """


class TrainingError(UserError, RuntimeError):
    """Training cannot go on: the message names the step and the term that failed."""


class BusyError(UserError, RuntimeError):
    """Another process trains the run: the message names the run's directory."""


def integer(name: str, value: object, low: int, high: int | None = None) -> int:
    """`value` as int if it is an integer in [low, high].

    Raises:
        ArgumentError: it is not.
    """
    if (
        isinstance(value, numbers.Integral)
        and not isinstance(value, bool)
        and low <= int(value)
        and (high is None or int(value) <= high)
    ):
        return int(value)
    accepted = f"an integer >= {low}" if high is None else f"an integer in [{low}, {high}]"
    raise ArgumentError(f"{name} must be {accepted}, got {value!r}")


def number(
    name: str, value: object, low: float = -math.inf, high: float = math.inf, *, above: bool = False
) -> float:
    """`value` as float if it is finite and in [low, high], or in (low, high] with `above`.

    Raises:
        ArgumentError: it is not.
    """
    if isinstance(value, numbers.Real) and not isinstance(value, bool):
        x = float(value)
        if math.isfinite(x) and low <= x <= high and not (above and x == low):
            return x
    start = f"> {low:g}" if above else f">= {low:g}"
    accepted = (
        "" if math.isinf(low) else f" {start}" if math.isinf(high) else f" {start} and <= {high:g}"
    )
    raise ArgumentError(f"{name} must be a finite number{accepted}, got {value!r}")


def choice(name: str, value: object, accepted: tuple[str, ...]) -> str:
    """`value` if it is one of the accepted words.

    Raises:
        ArgumentError: it is not.
    """
    if isinstance(value, str) and value in accepted:
        return value
    raise ArgumentError(f"{name} must be one of {', '.join(accepted)}, got {value!r}")

"""Errors whose message is all a user needs: the commands print it alone, without a traceback."""

from __future__ import annotations

import math
import numbers
import tempfile
from pathlib import Path

# How a reason begins where a metric lacks rows: another sample or other options could do. Any other
# reason holds for the data set and model.
TOO_LITTLE = "too little data: "


class UserError(Exception):
    """Something the user can mend; the message names it and says how."""


class ArgumentError(UserError, ValueError):
    """An argument is out of range: the message names it, its value and the accepted range."""


class DataError(UserError, RuntimeError):
    """A data file is missing, unreadable or not what its name says: the message says why."""


class ResourceError(DataError):
    """A disk, network or service fails: not the run's doing, the same command goes on later."""


class TrainingError(UserError, RuntimeError):
    """Training cannot go on: the message names the step and the term that failed."""


class BusyError(UserError, RuntimeError):
    """Another process trains the run: the message names the run's directory."""


def integer(name: str, value: object, low: int, high: int | None = None) -> int:
    """`value` as int if it is an integer in [low, high].

    >>> integer("model.granularity", 3, 1, 10)
    3

    Raises:
        ArgumentError: it is not.
    """
    if isinstance(value, numbers.Integral) and not isinstance(value, bool):
        whole = int(value)
        if low <= whole and (high is None or whole <= high):
            return whole
    accepted = f"an integer >= {low}" if high is None else f"an integer in [{low}, {high}]"
    raise ArgumentError(f"{name} must be {accepted}, got {value!r}")


def number(
    name: str, value: object, low: float = -math.inf, high: float = math.inf, *, above: bool = False
) -> float:
    """`value` as float if it is finite and in [low, high], or in (low, high] with `above`.

    >>> number("optimizer.lr", 1e-3, 0.0, above=True)
    0.001

    Raises:
        ArgumentError: it is not.
    """
    if isinstance(value, numbers.Real) and not isinstance(value, bool):
        x = float(value)
        if math.isfinite(x) and low <= x <= high and not (above and x == low):
            return x
    accepted = "" if math.isinf(low) else f" {'>' if above else '>='} {low:g}"
    accepted += "" if math.isinf(high) else f" and <= {high:g}"
    raise ArgumentError(f"{name} must be a finite number{accepted}, got {value!r}")


def choice(name: str, value: object, accepted: tuple[str, ...]) -> str:
    """`value` if it is one of the accepted words.

    >>> choice("model.estimator", "mwss", ("mws", "mss"))
    Traceback (most recent call last):
    vae_granularity.errors.ArgumentError: model.estimator must be one of mws, mss, got 'mwss'

    Raises:
        ArgumentError: it is not.
    """
    if isinstance(value, str) and value in accepted:
        return value
    raise ArgumentError(f"{name} must be one of {', '.join(accepted)}, got {value!r}")


def writable_folder(name: str, value: object) -> Path:
    """`value` as the path of a folder that can be written to; it is made if it is not there.

    Raises:
        ArgumentError: it cannot be.
    """
    path = Path(str(value))
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            return path
    except OSError as error:
        why = "it is a file" if path.is_file() else error.strerror or error
        accepted = "a folder that can be written to"
        raise ArgumentError(f"{name} must be {accepted}, got {str(path)!r}: {why}") from error


def user_path(name: str, value: str | Path) -> Path:
    """Return a path with `~` replaced by the home folder.

    Raises:
        ArgumentError: there is no such home folder.
    """
    try:
        return Path(value).expanduser()
    except RuntimeError as error:
        raise ArgumentError(
            f"{name}={value} names a home folder that this machine does not know; write the whole "
            "path"
        ) from error

"""The status of a run directory: done, failed, being trained by a process, or none of these."""

import json
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from vae_granularity.errors import BusyError, UserError
from vae_granularity.runs.identity import RESULTS, write_atomically

FAILURE, LOCK = "failed.json", ".lock"
ENVIRONMENT = (OSError, MemoryError)  # not the run's doing: the same command continues it


def is_done(directory: Path) -> bool:
    """Whether the run has results."""
    return (directory / RESULTS).exists()


def is_busy(directory: Path) -> bool:
    """Whether a process trains the run right now."""
    if not directory.is_dir():
        return False
    try:
        with FileLock(directory / LOCK, timeout=0):
            return False
    except Timeout:
        return True


def recorded_failure(directory: Path) -> str | None:
    """The cause with which the run failed last time."""
    try:
        return json.loads((directory / FAILURE).read_text())["cause"]
    except FileNotFoundError:
        return None


@contextmanager
def only_writer(directory: Path) -> Iterator[None]:
    """Keeps other processes from writing the run until this one leaves or ends, however it ends.

    Raises:
        BusyError: another process trains it.
    """
    lock = FileLock(directory / LOCK)
    try:
        lock.acquire(timeout=1)  # a second: `is_busy` of another process holds it for a moment
    except Timeout:
        raise BusyError(f"another process is training {directory}") from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def failures_recorded(directory: Path) -> Iterator[None]:
    """Writes failed.json when the run fails by its own doing; a new attempt begins without it."""
    (directory / FAILURE).unlink(missing_ok=True)
    try:
        yield
    except ENVIRONMENT:
        raise
    except Exception as error:  # of any kind: it is recorded and raised again
        name = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
        record = {"cause": f"{name}{error}", "traceback": traceback.format_exc()}
        write_atomically(directory / FAILURE, json.dumps(record, indent=1))
        raise

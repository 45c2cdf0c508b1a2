"""The status of a run directory: done, failed, being trained by a process, or none of these."""

import json
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from vae_granularity.errors import BusyError, ResourceError, UserError
from vae_granularity.runs.files import write_atomically
from vae_granularity.runs.table import read_results

FAILURE, LOCK = "failed.json", ".lock"
# Not the run's doing: the same command continues it.
ENVIRONMENT = (OSError, MemoryError, ResourceError)


def is_done(directory: Path) -> bool:
    """Whether the run has results, readable and complete; damaged ones are measured again."""
    try:
        read_results(directory)
    except (FileNotFoundError, UserError):
        return False
    return True


def is_busy(directory: Path) -> bool:
    """Whether a process trains the run right now."""
    if not directory.is_dir():
        return False
    try:
        with FileLock(directory / LOCK, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:  # nobody can lock it; whoever trains the run says why
        return False


def recorded_failure(directory: Path) -> str | None:
    """The cause with which the run failed last time; a damaged record counts as none."""
    try:
        return str(json.loads((directory / FAILURE).read_text())["cause"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


@contextmanager
def only_writer(directory: Path, patience: float = 1.0) -> Iterator[None]:
    """Keeps other processes from writing the run until this one leaves or ends, however it ends.

    Args:
        patience: seconds to wait for another; `is_busy` of one holds the lock for a moment.

    Raises:
        BusyError: another process trains it.
        ResourceError: the directory cannot be written.
    """
    lock = FileLock(directory / LOCK)
    try:
        lock.acquire(timeout=patience)
    except Timeout:
        raise BusyError(f"another process is training {directory}") from None
    except OSError as error:
        cause = error.strerror or error
        raise ResourceError(f"cannot write {directory / LOCK}: {cause}") from error
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

"""The status of a run directory: done, failed, being trained by a process, or none of these."""

import fcntl
import json
import os
import socket
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from vae_granularity.errors import BusyError, UserError
from vae_granularity.runs.identity import RESULTS, write_atomically

FAILURE, LOCK, PROGRESS = "failed.json", ".lock", "progress.json"
ENVIRONMENT = (OSError, MemoryError)  # not the run's doing: the same command continues it


def is_done(directory: Path) -> bool:
    """Whether the run has results."""
    return (directory / RESULTS).exists()


def is_busy(directory: str | Path) -> bool:
    """Whether a process trains or measures the run right now. Needs no right to write there."""
    try:
        lock = os.open(os.path.join(directory, LOCK), os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def recorded_failure(directory: str | Path) -> str | None:
    """The cause with which the run failed last time."""
    try:
        return json.loads(Path(directory, FAILURE).read_text())["cause"]
    except FileNotFoundError:
        return None


@dataclass(frozen=True)
class Progress:
    """The last sign that a training process has given of itself."""

    host: str
    written: float  # Unix time, s
    step: int | None  # None before the first entry of the log
    steps: int
    seconds_per_step: float | None  # None before the second
    elbo: float | None  # the latest training ELBO, nats

    def seconds_left(self, now: float) -> float | None:
        """Seconds of training that are left at the Unix time `now`; None if not known yet."""
        if self.step is None or self.seconds_per_step is None:
            return None
        return max(0.0, (self.steps - self.step) * self.seconds_per_step - (now - self.written))


def write_progress(directory: Path, steps: int, **found: float | None) -> None:
    """Replace progress.json by a sign of this process, now.

    It is not flushed to disk, unlike what a run needs to continue: many runs write it often.
    """
    known = {"step": None, "seconds_per_step": None, "elbo": None, **found}
    record = {"host": socket.gethostname(), "written": time.time(), "steps": steps, **known}
    temporary = directory / f"{PROGRESS}.part"
    temporary.write_text(json.dumps(record))
    os.replace(temporary, directory / PROGRESS)


def read_progress(directory: str | Path) -> Progress | None:
    """The last sign of whoever trained the run last; None without one, or of another version."""
    try:
        with open(os.path.join(directory, PROGRESS), "rb") as file:
            return Progress(**json.loads(file.read()))
    except (FileNotFoundError, ValueError, TypeError):
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

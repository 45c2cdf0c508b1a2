"""The status of a run directory: done, failed, being trained by a process, or none of these."""

import fcntl
import math
import os
import socket
import time
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import Timeout

from vae_granularity.data.files.locks import locked
from vae_granularity.errors import BusyError, ResourceError, UserError
from vae_granularity.files import read_json, write_json
from vae_granularity.runs.table import read_results

FAILURE, LOCK, PROGRESS = "failed.json", ".lock", "progress.json"
# Not the run's doing: the same command continues it.
ENVIRONMENT = (OSError, MemoryError, ResourceError)


def is_done(directory: Path) -> bool:
    """Return whether the run has results, readable and complete; damaged ones are made again."""
    try:
        read_results(directory)
    except (FileNotFoundError, UserError):
        return False
    return True


def is_busy(directory: str | Path) -> bool:
    """Return whether a process trains or measures the run. Needs no right to write there."""
    try:
        # Without O_NONBLOCK a pipe of that name would be waited for.
        lock = os.open(os.path.join(directory, LOCK), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:  # there is none, or nobody can lock it: whoever trains the run says why
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a disk without locks, where nothing is trained
        return False
    finally:
        os.close(lock)
    return False


def recorded_failure(directory: str | Path) -> str | None:
    """The cause with which the run failed last time; a damaged record counts as none."""
    try:
        return str(read_json(Path(directory, FAILURE))["cause"])
    except (OSError, ValueError, KeyError, TypeError):
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
    record = {"host": socket.gethostname(), "written": time.time(), "steps": steps}
    record |= {"step": None, "seconds_per_step": None, "elbo": None, **found}
    write_json(directory / PROGRESS, record, durable=False)


def read_progress(directory: str | Path) -> Progress | None:
    """The last sign of whoever trained the run last; None without one, or of another version."""
    try:
        sign = Progress(**read_json(os.path.join(directory, PROGRESS)))
    except (OSError, ValueError, TypeError):
        return None
    numbers = (sign.written, sign.steps, sign.step or 0, sign.seconds_per_step or 0, sign.elbo or 0)
    told = isinstance(sign.host, str) and all(type(x) in (int, float) for x in numbers)
    return sign if told and math.isfinite(sign.written) and sign.steps else None


@contextmanager
def only_writer(directory: Path, patience: float = 1.0) -> Iterator[None]:
    """Keeps other processes from writing the run until this one leaves or ends, however it ends.

    Args:
        patience: seconds to wait for another; `is_busy` of one holds the lock for a moment.

    Raises:
        BusyError: another process trains it.
        ResourceError: the directory cannot be written.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(directory / LOCK, patience))
        except Timeout:
            raise BusyError(f"another process is training {directory}") from None
        yield


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
        write_json(directory / FAILURE, record)
        raise

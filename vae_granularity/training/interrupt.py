"""Stop training early: end the step, save, end the process. By signals or by a time limit."""

import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

from lightning import Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Timer
from lightning.pytorch.utilities.exceptions import SIGTERMException

from vae_granularity.errors import ArgumentError, ResourceError

# SLURM warns with SIGUSR1 or SIGTERM, a closing terminal with SIGHUP.
SIGNALS = ("SIGINT", "SIGTERM", "SIGUSR1", "SIGHUP")
NOTICE = b"\nstopping after this step; Ctrl-C again stops at once\n"


@contextmanager
def catch_stop_signals(*, forward: bool = False) -> Iterator[list[int]]:
    """Catch the signals that ask a process to stop until the block ends; yield those received.

    All of `SIGNALS` are one request. A second SIGINT raises KeyboardInterrupt. A signal that the
    process was started to ignore, as `nohup` does with SIGHUP, stays ignored.

    Args:
        forward: Lightning ends the step: a signal is sent on to its handler of SIGTERM, and one
            that comes while it has none, before the first step, ends the process at once.
    """
    received: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        again = bool(received)
        interrupted = number == signal.SIGINT
        received.append(number)
        before_first_step = forward and signal.getsignal(signal.SIGTERM) is note
        if interrupted and (again or before_first_step):
            raise KeyboardInterrupt
        if before_first_step:
            sys.exit(128 + number)
        if interrupted:
            os.write(2, NOTICE)  # print may be busy where a signal comes
        if forward and number != signal.SIGTERM:
            signal.raise_signal(signal.SIGTERM)

    if threading.current_thread() is not threading.main_thread():
        yield received  # only the main thread may set handlers: whoever started this one ends it
        return
    # Not every system has all of them.
    numbers = [getattr(signal, name) for name in SIGNALS if hasattr(signal, name)]
    caught = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, note) for number in caught}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class TimeLimit(Timer):
    """Stop training after a time, as a signal does: at the end of a step, which is saved.

    Counts the time of this process alone, unlike Lightning's own `Timer`: the same command, started
    again, trains on for as long, one step at least.

    Args:
        duration: `trainer.max_time`: DD:HH:MM:SS, or a mapping of days, hours, minutes, seconds.

    Raises:
        ArgumentError: it is neither.
    """

    def __init__(self, duration: str | Mapping[str, int]) -> None:
        try:
            limit = duration if isinstance(duration, str) else dict(duration)
            super().__init__(limit, verbose=False)
        except (MisconfigurationException, TypeError, ValueError) as error:
            raise ArgumentError(
                "trainer.max_time must be DD:HH:MM:SS or a mapping such as {hours: 2}, "
                f"got {duration!r}"
            ) from error

    @property
    def is_over(self) -> bool:
        """True if the time is over."""
        remaining = self.time_remaining()
        return remaining is not None and remaining <= 0

    def on_fit_start(self, trainer: Trainer, *args: Any, **kwargs: Any) -> None:
        """Begin, however short the limit."""

    def on_train_batch_end(self, trainer: Trainer, *args: Any, **kwargs: Any) -> None:
        if self.is_over and trainer.global_step < trainer.max_steps:
            raise SIGTERMException

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Ignore the time of earlier processes."""


def time_is_over(max_time: Any, trainer: Trainer) -> ResourceError:
    """Return the error of a run that `TimeLimit` ended; a sweep goes on with its next point.

    >>> from types import SimpleNamespace
    >>> print(time_is_over("00:00:01:00", SimpleNamespace(global_step=40, max_steps=90)))
    trainer.max_time=00:00:01:00 is over: stopped at step 40 of 90, the run is saved. Run the same \
command again to continue
    """
    return ResourceError(
        f"trainer.max_time={max_time} is over: stopped at step {trainer.global_step} of "
        f"{trainer.max_steps}, the run is saved. Run the same command again to continue"
    )


def report_stop(received: list[int], step: int, num_runs: int = 1) -> int:
    """Print that the runs are saved and what continues them; return the process's exit code."""
    runs = "run" if num_runs == 1 else f"{num_runs} runs"
    print(f"stopped at step {step}, {runs} saved: the same command continues from here", flush=True)
    return 128 + (received[0] if received else signal.SIGTERM)

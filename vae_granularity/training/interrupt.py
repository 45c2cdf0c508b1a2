"""Ctrl-C and SIGTERM during training: the step is ended and saved, then the process ends."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

NOTICE = b"\nstopping after this step; Ctrl-C again stops at once\n"


@contextmanager
def asked_to_end(*, forward: bool = False) -> Iterator[list[int]]:
    """A list that holds the signal once the process has been sent SIGINT or SIGTERM.

    A second SIGINT raises KeyboardInterrupt.

    Args:
        forward: Lightning ends the step: SIGINT is sent on to its handler of SIGTERM, and a signal
            that comes while it has none, before the first step, ends the process at once.
    """
    asked: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        again, interrupted = bool(asked), number == signal.SIGINT
        asked.append(number)
        alone = forward and signal.getsignal(signal.SIGTERM) is note
        if interrupted and (again or alone):
            raise KeyboardInterrupt
        if alone:
            sys.exit(128 + number)
        if interrupted:
            os.write(2, NOTICE)  # print may be busy where a signal comes
            if forward:
                signal.raise_signal(signal.SIGTERM)

    if threading.current_thread() is not threading.main_thread():
        yield asked  # only the main thread may set handlers: whoever started this one ends it
        return
    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def stopped(asked: list[int], step: int, directories: int = 1) -> int:
    """Say that the runs are saved and what continues them; the exit code of the process."""
    runs = "run" if directories == 1 else f"{directories} runs"
    print(f"stopped at step {step}, {runs} saved: the same command continues from here", flush=True)
    return 128 + (asked[0] if asked else signal.SIGTERM)

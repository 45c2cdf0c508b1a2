"""Print to any terminal, also to one that lacks a letter, and to a pipe that nobody reads.

Names of runs and files are printed so that a terminal does not take letters in them for orders.
"""

import io
import logging
import os
import select
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

UNREAD = 128 + signal.SIGPIPE  # exit code, that of a program which the signal ends


def printable(text: object) -> str:
    """Return a text with every letter that a terminal would not show written as its escape.

    Lines and tabs stay. Names of files and directories, causes of failures and values of configs
    may come from a stranger, and hold any letter.

    >>> print(printable("a" + chr(27) + "]0;owned" + chr(7)))
    a\\x1b]0;owned\\x07
    """
    return "".join(
        letter
        if letter.isprintable() or letter in "\n\t"
        else letter.encode("unicode_escape", "surrogatepass").decode()
        for letter in str(text)
    )


def say(text: object, *, to_stderr: bool = False) -> None:
    """Print a text at once, with what would steer the terminal written as escapes."""
    print(printable(text), file=sys.stderr if to_stderr else sys.stdout, flush=True)


class PrintableRecord(logging.LogRecord):
    """A log record whose message does not steer the terminal."""

    def getMessage(self) -> str:
        """Return the message with escapes for what would steer the terminal."""
        return printable(super().getMessage())


@contextmanager
def tolerant_output() -> Iterator[None]:
    """Print letters that the encoding lacks as escapes; end silently once nobody reads the output.

    Raises:
        SystemExit: with `UNREAD`, where a pipe was closed that the output goes to.
    """
    for stream in (sys.stdout, sys.stderr):
        # In the locale C it is surrogateescape, which fails at β as strict does.
        if isinstance(stream, io.TextIOWrapper) and stream.errors in ("strict", "surrogateescape"):
            stream.reconfigure(errors="backslashreplace")
            # So do the processes that this one starts, in the encoding of the locale.
            os.environ.setdefault("PYTHONIOENCODING", ":backslashreplace")
    raise_exceptions = logging.raiseExceptions
    # A log record that nobody reads would be followed by a traceback; the next line printed ends
    # the process.
    logging.raiseExceptions = False
    try:
        try:
            yield
        except SystemExit:
            sys.stdout.flush()
            raise
        sys.stdout.flush()
    except BrokenPipeError as error:
        end_if_unread(error)
        raise
    finally:
        logging.raiseExceptions = raise_exceptions


def end_if_unread(error: BaseException) -> None:
    """Exit without a word if the error is that the reader of the output has closed it.

    Another pipe may break as well, of a worker or a service: that error is no business of this.

    Raises:
        SystemExit: with `UNREAD`.
    """
    if not isinstance(error, BrokenPipeError):
        return
    closed = [stream for stream in (sys.stdout, sys.stderr) if _is_closed(stream)]
    if not closed:
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in closed:
        # What the buffer still holds is written when the interpreter ends.
        os.dup2(nowhere, stream.fileno())
    sys.exit(UNREAD)


def _is_closed(stream: Any) -> bool:
    """Return whether a stream is a pipe without a reader."""
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):
        return False
    poll = select.poll()
    poll.register(descriptor, select.POLLERR)
    return bool(poll.poll(0))

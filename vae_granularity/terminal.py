"""Words for a terminal, which would take escape sequences in names for orders."""

import logging
import sys


def printable(text: object) -> str:
    """Return a text with every letter that a terminal would not show written as its escape.

    Lines and tabs stay. Names of files and directories, causes of failures and values of configs
    may be of a stranger, and hold any letter.

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
    """A record of the log whose message does not steer the terminal."""

    def getMessage(self) -> str:
        return printable(super().getMessage())

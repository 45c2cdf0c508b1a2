"""Errors whose message is all a user needs: the commands print it alone, without a traceback."""

from __future__ import annotations


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

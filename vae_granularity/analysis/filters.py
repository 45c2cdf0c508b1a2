"""The runs that an analysis is about: those that the settings keep, with the column to optimise."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

import pandas as pd

from vae_granularity.analysis.columns import word
from vae_granularity.errors import ArgumentError


def keep_where(table: pd.DataFrame, where: Mapping[str, Any]) -> pd.DataFrame:
    """The rows whose columns have the given values (None: where the value is missing).

    Raises:
        ArgumentError: no such column, or no row is left.
    """
    for name, value in where.items():
        check_column(table, f"where.{name}", name)
        column = table[name]
        same = (
            column.isna()
            if value is None
            else column.notna() & (column.astype(object).map(word) == word(value))
        )
        if not same.any():
            there = ", ".join(sorted(map(word, column.dropna().unique()))[:10])
            raise ArgumentError(
                f"where.{name} must be a value that a run has ({there}), got {value!r}"
            )
        table = table[same]
    return table.reset_index(drop=True)


def check_column(table: pd.DataFrame, argument: str, name: str) -> None:
    """Raises:
    ArgumentError: the table has no such column, or nothing stands in it.
    """
    if name in table and table[name].notna().any():
        return
    if name in table:
        raise ArgumentError(
            f"{argument} must be a column with a value, got {name!r}, which is missing in all {len(table)} runs"
        )
    close = difflib.get_close_matches(name, list(table.columns), n=3, cutoff=0.4)
    raise ArgumentError(
        f"{argument} must be a column of the runs, got {name!r}"
        + (f"; did you mean {' or '.join(map(repr, close))}?" if close else "")
    )

"""A table that grows by rows with differing keys, at eight bytes a cell and one object a distinct
word.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd


class Columns:
    """Rows are added one by one; a key that a row lacks is missing there."""

    def __init__(self) -> None:
        self._columns: dict[str, list[Any]] = {}
        self._words: dict[str, str] = {}
        self._rows = 0

    def __len__(self) -> int:
        return self._rows

    def add(self, row: Mapping[str, Any]) -> None:
        """One row: numbers, words, truth values, None."""
        for key, value in row.items():
            column = self._columns.get(key)
            if column is None:
                column = self._columns[key] = []
            if len(column) < self._rows:
                column.extend([None] * (self._rows - len(column)))
            column.append(self._words.setdefault(value, value) if isinstance(value, str) else value)
        self._rows += 1

    def frame(self) -> pd.DataFrame:
        """The table: float64 where all values are numbers, else words as a category, whose missing
        values are null.
        """
        return pd.DataFrame(
            {
                key: _series(column + [None] * (self._rows - len(column)))
                for key, column in self._columns.items()
            }
        )


def _series(column: list[Any]) -> pd.Series:
    kinds = {type(value) for value in column}
    kinds.discard(type(None))
    if kinds <= {int, float}:
        return pd.Series(
            np.array([np.nan if value is None else value for value in column], dtype=np.float64)
        )
    return pd.Series([None if value is None else word(value) for value in column], dtype="category")


def word(value: Any) -> str:
    """A parameter's value as text: whole numbers without a point, lists joined by dashes."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return "-".join(word(item) for item in value)
    return f"{value:g}" if isinstance(value, (int, float)) else str(value)


def joined(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """The rows of two such tables, one after the other."""
    if first.empty or second.empty:
        return (second if first.empty else first).reset_index(drop=True)
    names = [*first.columns, *(name for name in second.columns if name not in first)]
    return pd.DataFrame({name: _joined_column(first, second, name) for name in names})


def _joined_column(first: pd.DataFrame, second: pd.DataFrame, name: str) -> pd.Series:
    parts = [
        part[name] if name in part else pd.Series(np.nan, index=part.index)
        for part in (first, second)
    ]
    if all(pd.api.types.is_numeric_dtype(part.dtype) for part in parts):
        return pd.concat(parts, ignore_index=True)
    words = [
        part.map(lambda value: None if value != value else word(value), na_action="ignore").astype(
            object
        )
        for part in parts
    ]
    return pd.concat(words, ignore_index=True).astype("category")

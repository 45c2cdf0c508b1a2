"""Columns of labels as integers, and whether they fill a grid of factors."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from vae_granularity.data.factors import FactorSpace
from vae_granularity.errors import DataError
from vae_granularity.files import read_regular_file


@dataclass(frozen=True)
class Labels:
    """Labels of N images: names, and codes (N, L) int64 that count each column's values from 0."""

    names: tuple[str, ...]
    codes: np.ndarray
    words: tuple[str, ...] = ()  # names of columns of words, whose values have no order

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of values of each column."""
        return tuple(int(size) for size in self.codes.max(0) + 1)

    @property
    def grid(self) -> FactorSpace | None:
        """The grid of factors, where every combination of values is there exactly once.

        One factor with a value of its own in every row, as a measured number, is none.

        >>> Labels(("a", "b"), np.array([[0, 0], [1, 0], [0, 1], [1, 1]])).grid
        FactorSpace(names=('a', 'b'), sizes=(2, 2), twins=())
        """
        if len(self.names) == 1 or prod(self.sizes) != len(self.codes):
            return None
        space = FactorSpace(self.names, self.sizes)
        return space if len(np.unique(space.index(self.codes))) == len(self.codes) else None


def labels_of(
    columns: Mapping[str, Any], count: int, place: str, names: Sequence[str] | None = None
) -> Labels:
    """Return labels from columns of integers, words or numbers; a value's code is its rank.

    A column of several numbers a row, (N, F), is F columns. `names` replace those of the columns.

    Raises:
        DataError: a column is not one value an image, lacks values, or no column has two values;
            not a different name for each.
    """
    flat: dict[str, np.ndarray] = {}
    for name, column in columns.items():
        try:
            values = np.asarray(column)
        except ValueError as error:
            raise DataError(f"{place}: factor {name} has rows of different lengths") from error
        if values.ndim not in (1, 2) or len(values) != count:
            got = f"{len(values)} values" if values.ndim == 1 else f"shape {values.shape}"
            raise DataError(
                f"{place}: factor {name} must have {count} rows, one an image, got {got}"
            )
        if values.ndim == 1:
            flat[name] = values
        else:
            flat |= {f"{name}_{k}": numbers for k, numbers in enumerate(values.T)}
    codes = []
    for name, values in flat.items():
        kind = values.dtype.kind
        if kind not in "biufUS" or (kind == "f" and not np.isfinite(values).all()):
            raise DataError(
                f"{place}: factor {name} must have an integer, a word or a finite number for every "
                f"image, got {values.dtype} values"
            )
        # Codes count from 0 whatever the values are, so that they can index a grid.
        codes.append(np.unique(values, return_inverse=True)[1].reshape(-1))
    label_names = tuple(flat if names is None else map(str, names))
    labels = Labels(label_names, np.stack(codes, axis=1).astype(np.int64))
    if max(labels.sizes) < 2:
        first_row = ", ".join(f"{name}: {values[0]}" for name, values in list(flat.items())[:3])
        raise DataError(f"{place}: factors must have two or more values, got one ({first_row})")
    if names is not None and (len(names) != len(flat) or len(set(names)) < len(names)):
        raise DataError(
            f"{place}: dataset.factor_names must be {len(flat)} different names, for "
            f"{', '.join(flat)}, got {list(names)}"
        )
    pairs = zip(label_names, flat.values(), strict=True)
    words = tuple(name for name, values in pairs if values.dtype.kind in "US")
    return replace(labels, words=words)


def csv_columns(path: Path, files: Sequence[str] | None) -> dict[str, list[str]]:
    """Return the columns of a CSV with a header.

    With `files`, the first column names them, in any order; rows are returned in theirs.

    Raises:
        DataError: it cannot be read, has no header and rows, or its rows do not fit the files.
    """
    try:
        # Spreadsheets put a byte order mark first, which would be part of the first name.
        text = read_regular_file(path).decode("utf-8-sig")
        header, *rows = csv.reader(io.StringIO(text, newline=""))
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, csv.Error) as error:
        raise DataError(f"{path} is no CSV of a header and rows: {error}") from error
    header = [name.strip() for name in header]
    rows = [row for row in rows if row]
    first = 0 if files is None else 1
    if len(header) <= first or len(set(header)) < len(header):
        for_files = ", the first for the files" if first else ""
        raise DataError(
            f"{path} must begin with a header of different names{for_files}, got {header}"
        )
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise DataError(
                f"{path}, row {number}: {len(row)} values for the {len(header)} columns of the "
                "header"
            )
        for name, cell in zip(header, row, strict=True):
            if not cell.strip():
                raise DataError(
                    f"{path}, row {number}: column {name} is empty; fill it or leave the row out"
                )
    # The rows may be in any order, but a picture without a row, or a row without a picture, means
    # that the table belongs to other pictures.
    if files is not None:
        by_file = {row[0].strip(): row for row in rows}
        if len(by_file) < len(rows):
            raise DataError(f"{path} names a file twice")
        missing = [file for file in files if file not in by_file]
        strange = sorted(set(by_file) - set(files))
        counts = f"{len(rows)} rows for {len(files)} pictures"
        if missing:
            raise DataError(f"{path} has {counts}: it lacks {missing[0]}")
        if strange:
            raise DataError(f"{path} has {counts}: it names {strange[0]}, which is not there")
        rows = [by_file[file] for file in files]
    columns = {}
    for column, name in list(enumerate(header))[first:]:
        columns[name] = _numbers([row[column].strip() for row in rows])
    return columns


def _numbers(values: list[str]) -> list[Any]:
    """Return numbers if all values are numbers: 10 comes after 9 then."""
    try:
        return [float(value) for value in values]
    except ValueError:
        return values

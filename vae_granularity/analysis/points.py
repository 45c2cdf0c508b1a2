"""Runs that differ only in their seed as one point: mean and 95 % interval of every number."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

LEVEL = 0.95


def numbers_of(table: pd.DataFrame) -> list[str]:
    """Columns that hold measured numbers: terms, scores, time."""
    measured = [name for name in table.columns if name.startswith(("val/", "test/", "scores/"))]
    # TC within single groups exists for one partition alone and says nothing across points.
    return [name for name in measured if name.count("/") == 1 and table[name].notna().any()] + [
        "run.seconds"
    ]


def aggregate(
    table: pd.DataFrame, parameters: Sequence[str], numbers: Sequence[str]
) -> pd.DataFrame:
    """A row a point: its parameters, `runs`, and for each number its mean and, under `±<number>`,
    half of Student's t interval.

    Missing numbers are left out; a number that only one run has gets no interval.
    """
    from scipy.stats import t

    measured = table[list(numbers)].astype(np.float64)
    keys = [table[name] for name in parameters] or [pd.Series(0, index=table.index, name="all")]
    groups = measured.groupby(keys, observed=True, dropna=False)
    count = groups.count()
    half = t.ppf((1 + LEVEL) / 2, np.maximum(count - 1, 1)) * groups.std(ddof=1) / np.sqrt(count)
    points = groups.mean().join(half.add_prefix("±")).reset_index()
    points.insert(len(keys), "runs", groups.size().to_numpy().astype(float))
    return points if parameters else points.drop(columns="all")

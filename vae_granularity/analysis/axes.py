"""Which parameters a folder of runs sweeps, which pairs of them to draw, and what splits the runs
into slices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import pandas as pd

from vae_granularity.analysis.page.labels import name_of, value_label
from vae_granularity.analysis.row import PARAMETERS
from vae_granularity.errors import ArgumentError

# The seed's pair first: model capacity, then granularity; then what moves the objective.
PRIORITY = (
    "net.width",
    "net.depth",
    "model.granularity",
    "model.beta",
    "model.within_group_weight",
    "model.latent_dim",
)
MIN_VALUES = 3  # of a parameter that is worth a surface of its own
IDENTITY = ("data.name", "data.source", "model", "net", "likelihood")


@dataclass(frozen=True)
class Slice:
    """The runs that agree in every swept parameter but two, and the seed."""

    x: str
    y: str
    fixed: dict[str, Any]
    runs: pd.DataFrame

    @property
    def title(self) -> str:
        """What is held, in words."""
        return ", ".join(
            f"{name_of(name)} = {value_label(name, value)}" for name, value in self.fixed.items()
        )


def swept(table: pd.DataFrame) -> list[str]:
    """Columns of parameters that take two or more values, the most telling first; of two that
    always move together, the first.
    """
    return list(companions(table))


def companions(table: pd.DataFrame) -> dict[str, list[str]]:
    """Each parameter of `swept` with the further ones that always move together with it."""
    names = [
        name
        for name in table.columns
        if name in IDENTITY or (name.split(".")[0] in PARAMETERS and "." in name)
    ]
    varying = [name for name in names if table[name].nunique(dropna=False) > 1]
    varying.sort(
        key=lambda name: (PRIORITY.index(name) if name in PRIORITY else len(PRIORITY), name)
    )
    kept: dict[str, list[str]] = {}
    for name in varying:
        leader = next((other for other in kept if _one_to_one(table, name, other)), None)
        if leader is None:
            kept[name] = []
        else:
            kept[leader].append(name)
    return kept


def _one_to_one(table: pd.DataFrame, a: str, b: str) -> bool:
    pairs = len(table[[a, b]].drop_duplicates())
    return pairs == table[a].nunique(dropna=False) == table[b].nunique(dropna=False)


def pairs(
    table: pd.DataFrame, parameters: Sequence[str], x: str | None = None, y: str | None = None
) -> list[tuple[str, str]]:
    """The pairs to draw: the one that is named, else each of capacity, beta, weight and latent
    dimensions with the granularity (without one, with each other), of those with `MIN_VALUES`
    values or more; all of them if only two are swept.

    Raises:
        ArgumentError: only one of the two is named.
    """
    if (x is None) != (y is None):
        raise ArgumentError(f"x and y must be given together, got x={x}, y={y}")
    if x is not None and y is not None:
        return [(x, y)]
    usual = [name for name in parameters if name in PRIORITY]
    if len(usual) > 2:
        usual = [name for name in usual if table[name].nunique(dropna=False) >= MIN_VALUES]
    if "model.granularity" in usual:
        return [(name, "model.granularity") for name in usual if name != "model.granularity"]
    return list(combinations(usual, 2))


def slices(table: pd.DataFrame, parameters: Sequence[str], x: str, y: str) -> list[Slice]:
    """The runs split by the swept parameters other than x and y, the largest first.
    `run.num_parameters` as an axis stands for the parameters that decide it, which therefore split
    nothing."""
    capacity = ("net.width", "net.depth") if "run.num_parameters" in (x, y) else ()
    others = [
        name
        for name in parameters
        if name not in (x, y, *capacity)
        and not any(_one_to_one(table, name, axis) for axis in (x, y))
    ]
    if not others:
        return [Slice(x, y, {}, table)]
    found = []
    for key, runs in table.groupby(others, observed=True, dropna=False):
        if runs[x].nunique(dropna=False) > 1 and runs[y].nunique(dropna=False) > 1:
            values = [None if value is None or value != value else value for value in key]
            found.append(Slice(x, y, dict(zip(others, values, strict=True)), runs))
    return sorted(found, key=lambda part: -len(part.runs))

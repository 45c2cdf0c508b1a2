"""Swept parameters, the pairs of them worth a surface, and what each slice of the runs shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import pandas as pd

from vae_granularity.analysis.page.labels import is_missing, name_of, settings_label
from vae_granularity.analysis.points import Surface, make_surface
from vae_granularity.analysis.runs_table import PARAMETERS
from vae_granularity.analysis.settings import Settings
from vae_granularity.analysis.trajectory import Trajectory, make_trajectory
from vae_granularity.analysis.verdict import Verdict, judge
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
# Runs that differ in these never share a surface, even where they change together with an axis.
APART = ("data.name", "dataset.variant", "data.source", "likelihood")


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
        return settings_label(self.fixed)


@dataclass(frozen=True, eq=False)
class Reading:
    """One trajectory and what it shows."""

    trajectory: Trajectory
    verdict: Verdict

    @property
    def title(self) -> str:
        """`best granularity γ for each network width`."""
        surface = self.trajectory.surface
        return f"best {name_of(surface.y_name)} for each {name_of(surface.x_name)}"


@dataclass(frozen=True, eq=False)
class SliceResult:
    """A slice, its surface, and the trajectory both ways: best y for each x, best x for each y."""

    part: Slice
    surface: Surface
    readings: tuple[Reading, Reading]


def swept(table: pd.DataFrame) -> dict[str, list[str]]:
    """Parameters that take several values, the most telling first, with what moves as they do.

    Of two columns that always change together the first stands for both.

    >>> table = {"model.beta": [1, 4, 4], "optimizer.lr": [1, 2, 2], "model.granularity": [1, 1, 2]}
    >>> swept(pd.DataFrame(table))
    {'model.granularity': [], 'model.beta': ['optimizer.lr']}
    """
    order = (*APART, *PRIORITY)
    names = [
        name
        for name in table.columns
        if (name in ("model", "net", *APART) or ("." in name and name.split(".")[0] in PARAMETERS))
        and table[name].nunique(dropna=False) > 1
    ]
    names.sort(key=lambda name: (order.index(name) if name in order else len(order), name))
    kept: dict[str, list[str]] = {}
    for name in names:
        leader = next((other for other in kept if _one_to_one(table, name, other)), None)
        if leader is None:
            kept[name] = []
        else:
            kept[leader].append(name)
    return kept


def _one_to_one(table: pd.DataFrame, a: str, b: str) -> bool:
    counts = (table[a].nunique(dropna=False), table[b].nunique(dropna=False))
    return counts[0] == counts[1] == len(table[[a, b]].drop_duplicates())


def pairs(table: pd.DataFrame, parameters: Sequence[str]) -> list[tuple[str, str]]:
    """Each of capacity, β, weight and latent dimensions with the granularity, or with each other.

    Of those with `MIN_VALUES` values or more; all of them if only two are swept.
    """
    usual = [name for name in parameters if name in PRIORITY]
    if len(usual) > 2:
        usual = [name for name in usual if table[name].nunique(dropna=False) >= MIN_VALUES]
    if "model.granularity" in usual:
        return [(name, "model.granularity") for name in usual if name != "model.granularity"]
    return list(combinations(usual, 2))


def slices(table: pd.DataFrame, parameters: Sequence[str], x: str, y: str) -> list[Slice]:
    """The runs split by the swept parameters other than x and y, the largest first.

    `run.num_parameters` as an axis stands for the parameters that decide it, which therefore split
    nothing; so does an axis for what always changes with it, unless that is one of `APART`.
    """
    capacity = ("net.width", "net.depth") if "run.num_parameters" in (x, y) else ()
    apart = [name for name in APART if name in table and table[name].nunique(dropna=False) > 1]
    others = [
        name
        for name in dict.fromkeys((*apart, *parameters))
        if name not in (x, y, *capacity)
        and not any(
            _one_to_one(table, name, axis) for axis in (x, y) if name not in apart or axis in apart
        )
    ]
    if not others:
        return [Slice(x, y, {}, table)]
    found = []
    for key, runs in table.groupby(others, observed=True, dropna=False):
        if all(runs[axis].nunique(dropna=False) > 1 for axis in (x, y)):
            values = [None if is_missing(value) else value for value in key]
            held = dict(zip(others, values, strict=True))
            shown = {name: value for name, value in held.items() if name in parameters}
            found.append(Slice(x, y, shown, runs))
    return sorted(found, key=lambda part: -len(part.runs))


def analyse_slices(
    table: pd.DataFrame, parameters: Sequence[str], settings: Settings
) -> list[SliceResult]:
    """Surface, trajectories and verdicts of every slice of the pairs asked for, else of the usual.

    Raises:
        ArgumentError: the axes that the settings name do not vary where the rest is held.
    """
    x, y = settings.x, settings.y
    asked = pairs(table, parameters) if x is None or y is None else [(x, y)]
    found = [part for pair in asked for part in slices(table, parameters, *pair)]
    if x is not None and not found:
        raise ArgumentError(
            "x and y must both take several values where the other parameters are held, got "
            f"x={x}, y={y}; swept here: {', '.join(parameters) or 'nothing'}"
        )
    return [_analysed(part, settings) for part in found]


def _analysed(part: Slice, settings: Settings) -> SliceResult:
    surface = make_surface(part.runs, part.x, part.y, settings.value)

    def reading(way: Surface) -> Reading:
        trajectory = make_trajectory(
            way,
            maximise=settings.maximise,
            min_seeds=settings.min_seeds,
            draws=settings.num_bootstrap,
            seed=settings.seed,
        )
        return Reading(trajectory, judge(trajectory, min_seeds=settings.min_seeds))

    return SliceResult(part, surface, (reading(surface), reading(surface.transposed)))

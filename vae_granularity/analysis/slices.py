"""Find the swept parameters and pairs of them worth a surface, and judge each slice of the runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import pandas as pd

from vae_granularity.analysis.labels import is_missing, name_of, settings_label
from vae_granularity.analysis.points import Surface, make_surface
from vae_granularity.analysis.runs import PARAMETERS
from vae_granularity.analysis.settings import Settings
from vae_granularity.analysis.trajectory import Trajectory, make_trajectory
from vae_granularity.analysis.verdict import Verdict, judge
from vae_granularity.errors import ArgumentError

# Network capacity first, then granularity; then what moves the objective.
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
NEVER_POOLED = ("data.name", "dataset.variant", "data.source", "likelihood")


@dataclass(frozen=True)
class Slice:
    """Runs that agree in every swept parameter but two, and the seed."""

    x: str
    y: str
    fixed: dict[str, Any]
    runs: pd.DataFrame

    @property
    def title(self) -> str:
        """Return the fixed parameters in words."""
        return settings_label(self.fixed)


@dataclass(frozen=True, eq=False)
class TrajectoryVerdict:
    """One trajectory and its verdict."""

    trajectory: Trajectory
    verdict: Verdict

    @property
    def title(self) -> str:
        """Return the trajectory in words, such as `best granularity γ for each network width`."""
        surface = self.trajectory.surface
        return f"best {name_of(surface.y_name)} for each {name_of(surface.x_name)}"

    @property
    def shape(self) -> str:
        """Return the shape of the verdict."""
        return self.verdict.shape

    @property
    def sentence(self) -> str:
        """Return the verdict in words."""
        return self.verdict.sentence


@dataclass(frozen=True, eq=False)
class SliceResult:
    """A slice, its surface, and the trajectory both ways: best y for each x, best x for each y."""

    slice: Slice
    surface: Surface
    verdicts: tuple[TrajectoryVerdict, TrajectoryVerdict]


def swept(table: pd.DataFrame) -> dict[str, list[str]]:
    """Return the parameters that take several values, each with those that change as it does.

    The most telling first. Of two columns that always change together the first stands for both.

    >>> table = {"model.beta": [1, 4, 4], "optimizer.lr": [1, 2, 2], "model.granularity": [1, 1, 2]}
    >>> swept(pd.DataFrame(table))
    {'model.granularity': [], 'model.beta': ['optimizer.lr']}
    """
    order = (*NEVER_POOLED, *PRIORITY)
    names = [
        name
        for name in table.columns
        if _is_parameter(name) and table[name].nunique(dropna=False) > 1
    ]
    names.sort(key=lambda name: (order.index(name) if name in order else len(order), name))
    followers: dict[str, list[str]] = {}
    for name in names:
        leader = next((other for other in followers if _one_to_one(table, name, other)), None)
        if leader is None:
            followers[name] = []
        else:
            followers[leader].append(name)
    return followers


def _is_parameter(column: str) -> bool:
    if column in ("model", "net", *NEVER_POOLED):
        return True
    return "." in column and column.split(".")[0] in PARAMETERS


def _one_to_one(table: pd.DataFrame, a: str, b: str) -> bool:
    counts = (table[a].nunique(dropna=False), table[b].nunique(dropna=False))
    return counts[0] == counts[1] == len(table[[a, b]].drop_duplicates())


def pairs(table: pd.DataFrame, parameters: Sequence[str]) -> list[tuple[str, str]]:
    """Return each of capacity, β, weight and latent dimensions with the granularity.

    With each other where the granularity is not swept. Of those with `MIN_VALUES` values or more;
    all of them if only two are swept.
    """
    usual = [name for name in parameters if name in PRIORITY]
    # Of many swept parameters those with two values would give surfaces without an inside.
    if len(usual) > 2:
        usual = [name for name in usual if table[name].nunique(dropna=False) >= MIN_VALUES]
    if "model.granularity" in usual:
        return [(name, "model.granularity") for name in usual if name != "model.granularity"]
    return list(combinations(usual, 2))


def slices(table: pd.DataFrame, parameters: Sequence[str], x: str, y: str) -> list[Slice]:
    """Return the runs split by the swept parameters other than x and y, the largest first.

    `run.num_parameters` as an axis stands for the parameters that decide it, which therefore split
    nothing; so does an axis for what always changes with it, unless that is in `NEVER_POOLED`.
    """
    capacity = ("net.width", "net.depth") if "run.num_parameters" in (x, y) else ()
    never_pooled = [
        name for name in NEVER_POOLED if name in table and table[name].nunique(dropna=False) > 1
    ]

    def is_axis(name: str) -> bool:
        """Return whether x or y stands for a parameter."""
        axes = [axis for axis in (x, y) if name not in never_pooled or axis in never_pooled]
        return name in (x, y) or any(_one_to_one(table, name, axis) for axis in axes)

    others = [
        name
        for name in dict.fromkeys((*never_pooled, *parameters))
        if name not in capacity and not is_axis(name)
    ]
    if not others:
        return [Slice(x, y, {}, table)]
    split = []
    for key, runs in table.groupby(others, observed=True, dropna=False):
        if all(runs[axis].nunique(dropna=False) > 1 for axis in (x, y)):
            # pandas gives nan for a missing value, which equals nothing.
            values = [None if is_missing(value) else value for value in key]
            settings = dict(zip(others, values, strict=True))
            fixed = {name: value for name, value in settings.items() if name in parameters}
            split.append(Slice(x, y, fixed, runs))
    return sorted(split, key=lambda slice_: -len(slice_.runs))


def analyse_slices(
    table: pd.DataFrame, parameters: Sequence[str], settings: Settings
) -> list[SliceResult]:
    """Return surface, trajectories and verdicts of every slice of the settings' axes.

    Without axes in the settings, of the usual pairs.

    Raises:
        ArgumentError: the axes that the settings name do not vary while the rest is fixed.
    """
    x, y = settings.x, settings.y
    axes = pairs(table, parameters) if x is None or y is None else [(x, y)]
    split = []
    for pair in axes:
        split += slices(table, parameters, *pair)
    if x is not None and not split:
        raise ArgumentError(
            "x and y must both vary while the other parameters are fixed, got "
            f"x={x}, y={y}; these runs vary: {', '.join(parameters) or 'nothing'}"
        )
    return [_slice_result(slice_, settings) for slice_ in split]


def _slice_result(slice_: Slice, settings: Settings) -> SliceResult:
    surface = make_surface(slice_.runs, slice_.x, slice_.y, settings.value)
    verdicts = (
        _trajectory_verdict(surface, settings),
        _trajectory_verdict(surface.transposed, settings),
    )
    return SliceResult(slice_, surface, verdicts)


def _trajectory_verdict(surface: Surface, settings: Settings) -> TrajectoryVerdict:
    trajectory = make_trajectory(
        surface,
        maximise=settings.maximise,
        min_seeds=settings.min_seeds,
        draws=settings.num_bootstrap,
        seed=settings.seed,
    )
    return TrajectoryVerdict(trajectory, judge(trajectory, min_seeds=settings.min_seeds))

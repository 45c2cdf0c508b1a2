"""The best configuration of an analysis, with its interval and the command that trains it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from vae_granularity.analysis.comparable import dataset_names
from vae_granularity.analysis.page.labels import (
    first_line,
    number,
    seeds_label,
    settings_label,
    with_unit,
)
from vae_granularity.analysis.points import aggregate, rows_of_point
from vae_granularity.analysis.settings import Settings
from vae_granularity.errors import DataError
from vae_granularity.training.command import command, recorded_overrides


@dataclass(frozen=True)
class Answer:
    """The best point of one data set."""

    dataset: str
    values: dict[str, Any]  # its swept parameters
    sentence: str  # the number with its interval
    beside: str  # how sure it is that it beats the next best; empty with one point
    command: str | None  # that trains its seeds
    no_command: str  # why there is none
    runs: tuple[Path, ...]  # of its seeds


def answers(table: pd.DataFrame, names: list[str], settings: Settings) -> list[Answer]:
    """The best point of each data set among those with `min_seeds` seeds, or with the most seeds
    where none has so many; by the mean of `value` over seeds.
    """
    known = table[table[settings.value].notna()]
    parts = known.groupby(dataset_names(known), observed=True)
    return [_answer(str(name), part, names, settings) for name, part in parts]


def _answer(dataset: str, runs: pd.DataFrame, names: list[str], settings: Settings) -> Answer:
    value = settings.value
    points = aggregate(runs, names, [value])
    enough = points["runs"] >= min(settings.min_seeds, points["runs"].max())
    ranked = points[enough].sort_values(value, ascending=not settings.maximise)
    first, *others = (row for _, row in ranked.head(2).iterrows())
    best = rows_of_point(runs, first, names)
    mean, half, spread = first[value], first[f"±{value}"], ""
    if np.isfinite(half):
        ends = (number(mean - half), number(mean + half))
        spread = " (range {} to {})" if len(best) == 2 else " ({} to {}, 95 %)"
        spread = spread.format(*ends)
    return Answer(
        dataset,
        {name: first[name] for name in names},
        f"{with_unit(value)} {number(mean)}{spread}, {seeds_label(len(best))}",
        "".join(
            _compared(best[value], rows_of_point(runs, row, names)[value], row[names])
            for row in others
        ),
        *_command(best),
        tuple(Path(str(path)) for path in best["path"]),
    )


def _compared(best: pd.Series, other: pd.Series, point: pd.Series) -> str:
    """The next best point, and whether the difference of means is chance (Welch)."""
    gap = abs(float(best.mean() - other.mean()))
    where = settings_label({str(name): value for name, value in point.items()})
    text = f"Next best: {where}, {number(gap, 3)} behind"
    if min(len(best), len(other)) < 3:
        return f"{text}; too few seeds to say whether that is chance."
    found: Any = stats.ttest_ind(best, other, equal_var=False)
    chance = float(found.pvalue)
    if not np.isfinite(chance):
        return f"{text}."
    says = "more than chance" if chance < 0.05 else "not told apart from chance"
    test = f"Welch's t test, p = {number(chance, 2)}, not corrected for picking the two best"
    return f"{text}: {says} ({test})."


def _command(runs: pd.DataFrame) -> tuple[str | None, str]:
    """Return the command that trains the runs of a point, by the record of the first, or why there
    is none."""
    try:
        overrides = recorded_overrides(str(runs["path"].iloc[0]))
    except (DataError, OSError) as error:
        return None, first_line(error)
    seeds = sorted(int(seed) for seed in runs["seed"])
    rest = [one for one in overrides if not one.startswith("seed=")]
    many = ["-m"] if len(seeds) > 1 else []
    return command([*many, *rest, f"seed={','.join(map(str, seeds))}"]), ""

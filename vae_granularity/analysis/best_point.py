"""Find the best point of each data set, with its interval and the command that trains it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from vae_granularity.analysis.comparable import dataset_names
from vae_granularity.analysis.labels import (
    first_line,
    number,
    seeds_label,
    settings_label,
    with_unit,
)
from vae_granularity.analysis.points import average_seeds, far_seeds, rows_of_point
from vae_granularity.analysis.settings import Settings
from vae_granularity.errors import DataError
from vae_granularity.runs.interval import best_reach, student_reach
from vae_granularity.training.command import command, recorded_overrides

MAX_SEEDS = 10  # whose values are listed


@dataclass(frozen=True)
class BestPoint:
    """Best point of one data set."""

    dataset: str
    values: dict[str, Any]  # its swept parameters
    sentence: str  # the number with its interval and its seeds
    # Seeds far from the others, and how sure it is that the best point beats the next best.
    remarks: str
    command: str | None  # that trains its seeds
    no_command: str  # reason why there is none


def best_points(table: pd.DataFrame, names: list[str], settings: Settings) -> list[BestPoint]:
    """Return the best point of each data set by the mean of `value` over seeds.

    Among those with `min_seeds` seeds, or with the most seeds where none has so many.
    """
    measured = table[table[settings.value].notna()]
    datasets = measured.groupby(dataset_names(measured), observed=True)
    return [_best_point(str(name), runs, names, settings) for name, runs in datasets]


def _best_point(
    dataset: str, runs: pd.DataFrame, names: list[str], settings: Settings
) -> BestPoint:
    value = settings.value
    points = average_seeds(runs, names, [value])
    # Where no point has enough seeds, those with the most are compared.
    has_seeds = points["runs"] >= min(settings.min_seeds, points["runs"].max())
    ranked = points[has_seeds].sort_values(value, ascending=not settings.maximise)
    best = ranked.iloc[0]
    best_runs = rows_of_point(runs, best, names)
    far = far_seeds(runs, names, value)[best_runs.index]
    remarks = [_far_sentence(best_runs[value], far)] if far.any() else []
    if len(ranked) > 1:
        second = ranked.iloc[1]
        second_runs = rows_of_point(runs, second, names)
        remarks.append(_comparison(best_runs, second_runs, second[names], settings))
    try:
        command_line = _command(best_runs)
        no_command = ""
    except (DataError, OSError) as error:
        command_line = None
        no_command = first_line(error)
    return BestPoint(
        dataset,
        {name: best[name] for name in names},
        f"{with_unit(value)} {number(best[value])}{_interval_words(ranked, settings)}, "
        f"{_seeds_words(best_runs[value])}",
        " ".join(remarks),
        command_line,
        no_command,
    )


def _interval_words(ranked: pd.DataFrame, settings: Settings) -> str:
    """Return the interval of the best point's mean in words, as one that was picked among all."""
    value = settings.value
    count = len(ranked)
    best = ranked.iloc[0]
    mean = float(best[value])
    half = float(best[f"±{value}"])
    seeds = int(best["runs"])
    picked = f", the best of {count} points in these seeds" if count > 1 else ""
    if not np.isfinite(half):
        return picked
    if seeds == 2:
        return f"{picked} (range {number(mean - half)} to {number(mean + half)})"
    counts = ranked["runs"]
    reach_of_one = student_reach(1.0, counts)
    # Of two seeds there stands half their difference, which is their deviation over the root of 2.
    stds = (ranked[f"±{value}"] / reach_of_one).where(
        counts != 2, ranked[f"±{value}"] * np.sqrt(2.0)
    )
    free = counts - 1
    pooled = float(np.sqrt((free * stds**2).sum() / free[stds.notna()].sum()))
    worse, better = best_reach(float(stds.iloc[0]), seeds, pooled, count)
    low, high = (worse, better) if settings.maximise else (better, worse)
    pick = ", the pick allowed for" if count > 1 else ""
    return f"{picked} ({number(mean - low)} to {number(mean + high)}, 95 %{pick})"


def _seeds_words(values: pd.Series) -> str:
    """Return the number of seeds and the value of each, or what many of them span."""
    count = seeds_label(len(values))
    if len(values) == 1:
        return count
    if len(values) <= MAX_SEEDS:
        return f"{count}: {', '.join(number(value) for value in sorted(values))}"
    return f"{count} from {number(values.min())} to {number(values.max())}"


def _far_sentence(values: pd.Series, far: pd.Series) -> str:
    """Return a sentence on seeds of the best point that lie far from the others."""
    count = int(far.sum())
    return (
        f"{seeds_label(count)} {'lies' if count == 1 else 'lie'} far from the others, so that the "
        f"interval says little; the median is {number(float(values.median()))}."
    )


def _comparison(
    best: pd.DataFrame, second: pd.DataFrame, point: pd.Series, settings: Settings
) -> str:
    """Return the next best point in words, and whether the difference of means is chance.

    The differences are those within seeds where three or more seeds have both points, as a seed
    moves its runs alike; else Welch's test.
    """
    value = settings.value
    gap = abs(float(best[value].mean() - second[value].mean()))
    label = settings_label({str(name): setting for name, setting in point.items()})
    text = f"Next best: {label}, {number(gap, 3)} behind"
    if min(len(best), len(second)) < 3:
        return f"{text}; too few seeds to say whether that is chance."
    # Several runs of a point may share a seed: one number a seed, as they are not independent.
    seed_means = [runs.groupby("seed")[value].mean() for runs in (best, second)]
    differences = (seed_means[0] - seed_means[1]).dropna()
    if len(differences) >= 3:
        name = f"t test of the differences in {len(differences)} seeds"
        chance = _chance_of_zero(differences)
    else:
        name = "Welch's t test"
        test: Any = stats.ttest_ind(best[value], second[value], equal_var=False)
        chance = float(test.pvalue)
    if not np.isfinite(chance):
        return f"{text}."
    result = "more than chance" if chance < 0.05 else "not told apart from chance"
    return f"{text}: {result} ({name}, p = {number(chance, 2)}, not corrected for picking the two)."


def _chance_of_zero(differences: pd.Series) -> float:
    """Return the two-sided p of Student's t test that the mean is 0; 0 or 1 where all are equal."""
    mean = abs(float(differences.mean()))
    error = float(differences.std()) / np.sqrt(len(differences))
    # Differences that are equal up to rounding have no deviation to divide by.
    if error <= 1e-12 * max(mean, 1e-300):
        return 0.0 if mean > 0 else 1.0
    return float(2 * stats.t.sf(mean / error, len(differences) - 1))


def _command(runs: pd.DataFrame) -> str:
    """Return the command that trains the runs of a point, by the record of the first.

    Raises:
        DataError, OSError: it has not recorded its overrides.
    """
    overrides = recorded_overrides(str(runs["path"].iloc[0]))
    seeds = sorted(int(seed) for seed in runs["seed"])
    multirun = ["-m"] if len(seeds) > 1 else []
    fixed = [override for override in overrides if not override.startswith("seed=")]
    return command([*multirun, *fixed, f"seed={','.join(map(str, seeds))}"])

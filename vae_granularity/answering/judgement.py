"""Judge which granularity data need, by runs of several granularities and seeds.

With factors the judge is `factor_subspaces`: how many directions of the code a factor needs does
not depend on the granularity that a model was trained with, so every run is a witness. The ELBO is
no such judge: on blocks whose truth is known it names the granularity whose penalty costs least
(experiments/answer).
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

NEEDED = "scores/needed_granularity"
DIRECTIONS = "scores/subspace_dimensions/"
GAP = "scores/gap_group"
ELBO = "val/elbo"
GRANULARITY = "model.granularity"
LEVEL = 0.95
NEEDS_MORE = "not enough"


@dataclass(frozen=True)
class Judgement:
    """An answer.

    Args:
        granularity: that the data need; None where the runs do not say.
        lines: the answer in words.
    """

    granularity: int | None
    lines: tuple[str, ...]


def judge(runs: pd.DataFrame) -> Judgement:
    """Return which granularity the data of some runs need, in words.

    Args:
        runs: a row a run, as of `read_runs`; they differ in granularity and seed alone.
    """
    if NEEDED in runs and runs[NEEDED].notna().any():
        return _judge_by_factors(runs)
    return _judge_by_elbo(runs)


def majority(values: pd.Series) -> tuple[int, int, float]:
    """Return the most frequent value, its count, and the lower end of its share's interval.

    The interval is that of Clopper and Pearson (1934), two-sided, 95 %.

    >>> value, count, least = majority(pd.Series([2.0] * 6))
    >>> value, count, round(least, 2)
    (2, 6, 0.54)
    """
    value, count = Counter(values.astype(int)).most_common(1)[0]
    least = float(stats.beta.ppf((1 - LEVEL) / 2, count, len(values) - count + 1))
    return value, count, least


def paired_difference(runs: pd.DataFrame, column: str, first: int, second: int) -> str | None:
    """Return how much more γ = `first` has of a number than γ = `second`, paired by seed, in words.

    None where fewer than two seeds have both.
    """
    table = runs.pivot_table(index="seed", columns=GRANULARITY, values=column)
    if first not in table or second not in table:
        return None
    differences = (table[first] - table[second]).dropna().to_numpy()
    if len(differences) < 2:
        return None
    mean = float(differences.mean())
    error = float(differences.std(ddof=1)) / np.sqrt(len(differences))
    reach = float(stats.t.ppf((1 + LEVEL) / 2, len(differences) - 1)) * error
    return f"{mean:+.3g} ({mean - reach:+.3g} to {mean + reach:+.3g})"


def _judge_by_factors(runs: pd.DataFrame) -> Judgement:
    needed = runs[NEEDED].dropna()
    value, count, least = majority(needed)
    decided = least > 0.5
    told = f"{count} of {len(needed)} models"
    if decided and value == 1:
        answer = f"γ = 1: each factor that the models hold fits on one direction, say {told}"
    elif decided:
        answer = f"γ = {value}: the most demanding factor needs {value} directions, say {told}"
    else:
        spread = Counter(needed.astype(int))
        named = ", ".join(f"γ = {size} in {n}" for size, n in sorted(spread.items()))
        answer = f"{NEEDS_MORE}: the models differ ({named}), none has a majority (95 %)"
    lines = [answer, _factor_line(runs), _help_line(runs, value)]
    return Judgement(value if decided else None, tuple(lines))


def _factor_line(runs: pd.DataFrame) -> str:
    sizes = []
    absent = []
    for column in (name for name in map(str, runs) if name.startswith(DIRECTIONS)):
        name = column.removeprefix(DIRECTIONS)
        values = runs[column].dropna()
        if len(values) < len(runs) / 2:
            absent.append(name)
        else:
            value, count, _ = majority(values)
            sizes.append(f"{name} {value} ({count}/{len(values)})")
    line = f"directions by factor (models): {', '.join(sizes) or 'none'}"
    return line + (f"; not held by most models: {', '.join(absent)}" if absent else "")


def _help_line(runs: pd.DataFrame, needed: int) -> str:
    """Return whether groups of the needed size separate factors better than single dimensions."""
    trained = sorted(runs[GRANULARITY].dropna().astype(int).unique())
    larger = [granularity for granularity in trained if granularity >= max(needed, 2)]
    if 1 not in trained or not larger:
        return "does it help? not asked: there are no runs of γ = 1 and of larger groups"
    granularity = larger[0]
    parts = []
    for name, column in (("gap by group", GAP), ("ELBO, nats", ELBO)):
        difference = paired_difference(runs, column, granularity, 1) if column in runs else None
        if difference is not None:
            parts.append(f"{name} {difference}")
    if not parts:
        return "does it help? too few seeds to say"
    return f"does it help? γ = {granularity} less γ = 1, paired by seed: {'; '.join(parts)}"


def _judge_by_elbo(runs: pd.DataFrame) -> Judgement:
    """Judge data without factors: what can be said is less."""
    series = runs.groupby(GRANULARITY)[ELBO].mean().dropna()
    means = dict(zip(series.index.astype(int).tolist(), series.tolist(), strict=True))
    if len(means) < 2:
        return Judgement(None, (f"{NEEDS_MORE}: the runs have fewer than two granularities",))
    best, nearest = sorted(means, key=means.__getitem__, reverse=True)[:2]
    difference = paired_difference(runs, ELBO, best, nearest)
    lines = [
        f"without factors no granularity can be said to be right; by the ELBO γ = {best} is best",
        f"ELBO of γ = {best} less γ = {nearest}, the next best, nats, paired by seed: "
        f"{difference or 'too few seeds to say'}",
        "the ELBO says which grouping costs the model least, not which dimensions belong together",
    ]
    return Judgement(None, tuple(lines))

"""Surfaces whose verdict is known: what is true of each kind, and how its runs are drawn."""

from __future__ import annotations

import numpy as np

from vae_granularity.analysis.points import Surface
from vae_granularity.analysis.verdict import Verdict

# Standard deviation over seeds, where one grid step beside the optimum costs 1. `tails`: Student's
# t with 3 degrees of freedom and the spread 1/2, as where some runs fail.
NOISES = {"2": 2.0, "1": 1.0, "1/2": 0.5, "1/4": 0.25, "tails": 0.5}
# Of the grids that are not complete or whose rows share seeds: as in the audit.
HARD_NOISES = {"3/4": 0.75, "1/5": 0.2}
TAILS = 3
SEED_EFFECT = 5.0  # what a seed adds to all its runs

# For each kind and grid (places of x by places of y) the place of the optimum in each row; None
# where y changes nothing.
KINDS: dict[str, dict[str, list[int | None]]] = {
    "flat": {"5x3": [None] * 5, "5x5": [None] * 5, "7x7": [None] * 7},
    "half flat": {
        "5x3": [*[None] * 3, 0, 0],
        "5x5": [*[None] * 3, 0, 0],
        "7x7": [*[None] * 4, 0, 0, 0],
    },
    "level": {"5x5": [2] * 5, "7x7": [3] * 7},
    "line": {"5x5": [0, 1, 2, 3, 4], "7x7": [0, 1, 2, 3, 4, 5, 6]},
    "monotone": {"5x5": [1, 1, 1, 3, 3], "7x7": [1, 1, 1, 1, 5, 5, 5]},
    "V": {"5x5": [3, 2, 1, 2, 3], "7x7": [4, 3, 2, 1, 2, 3, 4]},
    "edge": {"5x5": [0, 0, 0, 0, 1], "7x7": [0, 0, 0, 0, 0, 1, 1]},
    # Between two shapes: of these a rule that finds more of the plain ones may say too much.
    "last row off": {"5x5": [2, 2, 2, 2, 3]},
    "zigzag": {"5x5": [2, 3, 2, 3, 2]},
    "flat V": {"5x5": [3, 2, 2, 2, 3]},
}
# Kinds whose rows have several optima that are equally good: the places of all of them. Beside each
# a step costs 1, and far from all of them 10 at most.
TIES: dict[str, dict[str, list[int]]] = {
    "two peaks": {"5x6": [1, 4], "7x7": [1, 5]},
    "plateau": {"5x6": [0, 1, 2, 3], "7x7": [0, 1, 2, 3, 4]},
    "inner plateau": {"5x6": [1, 2, 3, 4], "7x7": [1, 2, 3, 4, 5]},
}
# What a grid lacks, and how its seeds are shared; `rho` is the part of a run's variance that a
# seed has at a place of y in every row alike (0.1 to 0.5 measured).
CONDITIONS = ("complete", "points missing", "runs missing", "unequal seeds")
CONDITIONS += ("rho 0.2", "rho 0.5", "rho 0.8")
POINTS_MISSING, RUNS_MISSING = 0.15, 0.2
# Verdicts that hold of each kind; all others but "not enough runs" are false.
TRUE: dict[str, tuple[str, ...]] = {
    "flat": (),
    "half flat": (),
    "level": ("level",),
    "line": ("line", "monotone"),
    "monotone": ("monotone",),
    "V": ("V",),
    "edge": ("edge",),
    "last row off": ("level", "monotone"),
    "zigzag": ("level",),
    "flat V": ("V", "level"),
    **dict.fromkeys(TIES, ()),
}


def means(kind: str, grid: str) -> np.ndarray:
    """Return the means (places of x, places of y) of a kind."""
    num_x, num_y = map(int, grid.split("x"))
    mean = np.zeros((num_x, num_y))
    if kind in TIES:
        distances = np.abs(np.arange(num_y)[:, None] - TIES[kind][grid]).min(1)
        mean -= 10.0 * (distances > 0) if "plateau" in kind else distances.astype(float) ** 2
        return mean
    for row, place in enumerate(KINDS[kind][grid]):
        if place is not None:
            mean[row] -= (np.arange(num_y) - place) ** 2
    return mean


def draw(
    kind: str,
    grid: str,
    seeds: int,
    noise: str,
    rng: np.random.Generator,
    condition: str = "complete",
) -> Surface:
    """Return a surface: in each row a parabola, falling by 1 at the first step from its optimum,
    with noise of each run and what a seed adds to all its runs.
    """
    mean = means(kind, grid)
    shape = (*mean.shape, seeds)
    unit = (
        rng.standard_t(TAILS, shape) / np.sqrt(TAILS / (TAILS - 2))
        if noise == "tails"
        else rng.standard_normal(shape)
    )
    if condition.startswith("rho"):
        rho = float(condition.removeprefix("rho "))
        profile = rng.standard_normal((1, *shape[1:]))
        unit = np.sqrt(rho) * profile + np.sqrt(1 - rho) * unit
    spread = (NOISES | HARD_NOISES)[noise]
    values = mean[..., None] + spread * unit + SEED_EFFECT * rng.standard_normal(seeds)
    if condition == "points missing":
        values[rng.random(mean.shape) < POINTS_MISSING] = np.nan
    elif condition == "runs missing":
        values[rng.random(shape) < RUNS_MISSING] = np.nan
    elif condition == "unequal seeds":
        count = rng.integers(2, seeds + 1, mean.shape)
        values[np.arange(seeds) >= count[..., None]] = np.nan
    x, y, names = (tuple(range(length)) for length in shape)
    return Surface("x", "y", "value", x, y, names, values)


def said(verdict: Verdict) -> str:
    """The verdict's name; lines that do not move and curves that fall have names of their own."""
    if verdict.shape not in ("line", "monotone"):
        return verdict.shape
    if "does not move" in verdict.sentence:
        return "level"
    return "falling" if "falls" in verdict.sentence else verdict.shape

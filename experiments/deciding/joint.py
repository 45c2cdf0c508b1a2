"""A rule for shapes that weighs how sure each row is: does it find `level` with fewer runs?

    python experiments/deciding/joint.py joint.csv   # a minute of one core; resumes kind by kind

The rule in use fits shapes to the best place of each row, however narrowly it won. Here a shape
is fitted to a path of places, and each place that is not the best of its row costs the square of
the standard errors by which it lies behind; the cheapest path and shape of each resampling count.
Looked at once, after a third of the full grid's runs at the studies' noise and after all of them
at twice that noise, on surfaces that are level and on some that nearly are.
"""

from __future__ import annotations

import csv
import itertools
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
from simulate import SEEDS, draw

from vae_granularity.analysis.deciding.measured import Measured
from vae_granularity.analysis.deciding.questions import Answer, Trajectory
from vae_granularity.analysis.shapes import LINE, SIGMA, fits
from vae_granularity.analysis.trajectory import resampled_means
from vae_granularity.analysis.verdict import MAX_CHANCE, MIN_SUPPORT

SIMULATIONS, DRAWS, NOISE = 100, 200, "width"
FAR = 6.0  # squared standard errors behind the best at which a place is no candidate
RARE = 0.02  # share of the resamplings
OPEN, LEVEL = "open", "level"


def parabolas(*places: int) -> np.ndarray:
    """Rows that fall by 1 at the first step beside their places."""
    return np.array([-((np.arange(5.0) - place) ** 2) for place in places])


def moved_at_the_tip(*places: int) -> np.ndarray:
    """Rows that are those of a parabola at 2, the best point and the one at 3 exchanged in some."""
    rows = parabolas(*[2] * len(places))
    for row, place in zip(rows, places, strict=True):
        row[[2, place]] = row[[place, 2]]
    return rows


# Means of the rows, and what may be said of them.
KINDS = {
    "level": (parabolas(2, 2, 2, 2, 2), {LEVEL}),
    "step": (parabolas(2, 2, 2, 3, 3), {"monotone"}),
    "step at the tip": (moved_at_the_tip(2, 2, 2, 3, 3), {"monotone"}),
    "last row off": (parabolas(2, 2, 2, 2, 3), {LEVEL, "monotone"}),
    "zigzag of a step": (parabolas(2, 3, 2, 3, 2), {LEVEL}),
    "flat V": (parabolas(3, 2, 2, 2, 3), {LEVEL, "V"}),
    "V": (parabolas(3, 2, 1, 2, 3), {"V"}),
    "line": (parabolas(0, 1, 2, 3, 4), {LINE, "monotone"}),
}


def behind(means: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Squared standard errors (R, n, m) by which each point lies behind the best of its row."""
    best = means.argmax(-1, keepdims=True)
    of_best = np.take_along_axis(np.broadcast_to(errors, means.shape), best, -1)
    gap = np.take_along_axis(means, best, -1) - means
    return (gap / np.hypot(errors, of_best)) ** 2


def joint(measured: Measured) -> str:
    """The shape that holds of the means and of 80 % of the resamplings; `open` without one."""
    if (measured.level_chances > MAX_CHANCE).any():
        return OPEN
    drawn = resampled_means(measured.values, DRAWS, np.random.default_rng(0))
    costs = behind(np.concatenate([measured.means[None], drawn]), measured.errors)
    candidates = [np.flatnonzero((row < FAR).mean(0) > RARE) for row in costs.swapaxes(0, 1)]
    paths = np.array(list(itertools.product(*candidates)))
    chosen = np.eye(costs.shape[-1])[paths].reshape(len(paths), -1)
    found = fits(np.arange(paths.shape[1], dtype=float), paths)
    criteria = np.stack([fit.criterion for fit in found])
    rises = np.stack([np.abs(fit.fitted[:, -1] - fit.fitted[:, 0]) for fit in found])
    names = np.array([fit.shape for fit in found])[criteria.argmin(0)]
    rise = rises[criteria.argmin(0), np.arange(len(paths))]
    names = np.where((names == LINE) & (rise < SIGMA), LEVEL, names)
    shapes = names[(costs.reshape(len(costs), -1) @ chosen.T + criteria.min(0)).argmin(1)]
    return str(shapes[0]) if (shapes[1:] == shapes[0]).mean() >= MIN_SUPPORT else OPEN


def in_use(measured: Measured) -> str:
    """What the rule in use says."""
    answer: Answer = Trajectory().look(measured, MAX_CHANCE)
    if not answer.decided:
        return OPEN
    return LEVEL if "does not move" in answer.sentence else answer.shape


def cell(kind: str, times: int) -> dict[str, object]:
    """What both rules say of a kind of surface, at the noise or at `times` as much."""
    mean, true = KINDS[kind]
    seeds = np.array([[2, 4, 4, 4, 2]] * 5) if times == 1 else np.full((5, 5), SEEDS)
    said = {"in use": Counter[str](), "joint": Counter[str]()}
    for number in range(SIMULATIONS):
        full = draw(mean / times, NOISE, np.random.default_rng([number, times]))
        seen = np.where(np.arange(SEEDS) < seeds[..., None], full.values, np.nan)
        measured = Measured(replace(full, values=seen), seeds)
        said["in use"][in_use(measured)] += 1
        said["joint"][joint(measured)] += 1
    row: dict[str, object] = {"kind": kind, "noise": times, "runs": int(seeds.sum())}
    row["simulations"] = SIMULATIONS
    for way, counted in said.items():
        right = sum(counted[shape] for shape in true)
        wrong = SIMULATIONS - right - counted[OPEN]
        row |= {f"{way}: true": right, f"{way}: false": wrong}
        row[f"{way}: level"] = counted[LEVEL]
    return row


def main(file: Path) -> None:
    known = list(csv.DictReader(file.open())) if file.is_file() else []
    done = {(row["kind"], int(row["noise"])) for row in known}
    for kind, times in itertools.product(KINDS, (1, 2)):
        if (kind, times) in done:
            continue
        row = cell(kind, times)
        with file.open("a", newline="") as out:
            writer = csv.DictWriter(out, list(row), lineterminator="\n")
            if not out.tell():
                writer.writeheader()
            writer.writerow(row)
        print(row, flush=True)


if __name__ == "__main__":
    main(Path(__file__).parent / sys.argv[1])

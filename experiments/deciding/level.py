"""Why a third of the runs does not find `level` on 5x5 points with the width study's noise.

    python experiments/deciding/level.py level.csv   # a minute of one core

The same simulated surfaces, looked at once after full grids with fewer seeds and after allocations
of a third of the runs that no sweep could know beforehand; and deciding sweeps with larger budgets.
"""

from __future__ import annotations

import csv
import sys
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
from noise import noise_of
from simulate import SEEDS, cells, decide, draw, outcome

from vae_granularity.analysis.deciding.measured import Measured
from vae_granularity.analysis.points import Surface

KIND, GRID, NOISE, SIMULATIONS = "level", "5x5", "width", 200
NEAR, FAR_SEEDS = slice(1, 4), 2  # the optimum and the points beside it; the rest get two seeds
BUDGETS = (83, 100, 125, 150)
MEAN, QUESTION = cells()[KIND, GRID]


def once(full: Surface, counts: np.ndarray) -> str:
    """What one look at the first seeds of each point says, at 5 %."""
    seen = np.where(np.arange(SEEDS) < counts[..., None], full.values, np.nan)
    return outcome(KIND, QUESTION.look(Measured(replace(full, values=seen), counts), 0.05))


def allocated(share: np.ndarray) -> np.ndarray:
    """Seeds by point: a third of the full grid's runs, those that are left in these shares (5, 3)
    at the points near the optimum.
    """
    counts = np.full(MEAN.shape, FAR_SEEDS)
    counts[:, NEAR] = 0
    left = BUDGETS[0] - counts.sum()
    counts[:, NEAR] = np.clip(np.rint(left * share / share.sum()), FAR_SEEDS, SEEDS)
    return counts


def main(file: Path) -> None:
    found, runs = defaultdict[str, Counter[str]](Counter), Counter[str]()
    for number in range(SIMULATIONS):
        full = draw(MEAN, NOISE, np.random.default_rng(number))
        spread = noise_of(NOISE).drawn(MEAN.shape, np.random.default_rng(number))
        ways = {
            f"full grid, {seeds} seeds": np.full(MEAN.shape, seeds) for seeds in (3, 5, 6, 8, 10)
        }
        ways["most seeds near the optimum"] = allocated(np.ones((5, 3)))
        ways["the same, by each point's true spread"] = allocated(spread[:, NEAR])
        for way, counts in ways.items():
            found[way][once(full, counts)] += 1
            runs[way] += int(counts.sum())
        for budget in BUDGETS:
            way = f"deciding, budget {budget}"
            answer, used, _ = decide(QUESTION, full, budget, corrected=True)
            found[way][outcome(KIND, answer)] += 1
            runs[way] += used
    with file.open("w", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["way", "runs", "simulations", "true", "false"])
        for way, counted in found.items():
            mean_runs = round(runs[way] / SIMULATIONS, 1)
            writer.writerow([way, mean_runs, SIMULATIONS, counted["true"], counted["false"]])
            print(way, mean_runs, dict(counted))


if __name__ == "__main__":
    main(Path(__file__).parent / sys.argv[1])

"""How often is the claim that complex factors need a larger γ "borne out", true or not?

    python experiments/verdicts/claim.py claim.csv

A line a cell, appended to the named file in `results`; cells that the file has are left out. One
minute on one thread.
"""

from __future__ import annotations

import csv
import itertools
import sys
import zlib
from pathlib import Path

import numpy as np
import pandas as pd

from vae_granularity.analysis.complexity_claim import claim_tests

GRID = (1, 2, 3, 4, 6, 12)  # the γ tried; the place after the last: separated at none of them
FACTORS, SEEDS = (5, 10), (3, 5, 10)
# How far a factor's own place strays from the line on which place grows with complexity (1 at the
# least complex factor, 12 at the most); None: factors take any place, whatever their complexity.
STRAY = {"none": None, "weak": 2.0, "strong": 1.0}
SIMULATIONS = {"none": 1000, "weak": 300, "strong": 300}
SEED_MOVES = (0.25, 0.5, 0.25)  # a seed finds a factor one place earlier, there, or one later
CELL = ("relation", "factors", "seeds")


def draw(relation: str, factors: int, seeds: int, rng: np.random.Generator) -> pd.DataFrame:
    """The γ at which each factor separates for each seed, the factors in order of complexity."""
    last, stray = len(GRID), STRAY[relation]
    if stray is None:
        own = rng.integers(0, last, factors)
    else:
        own = np.rint(np.linspace(0, last - 1, factors) + stray * rng.standard_normal(factors))
    moved = own[:, None] + rng.choice([-1, 0, 1], (factors, seeds), p=SEED_MOVES)
    reached = np.array([*GRID, np.nan])[np.clip(moved, 0, last).astype(int)]
    columns = {
        "partition": "simulated",
        "factor": np.repeat([f"f{f}" for f in range(factors)], seeds),
        "seed": np.tile(np.arange(seeds), factors),
        "first": reached.ravel(),
        "tried": GRID[-1],
    }
    return pd.DataFrame(columns)


def borne_out(first: pd.DataFrame, factors: int) -> bool:
    """Whether the page would say that the claim is borne out."""
    [found] = claim_tests(first, {f"f{f}": float(f + 1) for f in range(factors)})
    return "the claim is borne out" in found.sentence


def run(file: Path) -> None:
    """Append every cell that the file lacks."""
    known = list(csv.DictReader(file.open())) if file.is_file() else []
    done = {tuple(row[name] for name in CELL) for row in known}
    for relation, factors, seeds in itertools.product(STRAY, FACTORS, SEEDS):
        if (relation, str(factors), str(seeds)) in done:
            continue
        rng = np.random.default_rng(zlib.crc32(f"{relation} {factors} {seeds}".encode()))
        count = SIMULATIONS[relation]
        said = sum(borne_out(draw(relation, factors, seeds, rng), factors) for _ in range(count))
        row = dict(zip(CELL, (relation, factors, seeds), strict=True))
        row |= {"simulations": count, "borne out": said}
        with file.open("a", newline="") as out:
            writer = csv.DictWriter(out, list(row))
            if not out.tell():
                writer.writeheader()
            writer.writerow(row)
        print(row)


if __name__ == "__main__":
    run(Path(__file__).parent / "results" / sys.argv[1])

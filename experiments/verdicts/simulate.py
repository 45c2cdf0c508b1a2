"""How often is each verdict on a trajectory given where it is true, and where it is not?

    python experiments/verdicts/simulate.py verdicts.csv   # or with the kinds wanted after it

Simulates what `surfaces.py` describes and judges it by the installed code with the defaults of
`analyze`; one line a cell, appended to the named file in `results`. Cells that the file has are
left out, so it can be stopped at any time. Seven minutes on one thread; `tables.py` makes the
tables.
"""

from __future__ import annotations

import csv
import itertools
import sys
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
from surfaces import KINDS, NOISES, draw, said

from vae_granularity.analysis.trajectory import make_trajectory
from vae_granularity.analysis.verdict import judge

VERDICTS = ("level", "line", "monotone", "falling", "V", "inverted V", "edge", "not enough runs")
CELL = ("kind", "grid", "seeds", "noise")
SEEDS = (3, 5, 10)
SIMULATIONS = 300


def cell(kind: str, grid: str, seeds: int, noise: str, simulations: int) -> dict[str, int]:
    """How many of the simulations got which verdict."""
    rng = np.random.default_rng(zlib.crc32(f"{kind} {grid} {seeds} {noise}".encode()))
    found: Counter[str] = Counter()
    for number in range(simulations):
        found[said(judge(make_trajectory(draw(kind, grid, seeds, noise, rng), seed=number)))] += 1
    return {verdict: found[verdict] for verdict in VERDICTS}


def run(file: Path, kinds: list[str]) -> None:
    """Append every cell of the kinds that the file lacks."""
    known = list(csv.DictReader(file.open())) if file.is_file() else []
    done = {tuple(row[name] for name in CELL) for row in known}
    grids = [(kind, grid) for kind in kinds for grid in KINDS[kind]]
    for (kind, grid), seeds, noise in itertools.product(grids, SEEDS, NOISES):
        key = (kind, grid, seeds, noise)
        if tuple(map(str, key)) in done:
            continue
        row = dict(zip(CELL, key, strict=True)) | {"simulations": SIMULATIONS}
        row |= cell(*key, SIMULATIONS)
        with file.open("a", newline="") as out:
            writer = csv.DictWriter(out, list(row))
            if not out.tell():
                writer.writeheader()
            writer.writerow(row)
        print(row)


if __name__ == "__main__":
    run(Path(__file__).parent / "results" / sys.argv[1], sys.argv[2:] or list(KINDS))

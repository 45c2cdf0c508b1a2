"""How often is each verdict on a trajectory given where it is true, and where it is not?

    python experiments/verdicts/simulate.py verdicts.csv   # or with the kinds wanted after it
    python experiments/verdicts/simulate.py hard.csv       # incomplete grids, ties, shared seeds

Simulates what `surfaces.py` describes and judges it by the installed code with the defaults of
`analyze`; one line a cell, appended to the named file in `results`. Cells that the file has are
left out, so it can be stopped at any time. Ten minutes each on one thread; `tables.py` makes the
tables.
"""

from __future__ import annotations

import csv
import itertools
import sys
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from surfaces import CONDITIONS, HARD_NOISES, KINDS, TIES, draw, said

from vae_granularity.analysis.trajectory import make_trajectory
from vae_granularity.analysis.verdict import judge

VERDICTS = ("level", "line", "monotone", "falling", "V", "inverted V", "edge", "not enough runs")
CELL = ("kind", "grid", "seeds", "noise")
HARD_CELL = (*CELL, "condition")
SEEDS = (3, 5, 10)
PLAIN_NOISES = ("1", "1/2")  # of the five that the table of the rule before has
SIMULATIONS = 200
# Of incomplete grids and shared seeds; the others have 5x3 points, or lie between two shapes.
HARD_KINDS = (*TIES, "level", "V", "line", "monotone", "edge", "half flat", "flat")


def cell(
    kind: str, grid: str, seeds: int, noise: str, condition: str, simulations: int
) -> dict[str, int]:
    """Return how many of the simulations got which verdict."""
    name = f"{kind} {grid} {seeds} {noise}"
    if condition != "complete":
        name += f" {condition}"
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    verdicts: Counter[str] = Counter()
    for number in range(simulations):
        surface = draw(kind, grid, seeds, noise, rng, condition)
        verdicts[said(judge(make_trajectory(surface, seed=number)))] += 1
    return {verdict: verdicts[verdict] for verdict in VERDICTS}


def plain_cells(kinds: list[str]) -> Iterator[tuple[str, str, int, str]]:
    """Yield the cells of complete grids whose runs are independent but for the seed effect."""
    for kind in kinds or list(KINDS):
        for cell in itertools.product([kind], KINDS[kind], SEEDS, PLAIN_NOISES):
            # The larger grids are slow: one number of seeds.
            if cell[1] != "7x7" or cell[2] == 5:
                yield cell


def hard_cells(kinds: list[str]) -> Iterator[tuple[str, str, int, str, str]]:
    """Yield the cells of incomplete grids, of several equal optima, and of shared seeds."""
    for kind in kinds or list(HARD_KINDS):
        grids = [grid for grid in (KINDS | TIES)[kind] if grid != "5x3"]
        for cell in itertools.product([kind], grids, SEEDS, HARD_NOISES, CONDITIONS):
            # Little noise is simulated for what a grid lacks, and with five seeds; complete grids
            # of the plain kinds stand in the other table.
            little = cell[3] == "1/5"
            if little and (cell[2] != 5 or cell[-1].startswith("rho")):
                continue
            if cell[-1] == "complete" and kind not in TIES:
                continue
            # The plain kinds on the smaller grid and at one correlation: the rule errs on ties.
            if kind not in TIES and (cell[1] == "7x7" or cell[-1] in ("rho 0.2", "rho 0.8")):
                continue
            yield cell


def run(file: Path, kinds: list[str]) -> None:
    """Append every cell of the kinds that the file lacks."""
    hard = file.name == "hard.csv"
    names = HARD_CELL if hard else CELL
    rows = list(csv.DictReader(file.open())) if file.is_file() else []
    done = {tuple(row[name] for name in names) for row in rows}
    for key in hard_cells(kinds) if hard else plain_cells(kinds):
        if tuple(map(str, key)) in done:
            continue
        condition = key[4] if len(key) > 4 else "complete"
        row = dict(zip(names, key, strict=True)) | {"simulations": SIMULATIONS}
        row |= cell(*key[:4], condition, SIMULATIONS)
        with file.open("a", newline="") as out:
            writer = csv.DictWriter(out, list(row))
            if not out.tell():
                writer.writeheader()
            writer.writerow(row)
        print(row, flush=True)


if __name__ == "__main__":
    run(Path(__file__).parent / "results" / sys.argv[1], sys.argv[2:])

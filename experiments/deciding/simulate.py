"""Does a deciding sweep find what the full grid with ten seeds finds, with a third of the runs?

    python experiments/deciding/simulate.py results.csv   # or with the kinds wanted after it

Surfaces of `experiments/verdicts/surfaces.py`, whose verdict is known, with the noise of our own
runs (`noise.py`), and two points for the other questions. Each simulation draws ten seeds at every
point; the full grid sees them all at one look, a deciding sweep those that it asks for, through
`next_step`, which the sweeper calls too. One line a cell, appended to the named file; cells that
the file has are left out, so it can be stopped at any time.
"""

from __future__ import annotations

import csv
import itertools
import sys
import zlib
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
from noise import FOLDERS, noise_of

from vae_granularity.analysis.next_runs.looks import Look, next_step
from vae_granularity.analysis.next_runs.measured import Measured
from vae_granularity.analysis.next_runs.questions import (
    Answer,
    BestQuestion,
    DifferenceQuestion,
    Question,
)
from vae_granularity.analysis.next_runs.trajectory_question import TrajectoryQuestion
from vae_granularity.analysis.points import Surface
from vae_granularity.analysis.trajectory import make_trajectory
from vae_granularity.analysis.verdict import judge

sys.path.insert(0, str(Path(__file__).parents[1] / "verdicts"))
from surfaces import KINDS, SEED_EFFECT, TIES, TRUE, means, said
from surfaces import draw as draw_shared

SEEDS, SIMULATIONS, SHARE = 10, 100, 3  # a deciding sweep may run a third of the full grid
GRIDS = ("5x5", "7x7")
# Means of the points of the other two questions, and what is true of them.
POINTS = {
    "best: tie": ([-4, -1, 0, 0, -1, -4], None),
    "best: peak": ([-9, -4, -1, 0, -1, -4], 3),
    "difference: none": ([0, 0], None),
    "difference: 2": ([2, 0], "larger"),
}
KEPT = ("V", "line", "level")  # kinds for which early stopping is compared with none
ORDER = ("V", "line", "level", "half flat", "flat", "monotone", "edge")
WAYS = ("corrected", "uncorrected", "all points kept")
# Half of a run's variance (3/4 of a step) is what a seed has at a place of y in every row.
SHARED = "rho 0.5"
CELL = ("kind", "grid", "noise")


def draw(mean: np.ndarray, noise: str, rng: np.random.Generator) -> Surface:
    """Runs of ten seeds around the means (n, m), with the spread of each point and seed effects."""
    spread = noise_of(noise).drawn(mean.shape, rng)
    values = mean[..., None] + spread[..., None] * rng.standard_normal((*mean.shape, SEEDS))
    values += SEED_EFFECT * rng.standard_normal(SEEDS)
    x, y, seeds = (tuple(range(length)) for length in values.shape)
    return Surface("x", "y", "value", x, y, seeds, values)


def decide(
    question: Question, full: Surface, budget: int, corrected: bool
) -> tuple[Answer, int, int]:
    """The last answer of a deciding sweep, its runs and looks."""
    asked, looks = np.zeros(full.mean.shape, dtype=np.int64), list[Look]()
    while True:
        seen = np.where(np.arange(SEEDS) < asked[..., None], full.values, np.nan)
        measured = Measured(replace(full, values=seen), asked)
        used, costs = int(asked.sum()), np.ones(asked.shape)
        now = next_step(
            question, measured, looks, costs, used=used, budget=budget, corrected=corrected
        )
        looks += [now.look] if now.look else []
        if now.ended:
            assert now.answer is not None
            return now.answer, used, len(looks)
        asked = asked.copy()
        for one in now.additions:
            asked[one.row, one.column] += one.seeds


def cells() -> dict[tuple[str, str], tuple[np.ndarray, Question]]:
    """Means and question of each kind and grid."""
    found: dict[tuple[str, str], tuple[np.ndarray, Question]] = {}
    for kind, grid in itertools.product(ORDER, GRIDS):
        if grid in KINDS[kind]:
            found[kind, grid] = means(kind, grid), TrajectoryQuestion()
    for kind, grid in itertools.product(TIES, ("7x7",)):
        found[kind, grid] = means(kind, grid), TrajectoryQuestion()
    for kind, (row, _) in POINTS.items():
        question = (
            BestQuestion() if kind.startswith("best") else DifferenceQuestion(larger_than=0.0)
        )
        found[kind, f"1x{len(row)}"] = np.array([row], dtype=float), question
    return found


def outcome(kind: str, answer: Answer) -> str:
    """true, false or open."""
    if not answer.decided:
        return "open"
    if kind in TRUE:
        return "true" if said(answer) in TRUE[kind] else "false"  # pyright: ignore
    truth = POINTS[kind][1]
    if kind.startswith("best"):
        return "true" if truth is not None and f"y = {truth};" in answer.sentence else "false"
    return "true" if truth and truth in answer.sentence else "false"


def of_full(kind: str, question: Question, full: Surface) -> Answer:
    """What one look at all runs says."""
    if isinstance(question, TrajectoryQuestion):
        verdict = judge(make_trajectory(full))
        decided = verdict.shape != "not enough runs"
        return Answer(decided, verdict.shape, verdict.sentence)
    return question.look(Measured(full, full.count), 0.05)


def cell(kind: str, grid: str, noise: str) -> dict[str, float]:
    """Shares of true and false answers, runs and looks of each way."""
    rng = np.random.default_rng(zlib.crc32(f"{kind} {grid} {noise}".encode()))
    mean, question = cells()[kind, grid]
    full_runs = mean.size * SEEDS
    # Two points cannot be thinned out: they may have all their seeds.
    budget = full_runs // SHARE if kind in TRUE else full_runs
    found, runs, looks = Counter[tuple[str, str]](), Counter[str](), Counter[str]()
    same = 0
    for _ in range(SIMULATIONS):
        if noise == SHARED:
            full = draw_shared(kind, grid, SEEDS, "3/4", rng, noise)
        else:
            full = draw(mean, noise, rng)
        found["full", outcome(kind, of_full(kind, question, full))] += 1
        shapes = set[str]()
        for way in WAYS:
            if way == "all points kept" and kind not in KEPT:
                continue
            kept = way == "all points kept"
            asked = replace(question, give_up_se=1e9) if kept else question  # pyright: ignore
            answer, used, taken = decide(asked, full, budget, way != "uncorrected")
            found[way, outcome(kind, answer)] += 1
            runs[way] += used
            looks[way] += taken
            if way != "uncorrected" and answer.decided:
                shapes.add(answer.shape)
        same += len(shapes) < 2
    row: dict[str, float] = {"full grid": full_runs, "budget": budget, "simulations": SIMULATIONS}
    for way in ("full", *WAYS):
        row |= {f"{way}: {what}": found[way, what] for what in ("true", "false")}
    for way in WAYS:
        row |= {f"{way}: runs": runs[way] / SIMULATIONS, f"{way}: looks": looks[way] / SIMULATIONS}
    return row | {"never contradicted by keeping all points": same}


def run(file: Path, kinds: list[str]) -> None:
    """Append every cell of the kinds that the file lacks."""
    known = list(csv.DictReader(file.open())) if file.is_file() else []
    done = {tuple(row[name] for name in CELL) for row in known}
    for (kind, grid), noise in itertools.product(cells(), (*FOLDERS, SHARED)):
        if (kind, grid, noise) in done or kind not in kinds:
            continue
        # Equal optima with shared seeds alone; the other kinds with our own noise.
        if (kind in TIES) != (noise == SHARED):
            continue
        row = dict(zip(CELL, (kind, grid, noise), strict=True)) | cell(kind, grid, noise)
        with file.open("a", newline="") as out:
            writer = csv.DictWriter(out, list(row))
            if not out.tell():
                writer.writeheader()
            writer.writerow(row)
        print(row, flush=True)


if __name__ == "__main__":
    run(Path(__file__).parent / sys.argv[1], sys.argv[2:] or [*ORDER, *TIES, *POINTS])

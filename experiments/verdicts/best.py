"""How often does the interval of the best of many points cover that point's mean?

    python experiments/verdicts/best.py   # results/best.csv; half a minute on one thread

`student` is Student's interval of the point that was picked, as if it had been the only one; `pick`
is `runs.interval.best_reach`, which the page prints. Where one seed in ten fails by 20 nats no
interval of a mean holds with few seeds, so `far` says how often the page shows that seeds of the
picked point lie far from the others.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd

from vae_granularity.analysis.points import far_seeds
from vae_granularity.runs.interval import best_reach, student_reach

POINTS, SEEDS, MEANS = (2, 6, 30, 100), (3, 5, 10), ("equal", "apart")
NOISES = ("normal", "uneven", "tails", "failed")
SIMULATIONS = 1000


def draw(means: str, noise: str, points: int, seeds: int, rng: np.random.Generator):
    """Return the true means (points,) and values (points, seeds) around them.

    Normal noise of spread 1, the same with a spread of each point's own (log-normal, 0.7),
    Student's t with 3 degrees of freedom, or spread 0.3 and one run in ten that fails by 20.
    """
    true = np.zeros(points) if means == "equal" else rng.standard_normal(points)
    shape = (points, seeds)
    if noise == "tails":
        return true, true[:, None] + rng.standard_t(3, shape) / np.sqrt(3)
    unit = rng.standard_normal(shape)
    if noise == "uneven":
        unit *= np.exp(0.7 * rng.standard_normal((points, 1)))
    if noise == "failed":
        return true - 2.0, true[:, None] + 0.3 * unit - 20.0 * (rng.random(shape) < 0.1)
    return true, true[:, None] + unit


def cell(means: str, noise: str, points: int, seeds: int) -> dict[str, float]:
    """Return the coverage of both intervals, the median width of the pick's, and the share of picks
    with seeds that are called far.
    """
    rng = np.random.default_rng([points, seeds, MEANS.index(means), NOISES.index(noise)])
    student = pick = far = failed = 0
    widths = []
    for _ in range(SIMULATIONS):
        true, values = draw(means, noise, points, seeds, rng)
        best = int(values.mean(1).argmax())
        stds = values.std(1, ddof=1)
        pooled = float(np.sqrt((stds**2).mean()))
        error = values[best].mean() - true[best]
        worse, better = best_reach(float(stds[best]), seeds, pooled, points)
        student += bool(abs(error) <= student_reach(stds[best], seeds))
        pick += bool(-better <= error <= worse)
        widths.append(worse + better)
        if noise == "failed":
            table = pd.DataFrame({"point": np.repeat(np.arange(points), seeds)})
            table["value"] = values.ravel()
            far_runs = far_seeds(table, ["point"], "value").to_numpy().reshape(points, seeds)
            has_failed = (values[best] < true[best] - 10).any()
            failed += bool(has_failed)
            far += bool(has_failed and far_runs[best].any())
    row = {"student": student / SIMULATIONS, "pick": pick / SIMULATIONS}
    row |= {"width": round(float(np.median(widths)), 2), "failed": failed, "far": far}
    return row


def main() -> None:
    keys = itertools.product(NOISES, POINTS, SEEDS, MEANS)
    rows = [
        {"noise": noise, "points": points, "seeds": seeds, "means": means}
        | cell(means, noise, points, seeds)
        for noise, points, seeds, means in keys
    ]
    pd.DataFrame(rows).to_csv(Path(__file__).parent / "results" / "best.csv", index=False)


if __name__ == "__main__":
    main()

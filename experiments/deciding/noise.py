"""The noise of our own runs: spread over seeds against one grid step beside the optimum."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import t

STUDIES = Path(__file__).parents[1] / "v_trajectory"
# Name to the folder of the study and its first axis; the second is the granularity.
FOLDERS = {"β": ("blocks_beta", "model.beta"), "width": ("blocks_capacity", "net.width")}


@dataclass(frozen=True, eq=False)
class Noise:
    """Spreads over seeds, where the first step beside an optimum costs 1."""

    typical: float  # of a row: root mean square at the optimum and beside it
    scatter: np.ndarray  # each point's spread against the root mean square of all

    def drawn(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        """A spread for each point, which differ as those of the study do."""
        return self.typical * rng.choice(self.scatter, shape)


@cache
def noise_of(name: str) -> Noise:
    """That of a study, from its points.csv: the median over rows, and the scatter of its points.

    The scatter is that of estimates from three or five seeds, so wider than that of the truth.
    """
    folder, x = FOLDERS[name]
    points = pd.read_csv(STUDIES / folder / "points.csv")
    if "model.within_group_weight" in points:
        points = points[points["model.within_group_weight"] == 0]
    runs = points["runs"]
    points = points.assign(sd=points["±val/elbo"] / t.ppf(0.975, runs - 1) * np.sqrt(runs))
    means, spreads = (
        points.pivot(index=x, columns="model.granularity", values=value).to_numpy()
        for value in ("val/elbo", "sd")
    )
    ratios = []
    for mean, spread in zip(means, spreads, strict=True):
        best = int(mean.argmax())
        beside = [j for j in (best - 1, best + 1) if 0 <= j < len(mean)]
        step = np.mean([mean[best] - mean[j] for j in beside])
        ratios.append(np.sqrt(np.mean(spread[[best, *beside]] ** 2)) / step)
    # Rows differ in scale (small networks vary more): each point against its own row.
    scatter = spreads / np.sqrt((spreads**2).mean(1, keepdims=True))
    return Noise(float(np.median(ratios)), scatter.ravel())


if __name__ == "__main__":
    for name in FOLDERS:
        print(name, round(noise_of(name).typical, 2), np.quantile(noise_of(name).scatter, [0, 1]))

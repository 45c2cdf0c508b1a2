"""What `analyze` says would settle an undecided verdict: points, command, cost; that it does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vae_granularity.analysis.next_runs.suggest import (
    additions_on_grid,
    describe_suggestion,
    suggest_runs,
)
from vae_granularity.analysis.settings import Settings
from vae_granularity.analysis.slices import analyse_slices

SETTINGS = Settings(runs=(Path("runs"),), num_bootstrap=200)
COLUMNS = {"x": "model.beta", "y": "model.granularity"}


def table(means, noise: float, seeds: int, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = []
    for i, row in enumerate(means):
        for j, mean in enumerate(row):
            values = mean + noise * rng.standard_normal(seeds)
            for s in range(seeds):
                rows.append((2.0**i, float(j + 1), s, values[s], 60.0, f"runs/{i}_{j}_{s}"))
    columns = ["model.beta", "model.granularity", "seed", "val/elbo", "run.seconds", "path"]
    return pd.DataFrame(rows, columns=columns)


def peaks(places, length: int):
    return [-((np.arange(length) - place) ** 2.0) for place in places]


def lacking(runs: pd.DataFrame):
    [result] = analyse_slices(runs, list(COLUMNS.values()), SETTINGS)
    return {one.reading: one for one in suggest_runs(result, SETTINGS)}, result


def test_seeds_are_asked_for_at_the_points_that_compete_with_their_cost():
    runs = table(peaks([3, 2, 1, 2, 3], 5), 1.2, seeds=3)
    found, result = lacking(runs)
    assert result.verdicts[0].verdict.shape == "not enough runs"
    one = found["best granularity γ for each β"]
    assert one.seconds == pytest.approx(60.0 * one.runs)
    assert "competes for the best granularity γ" in one.what
    assert f"{one.runs} runs, about {one.runs} minutes" in describe_suggestion(one)


def test_a_decided_verdict_lacks_nothing():
    found, result = lacking(table(peaks([3, 2, 1, 2, 3], 5), 0.1, seeds=3))
    assert result.verdicts[0].verdict.shape == "V"
    assert "best granularity γ for each β" not in found


def test_beyond_an_edge_the_next_value_is_asked_for():
    found, result = lacking(table(peaks([4, 4, 4, 4, 3], 5), 0.1, seeds=3))
    assert result.verdicts[0].verdict.shape == "edge"
    one = found["best granularity γ for each β"]
    assert one.what.startswith("values beyond the edge: 3 seeds at β = 1, 2, 4, 8, granularity γ =")
    assert one.runs == 12


def test_too_few_values_of_x_are_said():
    found, _ = lacking(table(peaks([1, 2, 3], 5), 0.1, seeds=3))
    assert "further values of β: a shape needs 5" in found["best granularity γ for each β"].what


def test_what_was_asked_for_settles_it_more_often_than_not():
    """With the runs that are asked for the verdict is settled in most cases."""
    settled = tried = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        means = np.array(peaks([3, 2, 1, 2, 3], 5))
        values = means[..., None] + 0.9 * rng.standard_normal((5, 5, 100))
        count = np.full((5, 5), 3)
        verdict = None
        for _ in range(3):  # a look, an addition, and another, as a user would
            seen = np.where(np.arange(100) < count[..., None], values, np.nan)
            keep = np.argwhere(np.isfinite(seen))
            runs = pd.DataFrame(
                {
                    "model.beta": 2.0 ** keep[:, 0],
                    "model.granularity": keep[:, 1] + 1.0,
                    "seed": keep[:, 2],
                    "val/elbo": seen[tuple(keep.T)],
                    "run.seconds": 60.0,
                    "path": "none",
                }
            )
            [result] = analyse_slices(runs, list(COLUMNS.values()), SETTINGS)
            verdict = result.verdicts[0].verdict
            if verdict.shape != "not enough runs":
                break
            for added in additions_on_grid(result.surface, SETTINGS)[0]:
                count[int(np.log2(added.x)), int(added.y) - 1] += len(added.seeds)
        tried += 1
        assert verdict is not None
        settled += verdict.shape == "V"
    assert settled > tried / 2

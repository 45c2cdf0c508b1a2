"""Which granularity do my data need? The grid of a budget, the judge, the command."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from vae_granularity import answer
from vae_granularity.answering.grid import Cost, choose_grid, parse_budget, smallest_grid
from vae_granularity.answering.judgement import judge, majority, paired_difference
from vae_granularity.errors import ArgumentError


def runs(needed, *, granularities=(1, 2, 3), seeds=3, **columns):
    """A row a run; `needed` is one number for all runs, or one each."""
    count = len(granularities) * seeds
    table = pd.DataFrame(
        {
            "model.granularity": np.repeat(granularities, seeds),
            "seed": np.tile(np.arange(seeds), len(granularities)),
            "val/elbo": -10.0 - np.repeat(granularities, seeds),
            "scores/gap_group": 0.1 * np.repeat(granularities, seeds),
        }
    )
    if needed is not None:
        table["scores/needed_granularity"] = np.broadcast_to(needed, count).astype(float)
        table["scores/subspace_dimensions/hue"] = table["scores/needed_granularity"]
        table["scores/subspace_dimensions/shape"] = np.nan
    return table.assign(**columns)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90.0), ("10min", 600.0), ("1.5h", 5400.0), (" 2 h ", 7200.0)]
)
def test_a_budget_is_a_time(text, seconds):
    assert parse_budget(text) == seconds


@pytest.mark.parametrize("text", ["", "10", "ten min", "0min", "-5min", "10 days"])
def test_what_is_no_time_is_refused_with_examples(text):
    with pytest.raises(ArgumentError, match="budget must be a time such as 90s, 10min or 2h"):
        parse_budget(text)


def test_a_larger_budget_buys_seeds_then_granularities_and_never_takes_any_away():
    cost = Cost(seconds_per_run=10.0, seconds_before=60.0, processes=2)
    grids = [choose_grid(seconds, cost, latent_dim=10) for seconds in range(60, 1200, 20)]
    assert grids[0] is None, "not even the smallest grid fits"
    bought = [grid for grid in grids if grid is not None]
    assert bought[0] == smallest_grid(10)
    assert bought[0].num_runs == 6
    for before, after in itertools.pairwise(bought):
        assert set(before.granularities) <= set(after.granularities)
        assert before.seeds <= after.seeds
    assert all(
        cost.seconds(grid.num_runs) <= seconds
        for grid, seconds in zip(grids, range(60, 1200, 20), strict=True)
        if grid is not None
    )
    assert choose_grid(1e6, cost, latent_dim=2).granularities == (1, 2)


def test_a_granularity_is_said_where_most_models_say_it():
    judgement = judge(runs(2))
    assert judgement.granularity == 2
    answer_line, factors, helps = judgement.lines
    assert answer_line.startswith("γ = 2: the most demanding factor needs 2 directions")
    assert "9 of 9 models" in answer_line
    assert "hue 2 (9/9)" in factors
    assert "not held by most models: shape" in factors
    assert "gap by group +0.1 (+0.1 to +0.1)" in helps
    assert judge(runs(1)).lines[0].startswith("γ = 1: ")


def test_models_that_disagree_say_nothing():
    judgement = judge(runs([1, 2, 3] * 3))
    assert judgement.granularity is None
    assert judgement.lines[0].startswith("not enough")


def test_few_models_are_no_majority_even_if_they_agree():
    assert judge(runs(2, granularities=(1, 2), seeds=2)).granularity is None


def test_a_model_that_holds_no_factor_is_no_witness():
    needed = [2.0] * 8 + [np.nan]
    judgement = judge(runs(needed))
    assert judgement.granularity == 2
    assert "8 of 8 models" in judgement.lines[0]


def test_without_factors_the_elbo_is_shown_and_called_less():
    judgement = judge(runs(None))
    assert judgement.granularity is None
    text = " ".join(judgement.lines)
    assert "no granularity can be said to be right" in text
    assert "by the ELBO γ = 1 is best" in text
    assert "+1 (+1 to +1)" in text


def test_the_interval_of_a_majority_is_that_of_clopper_and_pearson():
    value, count, least = majority(pd.Series([3.0] * 9 + [2.0]))
    assert (value, count) == (3, 9)
    assert least == pytest.approx(0.5550, abs=1e-4)  # table of the binomial


def test_differences_are_paired_by_seed():
    table = runs(2)
    table["val/elbo"] += 100.0 * table["seed"]  # a seed moves all its runs alike
    assert paired_difference(table, "val/elbo", 2, 1) == "-1 (-1 to -1)"
    assert paired_difference(table, "val/elbo", 7, 1) is None


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("model.granularity=2", "the command sets model.granularity itself"),
        ("seed=1,2", "the command sets seed itself"),
        ("-m", "takes KEY=VALUE only"),
        ("datset", "is no KEY=VALUE"),
    ],
)
def test_what_the_command_does_itself_is_refused(argument, words):
    with pytest.raises(ArgumentError, match=words):
        answer.split_arguments([argument])


def test_the_command_line_wins_over_the_defaults():
    budget, overrides = answer.split_arguments(["dataset=blocks", "budget=2h", "trainer=debug"])
    assert budget == "2h"
    assert "trainer=debug" in overrides
    assert "trainer=quick" not in overrides
    assert "paths.output_dir=runs/answer_blocks" in overrides


@pytest.mark.slow
def test_the_command_from_data_to_answer_and_again(tmp_path):
    """A thousand steps suffice: the code holds the rings, and each needs two directions."""
    words = ["dataset=blocks", "dataset.num_samples=4000", "model.latent_dim=6", "net.width=0.25"]
    words += ["trainer=quick", "trainer.max_steps=1000", "budget=90s"]
    command = [sys.executable, "-m", "vae_granularity.answer", *words]
    for _ in range(2):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "γ = 2: " in done.stdout
        assert "Warning" not in done.stderr
    folder = tmp_path / "runs" / "answer_blocks"
    assert json.loads((folder / "answer.json").read_text())["granularity"] == 2
    assert (folder / "analysis" / "report.html").is_file()
    poor = subprocess.run(
        [*command[:-1], "budget=1s"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert poor.returncode == 1
    assert "not enough: 6 runs" in poor.stdout
    assert "budget=" in poor.stdout

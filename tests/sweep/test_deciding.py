"""The deciding sweeper: rounds through the launcher, killed and continued, and what it refuses."""

from __future__ import annotations

import json
import time

import commands
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from hydra_plugins.vae_granularity_deciding import DecidingSweeper, axis_values
from vae_granularity.errors import ArgumentError
from vae_granularity.sweeps.rounds import FILE, opened

ASKED = (
    "-m",
    "hydra/sweeper=deciding",
    "hydra.sweeper.question=difference",
    "model.beta=1,4",
    "hydra.sweeper.larger_than=1000",
)


def results(folder):
    return {run.name: (run / "results.json").stat().st_mtime_ns for run in folder}


def done(folder):
    return list((folder / "runs").glob("*/results.json"))


def test_rounds_go_through_the_launcher_until_the_budget_ends_and_a_repetition_trains_nothing(
    tmp_path,
):
    limit = "hydra.sweeper.larger_than=-1e9"  # no interval can hold it: decided at once
    short = ("hydra.sweeper.budget.runs=7", "trainer.max_steps=2")
    code, said = commands.finish(tmp_path, *ASKED[:-1], limit, *short)
    assert code == 0, said
    assert "Launching 6 jobs" in said
    assert "decided after 6 runs: difference: larger than -1e+09" in said
    record = json.loads((tmp_path / "runs" / FILE).read_text())
    assert [len(one["additions"]) for one in record["rounds"]] == [2]
    assert record["rounds"][0]["additions"][0]["why"] == "coarse start"
    times = results(commands.run_directories(tmp_path))
    code, said = commands.finish(tmp_path, *ASKED[:-1], limit, *short)
    assert code == 0, said
    assert "Launching" not in said
    assert results(commands.run_directories(tmp_path)) == times
    code, said = commands.finish(tmp_path, *ASKED, *short)
    assert code == 2
    assert "larger_than must stay" in said


def test_a_killed_sweep_goes_on_where_it_was_and_says_honestly_that_the_budget_is_spent(tmp_path):
    # The runs of both points lie within their noise of this limit, so seeds are added.
    options = (*ASKED[:-1], "hydra.sweeper.larger_than=0", "hydra.sweeper.budget.runs=8")
    process = commands.start(tmp_path, *options, "trainer.max_steps=2")
    while process.is_alive() and len(done(tmp_path)) < 2:
        time.sleep(0.05)
    process.kill()
    process.join()
    before = {path: path.stat().st_mtime_ns for path in done(tmp_path)}
    assert len(before) >= 2
    code, said = commands.finish(tmp_path, *options, "trainer.max_steps=2")
    assert code == 0, said
    assert before.items() <= {path: path.stat().st_mtime_ns for path in done(tmp_path)}.items()
    record = json.loads((tmp_path / "runs" / FILE).read_text())
    asked = sum(len(one["seeds"]) for r in record["rounds"] for one in r["additions"])
    assert asked == len(done(tmp_path)) <= 8
    assert record["end"]["why"] in ("decided", "budget spent")
    assert f"{record['end']['why']} after {asked} runs" in said


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"question": "shape"}, r"hydra.sweeper.question must be one of trajectory, .* 'shape'"),
        ({"budget": {}}, r"hydra.sweeper.budget.runs or hydra.sweeper.budget.hours must be given"),
        ({"budget": {"runs": 0}}, r"hydra.sweeper.budget.runs must be an integer >= 1, got 0"),
        ({"budget": {"hours": -1}}, r"hydra.sweeper.budget.hours must be a .* > 0, got -1"),
        ({"confidence": 95}, r"hydra.sweeper.confidence must be .* <= 0.999, got 95"),
        ({"first_seeds": 11}, r"hydra.sweeper.first_seeds must be an integer in \[2, 10\], got 11"),
        ({"value": "elbo"}, r"hydra.sweeper.value must begin with val/.* got 'elbo'"),
    ],
)
def test_a_bad_setting_is_named_with_its_range(given, message):
    with pytest.raises(ArgumentError, match=message):
        DecidingSweeper(**{"budget": {"runs": 10}, **given})


@pytest.mark.parametrize(
    ("swept", "values"),
    [
        ("model.beta=4,1,2", (1, 2, 4)),
        ("model.beta=tag(log,interval(0.25,32))", (0.25, 0.8409, 2.828, 9.514, 32.0)),
        ("model.granularity=int(interval(1,5))", (1, 2, 3, 4, 5)),
        ("model.granularity=range(1,4)", (1, 2, 3)),
        ("model=vae,stcvae", ("vae", "stcvae")),
    ],
)
def test_axes_are_lists_ranges_and_intervals(swept, values):
    axis = axis_values(OverridesParser.create().parse_override(swept), 5)
    assert axis.values == values
    key = swept.split("=")[0]
    assert axis.overrides == tuple((f"{key}={value}",) for value in values)


@pytest.mark.parametrize(
    ("swept", "message"),
    [
        ("model.beta=tag(log,interval(0,4))", r"model.beta .* 0 < low < high, got \(0.0, 4.0\)"),
        ("model.beta=interval(4,1)", r"model.beta must be an interval .* got \(4.0, 1.0\)"),
        ("model.beta=1,1", r"model.beta must have different values"),
    ],
)
def test_a_bad_axis_is_named(swept, message):
    with pytest.raises(ArgumentError, match=message):
        axis_values(OverridesParser.create().parse_override(swept), 5)


def test_axes_that_do_not_fit_the_question_are_refused_before_anything_is_trained(tmp_path):
    options = ("-m", "hydra/sweeper=deciding", "hydra.sweeper.budget.runs=9")
    code, said = commands.finish(tmp_path, *options, "model.beta=1,4", "model.granularity=1,2,3")
    assert code == 2
    assert "model.beta must have 5 values or more for question=trajectory, got 2" in said
    assert not (tmp_path / "runs").exists()


def test_an_ended_sweep_refuses_another_budget(tmp_path):
    record = opened(tmp_path, {"question": "best"}, {"runs": 5, "hours": None})
    record.end = {"why": "budget spent", "runs": 5, "look": None, "answer": None}
    record.write(tmp_path)
    with pytest.raises(ArgumentError, match=r"hydra\.sweeper\.budget must stay"):
        opened(tmp_path, {"question": "best"}, {"runs": 10, "hours": None})

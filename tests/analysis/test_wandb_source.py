"""Runs of a W&B project, by a stand-in for its API that returns what our logger sends."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from fake_runs import grid, v_elbo

from vae_granularity.analysis.comparable import check_comparable
from vae_granularity.analysis.slices import swept
from vae_granularity.analysis.wandb_source import collect_wandb
from vae_granularity.errors import ArgumentError, DataError
from vae_granularity.runs.protocol import VERSION


class Project:
    """`wandb.Api` with one project."""

    def __init__(self, *runs: Any) -> None:
        self.found = runs

    def runs(self, path: str) -> list[Any]:
        if path != "me/project":
            raise ValueError(f"Could not find project {path}")
        return list(self.found)


def as_wandb(results: dict[str, Any], state: str = "finished") -> SimpleNamespace:
    summary = (
        results["terms"]
        | {f"scores/{key}": value for key, value in results["scores"].items()}
        | {"_runtime": 12, "figures/x": {"_type": "image"}}
    )
    name = results["run"]["name"]
    return SimpleNamespace(
        name=name,
        url=f"https://wandb.test/{name}",
        state=state,
        config=results["config"] | {VERSION: results["protocol"][VERSION]},
        summary=summary,
    )


def test_finished_runs_become_rows_and_the_rest_is_said() -> None:
    *done, running = [
        as_wandb(results)
        for results in grid(v_elbo, widths=(0.5, 1.0), granularities=(1, 2), seeds=2)
    ]
    running.state = "running"
    foreign = SimpleNamespace(
        name="x", url="https://wandb.test/x", state="finished", config={"lr": 1}, summary={}
    )
    found = collect_wandb("me/project", Project(*done, running, foreign))
    assert len(found.table) == 7
    assert found.unfinished == [running.url]
    assert list(found.broken) == [foreign.url]
    assert "no run of this program" in found.broken[foreign.url]
    assert list(swept(found.table)) == ["net.width", "model.granularity"]
    assert check_comparable(found.table) == {}
    assert found.table["val/elbo"].max() < 0


def test_runs_of_before_there_was_a_version_are_not_compared_with_newer_ones() -> None:
    old, *new = [as_wandb(results) for results in grid(v_elbo, widths=(0.5,), granularities=(1, 2))]
    del old.config[VERSION]
    table = collect_wandb("me/project", Project(old, *new)).table
    assert sorted(table[VERSION].unique()) == [1, 3]
    with pytest.raises(ArgumentError, match="must be measured under one protocol_version"):
        check_comparable(table)


def test_null_draws_of_5_and_20_are_two_protocols() -> None:
    """Five sizes alone stood for the protocol on W&B: such runs were averaged."""
    sweep = grid(v_elbo, widths=(0.5,), granularities=(1, 2))
    few, *many = map(as_wandb, sweep)
    for run, draws in [(few, 5), *((run, 20) for run in many)]:
        run.config["metrics"] = {"mig": {"_target_": "vae_granularity.metrics.mig"}}
        run.config["evaluation"] = {**run.config["evaluation"], "null_draws": draws}
    table = collect_wandb("me/project", Project(few, *many)).table
    with pytest.raises(ArgumentError, match=r"null_draws: (5 \| 20|20 \| 5).*allow_mixed"):
        check_comparable(table)
    assert list(check_comparable(table, ["protocol"])) == ["protocol"]


def test_a_project_that_does_not_exist_is_named() -> None:
    with pytest.raises(
        DataError, match="wandb=me/other cannot be read: Could not find project me/other"
    ):
        collect_wandb("me/other", Project())

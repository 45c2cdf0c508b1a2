"""Offline W&B of a sweep: one run a point with its id, config, tags and the sweep's group, also
after a kill; dashboards on its keys.
"""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import commands
import pytest
from omegaconf import OmegaConf
from wandb_records import OfflineRun, read_offline_run, records

SWEEP = ("-m", "model.beta=1,4", "logger=wandb", "logger.mode=offline", "callbacks.terms.every=2")
SWEEP += ("metrics=fast",)  # whose scores the dashboards show


def offline_files(run: Path) -> list[Path]:
    return sorted((run / "wandb").glob("offline-run-*/*.wandb"))


@pytest.fixture(scope="module")
def sweep(tmp_path_factory) -> Path:
    """A sweep that was killed while its second point trained, and then completed by the same
    command.
    """
    folder = tmp_path_factory.mktemp("wandb")
    process = commands.start(folder, *SWEEP, "evaluation.figures=true")
    deadline = time.monotonic() + 180
    while not (
        len(found := list((folder / "runs").glob("*/metrics.csv"))) >= 2
        and time.monotonic() < deadline
    ):
        time.sleep(0.02)
    assert len(found) >= 2, commands.output(folder)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    code, said = commands.finish(folder, *SWEEP)  # the figures of the first point will do
    assert code == 0, said
    assert "wandb sync" in said
    return folder


@pytest.fixture(scope="module")
def last(sweep) -> dict[str, OfflineRun]:
    """The finished W&B run of each run directory."""
    return {
        run.name: read_offline_run(offline_files(run)[-1])
        for run in commands.run_directories(sweep)
    }


def test_two_points_are_two_runs_also_after_a_kill(sweep, last):
    assert len(last) == len({run.id for run in last.values()}) == 2
    files = [file for run in commands.run_directories(sweep) for file in offline_files(run)]
    assert len(files) > 2, "the run that was killed has a second file"
    ids = {
        record.run.run_id for file in files for record in records(file) if record.HasField("run")
    }
    assert ids == {run.id for run in last.values()}


def test_each_has_its_own_config_and_tags_and_the_group_of_the_sweep(last):
    assert {run.group for run in last.values()} == {"runs"}
    for name, run in last.items():
        assert run.id == name.replace("_", "-")
        beta, granularity = run.config["model"]["beta"], run.config["model"]["granularity"]
        assert f"_b{beta:g}_g{granularity}_" in name
        assert run.tags == {
            "stcvae",
            "blocks",
            "synthetic",
            f"beta={beta:g}",
            f"granularity={granularity}",
        }
        assert {row["trainer/global_step"] for row in run.history} == {2, 4, 6}


def references(node: Any) -> set[str]:
    """What a panel's specification refers to: `config:…`, `summary:…`, and bare names of logged
    keys.
    """
    if isinstance(node, list):
        return set().union(*map(references, node))
    if not isinstance(node, dict):
        return set()
    found = set()
    for key, value in node.items():
        if key in ("xAxis", "yAxis", "zAxis", "accessor"):
            found.add(value)
        elif key in ("metrics", "mediaKeys"):
            found |= set(value)
        elif key == "groupBy" and isinstance(value, str):
            found.add(f"config:{value}")
        else:
            found |= references(value)
    return found


def panel_references(panels: list[Any]) -> set[str]:
    """What panels refer to in their specifications."""
    return references(
        [
            json.loads(panel._to_model().model_dump_json(by_alias=True, exclude_none=True))
            for panel in panels
        ]
    )


@pytest.mark.filterwarnings(
    "ignore:Pydantic V1 style:DeprecationWarning"
)  # wandb-workspaces' own code
def test_dashboards_refer_only_to_what_runs_log(last):
    pytest.importorskip("wandb_workspaces")
    from vae_granularity.training.wandb_dashboards import report, sections, workspace

    run = next(iter(last.values()))
    rows = [row for each in last.values() for row in each.history]
    logged = {key.removesuffix("/filenames") for row in rows for key in row}
    named = set().union(*(panel_references(panels) for panels in sections().values()))
    assert {
        "summary:val/elbo",
        "figures/traversals",
        "config:model.value.granularity",
        "val/between_group_tc",
    } <= named
    for name in named:
        kind, _, key = name.rpartition(":")
        if kind == "config":
            assert (
                OmegaConf.select(OmegaConf.create(run.config), key.replace(".value", ""))
                is not None
            ), name
        else:
            assert key in logged, f"{name} is not among {sorted(logged)}"
    assert (
        set().union(
            *(panel_references(part.panels) for part in workspace("someone", "project").sections)
        )
        == named
    )
    specification = workspace("someone", "project")._to_model().model_dump_json(by_alias=True)
    assert all(name.split(":")[-1] in specification for name in named)
    # A report's specification names the project by an id that the server gives; its panels are the
    # same.
    grids = [block for block in report("someone", "project").blocks if hasattr(block, "panels")]
    assert set().union(*(panel_references(grid.panels) for grid in grids)) == named

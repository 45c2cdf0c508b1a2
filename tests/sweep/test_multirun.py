"""The command with -m: what it refuses, what it leaves out, what it goes on after, and that its
runs are those of single commands.
"""

from __future__ import annotations

import json
from itertools import zip_longest
from pathlib import Path

import commands
import pytest
from tiny import options, tiny_config

from vae_granularity.training.config import compose
from vae_granularity.training.run import train

GRID = ("-m", "model.beta=1,4", "model.granularity=1,2")


def test_a_sweep_trains_each_point_as_a_single_command_would_and_then_has_nothing_to_do(tmp_path):
    code, said = commands.finish(tmp_path, *GRID)
    assert code == 0, said
    assert "4 done, 0 skipped, 0 failed" in said
    found = [commands.numbers(run) for run in commands.run_directories(tmp_path)]
    points = [
        (f"model.beta={beta}", f"model.granularity={granularity}")
        for beta in (1, 4)
        for granularity in (1, 2)
    ]
    alone = [
        train(tiny_config(tmp_path / "single", *point, "dataset.source=synthetic"))
        for point in points
    ]
    assert found == sorted((commands.numbers(run) for run in alone), key=lambda run: run["name"])
    times = [
        (run / "results.json").stat().st_mtime_ns for run in commands.run_directories(tmp_path)
    ]
    code, said = commands.finish(tmp_path, *GRID)
    assert code == 0, said
    assert "0 done, 4 skipped, 0 failed" in said
    assert "Launching" not in said
    assert times == [
        (run / "results.json").stat().st_mtime_ns for run in commands.run_directories(tmp_path)
    ]
    code, said = commands.finish(tmp_path, *GRID, "metrics=[mig,sap]")
    assert code == 0, said
    assert "4 points: 0 to train, 4 to measure, 0 done before, 0 failed before" in said
    assert "0 done, 0 skipped, 0 failed, 4 measured" in said
    assert said.count("; computed what was missing: sap") == 4
    measured = [commands.numbers(run) for run in commands.run_directories(tmp_path)]
    assert [run["rows"] for run in measured] == [run["rows"] for run in found]
    assert all("sap" in run["scores"] for run in measured)
    code, said = commands.finish(tmp_path, *GRID, "metrics=sap", "callbacks.terms.every=3")
    assert "0 done, 4 skipped, 0 failed" in said


def test_points_that_differ_in_what_is_measured_are_one_run(tmp_path):
    code, said = commands.finish(tmp_path, "-m", "metrics=mig,active_units")
    assert code == 0, said
    assert "2 done, 0 skipped, 0 failed" in said
    (run,) = commands.run_directories(tmp_path)
    assert {"mig", "active_kl"} <= set(commands.numbers(run)["scores"])
    assert said.count("\nrun stcvae_blocks") == 1, "trained once"


def test_all_invalid_points_are_listed_together_before_anything_trains(tmp_path):
    code, said = commands.finish(
        tmp_path, "-m", "model.beta=1,-2", "model.granularity=2,99", "net.depth=1,0"
    )
    assert code == 2
    assert "granularity must be an integer in [1, latent_dim=6], got 99" in said
    assert "beta must be" in said
    assert "depth must be" in said
    assert "7 of 8 points are invalid; nothing was trained" in said
    assert "Traceback" not in said
    assert commands.run_directories(tmp_path) == []


def test_an_option_that_does_not_exist_is_one_of_the_invalid_points(tmp_path):
    code, said = commands.finish(tmp_path, "-m", "model=stcvae,stvae", "seed=0,-1")
    assert code == 2
    assert "did you mean 'stcvae'?" in said
    assert "seed must be an integer in [0, 4294967295], got -1" in said
    assert "3 of 4 points are invalid" in said


def test_a_point_that_fails_stops_no_other_and_is_retried_only_when_asked(tmp_path):
    sweep = ("-m", "optimizer.lr=1e-3,1e30,1e-4", "optimizer.fused=false")
    code, said = commands.finish(tmp_path, *sweep)
    assert code == 1
    assert "2 done, 0 skipped, 1 failed" in said
    assert "training stopped: not finite at step" in said
    (failure,) = (tmp_path / "runs").glob("*/failed.json")
    assert json.loads(failure.read_text())["cause"].startswith(
        "training stopped: not finite at step"
    )
    code, said = commands.finish(tmp_path, *sweep)
    assert code == 1
    assert "0 to train, 2 done before, 1 failed before" in said
    code, said = commands.finish(tmp_path, *sweep, "hydra.sweeper.retry_failed=true")
    assert code == 1
    assert "1 to train, 2 done before, 0 failed before" in said


def test_the_source_is_settled_once_for_all_runs_of_a_folder(tmp_path):
    code, said = commands.finish(tmp_path, "-m", "seed=0,1")
    assert code == 0, said
    assert said.count("dataset.source=auto resolved to 'synthetic' for blocks") == 1
    record = tmp_path / "runs" / ".sources.json"
    assert list(json.loads(record.read_text()).values()) == ["synthetic"]
    code, said = commands.finish(tmp_path, "-m", "seed=0,1,2")
    assert "1 done, 2 skipped, 0 failed" in said
    assert "dataset.source=auto" not in said


def test_points_that_name_one_run_train_it_once(tmp_path):
    code, said = commands.finish(tmp_path, "-m", "dataset.source=auto,synthetic")
    assert code == 0, said
    assert "1 points: 1 to train" in said


@pytest.mark.parametrize("sweep", options("sweep"))
def test_named_sweeps_name_what_can_be_swept(sweep):
    """Every key of a named sweep is in its config, and every value composes."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from omegaconf import OmegaConf

    from vae_granularity.training.config import check_training_config, config_dir

    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        cfg = hydra_compose("train", [f"sweep={sweep}"], return_hydra_config=True)
    assert cfg.hydra.mode.name == "MULTIRUN"
    params = OmegaConf.to_container(cfg.hydra.sweeper.params)
    assert "seed" in params
    swept = [
        [f"{key}={value}" for value in str(values).split(",")]
        for key, values in params.items()
        if "(" not in str(values)
    ]
    for together in zip_longest(*swept):  # the first values of all keys, then the second ones …
        given = [f"sweep={sweep}", "model.granularity=1", *filter(None, together)]
        check_training_config(compose("train", given))


def test_the_sweep_file_for_wandb_agents_names_arguments_of_the_command():
    """Its fixed arguments compose together with every value of its parameters."""
    import yaml

    from vae_granularity.training.config import check_training_config

    path = Path(__file__).parents[2] / "experiments" / "sweep_blocks" / "wandb_sweep.yaml"
    sweep = yaml.safe_load(path.read_text())
    fixed = [word for word in sweep["command"] if "=" in word]
    assert sweep["command"][:4] == ["${env}", "python", "-m", "vae_granularity.train"]
    assert sweep["command"][-1] == "${args_no_hyphens}"
    for key, values in sweep["parameters"].items():
        for value in values["values"]:
            check_training_config(compose("train", [*fixed, f"{key}={value}"]))

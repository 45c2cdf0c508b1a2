"""`-m hydra/launcher=population`: what it packs, and that a packed multirun ends with the runs of
an unpacked one.
"""

from __future__ import annotations

from pathlib import Path

import commands
import pytest
from same_numbers import assert_same_numbers
from tiny import results, tiny_config
from wandb_records import read_offline_run

from vae_granularity.population.jobs import remove_packs, write_pack
from vae_granularity.population.training import train_population

SHORT = (
    "trainer.max_steps=12",
    "callbacks.checkpoint.every_n_train_steps=5",
    "callbacks.terms.every=4",
    "evaluation.every=6",
    "metrics=mig",
)
GRID = ("-m", *SHORT, "model=stcvae,controlvae", "model.granularity=1,2")
POPULATION = ("hydra/launcher=population", "hydra.launcher.how=eager", "hydra.launcher.processes=1")
SLOW, RAY = pytest.mark.slow, pytest.mark.launcher


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory) -> list[Path]:
    folder = tmp_path_factory.mktemp("unpacked")
    code, said = commands.finish(folder, *GRID)
    assert code == 0, said
    return commands.run_directories(folder)


def assert_same_runs(found: list[Path], expected: list[Path]) -> None:
    assert [run.name for run in found] == [run.name for run in expected]
    for a, b in zip(map(results, found), map(results, expected), strict=True):
        assert_same_numbers(a["terms"], b["terms"])
        assert_same_numbers(a["scores"], b["scores"], 0.05)


def test_a_packed_multirun_ends_with_the_runs_of_an_unpacked_one(tmp_path, unpacked):
    code, said = commands.finish(tmp_path, *GRID, *POPULATION)
    assert code == 0, said
    assert "4 done, 0 skipped, 0 failed" in said
    assert said.count("ControlVAE keeps a state of its own between steps") == 2
    found = commands.run_directories(tmp_path)
    assert_same_runs(found, unpacked)
    assert [results(run)["run"].get("population") for run in found] == [
        2 if run.name.startswith("stcvae") else None for run in found
    ]
    code, said = commands.finish(tmp_path, *GRID, *POPULATION)
    assert code == 0, said
    assert "0 done, 4 skipped, 0 failed" in said


def test_the_plan_is_printed_with_its_reason(tmp_path):
    code, said = commands.finish(
        tmp_path,
        "-m",
        *SHORT,
        "seed=0,1,2",
        "hydra/launcher=population",
        "hydra.launcher.processes=1",
    )
    assert code == 0, said
    assert "plan for 3 compatible runs: 3 members together, eager, in 1 process (36 steps" in said
    assert "3 done" in said


@pytest.mark.parametrize(
    "jobs",
    [
        *(pytest.param(jobs, marks=SLOW) for jobs in ("cores", "processes")),
        pytest.param("ray", marks=RAY),
    ],
)
def test_one_pack_is_one_job_of_another_launcher(tmp_path, jobs):
    into = [f"hydra/launcher@hydra.launcher.jobs={jobs}", "hydra.launcher.max_members=2"]
    if jobs == "cores":  # one worker for both: each loads torch anew
        into.append("hydra.launcher.jobs.n_jobs=1")
    code, said = commands.finish(tmp_path, "-m", *SHORT, "seed=0,1,2,3", *POPULATION, *into)
    assert code == 0, said
    assert "4 done, 0 skipped, 0 failed" in said
    assert [results(run)["run"]["population"] for run in commands.run_directories(tmp_path)] == [
        2
    ] * 4


def test_the_end_of_a_sweep_leaves_the_packs_of_another_one_of_its_folder(tmp_path):
    ours, theirs = (
        write_pack(tmp_path, [tiny_config(tmp_path, f"seed={seed}")], "alone", 1) for seed in (0, 1)
    )
    remove_packs([ours])
    assert [ours.exists(), theirs.exists()] == [False, True]
    remove_packs([theirs])
    assert not theirs.parent.exists()


def test_a_point_that_diverges_fails_alone(tmp_path):
    code, said = commands.finish(
        tmp_path, "-m", *SHORT, "optimizer.lr=1e-3,1e30,1e-4", "optimizer.fused=false", *POPULATION
    )
    assert code == 1, said
    assert "2 done, 0 skipped, 1 failed" in said
    assert "training stopped: not finite at step" in said


def test_each_member_has_its_own_wandb_run(tmp_path, monkeypatch):
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    configs = [tiny_config(tmp_path, *SHORT, "logger=wandb", f"seed={seed}") for seed in (0, 1)]
    assert train_population(configs) == [None, None]
    found = [
        read_offline_run(next(run.glob("wandb/offline-run-*/*.wandb")))
        for run in sorted((tmp_path / "runs").glob("stcvae*"))
    ]
    assert [run.config["seed"] for run in found] == [0, 1]
    assert len({run.id for run in found}) == 2
    assert all(run.finished for run in found)
    losses = [[row["train/loss"] for row in run.history if "train/loss" in row] for run in found]
    assert losses[0] != losses[1]

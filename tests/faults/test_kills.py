"""Sweeps that are killed at random moments end, by the same command again, with the numbers of a
sweep that nobody disturbed.
"""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import commands
import pytest

from vae_granularity.runs.identity import checkpoints
from vae_granularity.runs.status import is_busy

SWEEP = (
    "-m",
    "seed=0,1",
    "metrics=mig",
    "trainer.max_steps=40",
    "callbacks.checkpoint.every_n_train_steps=8",
    "callbacks.terms.every=5",
)
SWEEP += ("evaluation.every=17",)
FEW, MANY = 2, 20


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> tuple[list[dict[str, Any]], float]:
    """The numbers of each run, and the seconds that the sweep took."""
    folder = tmp_path_factory.mktemp("undisturbed")
    started = time.monotonic()
    code, said = commands.finish(folder, *SWEEP)
    assert code == 0, said
    return [
        commands.numbers(run) for run in commands.run_directories(folder)
    ], time.monotonic() - started


def complete_and_equal(folder: Path, expected: list[dict[str, Any]]) -> None:
    code, said = commands.finish(folder, *SWEEP)
    assert code == 0, said
    runs = commands.run_directories(folder)
    assert [commands.numbers(run) for run in runs] == expected
    assert not any(is_busy(run) for run in runs)
    assert not list(folder.rglob("failed.json"))


@pytest.mark.parametrize("kills", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=lambda how: how.name)
def test_a_sweep_killed_at_random_moments(tmp_path, undisturbed, how, kills):
    expected, seconds = undisturbed
    moments, landed, sweeps = random.Random(kills), 0, 0
    while landed < kills:
        folder = tmp_path / str(sweeps)
        process = commands.start(folder, *SWEEP)
        time.sleep(moments.uniform(0.1, seconds * 0.6))
        if process.is_alive():
            os.kill(process.pid, how)
            landed += 1
        process.join()
        if how == signal.SIGTERM:
            assert process.exitcode in (0, 143, -signal.SIGTERM), commands.output(folder)
        if (
            process.exitcode == 0
        ):  # it was complete before the next kill: that one hits a sweep that begins anew
            complete_and_equal(folder, expected)
            sweeps += 1
    complete_and_equal(tmp_path / str(sweeps), expected)


@pytest.mark.slow
@pytest.mark.parametrize("kills", [1, MANY])
def test_a_sweep_whose_workers_are_killed_is_completed_by_the_same_command(
    tmp_path, undisturbed, kills
):
    """Two workers at a time; the points of one that is killed are launched again."""
    expected, seconds = undisturbed
    moments, landed, sweeps = random.Random(kills), 0, 0
    longest = seconds * 0.4  # from the sight of a worker to its death
    # A sweep that is complete before the last kill is followed by one that begins anew.
    while landed < kills:
        assert longest > 0.1, "no worker lives long enough to be killed"
        before = landed
        folder = tmp_path / str(sweeps)
        process = commands.start(folder, *SWEEP, "hydra/launcher=cores", "hydra.launcher.n_jobs=2")
        while landed < kills and process.is_alive():
            if not _workers(process):  # the command checks the points, or its server loads torch
                time.sleep(0.05)
                continue
            time.sleep(moments.uniform(0.0, longest))
            if workers := _workers(process):
                os.kill(moments.choice(workers), signal.SIGKILL)
                landed += 1
        process.join()
        assert process.exitcode in (0, 1), commands.output(folder)
        complete_and_equal(folder, expected)
        sweeps += 1
        if landed == before:  # the machine is faster now than when the undisturbed sweep was timed
            longest /= 2


ONE = ("metrics=active_units", "trainer.max_steps=400", "callbacks.terms.every=50")
ONE += ("callbacks.checkpoint.every_n_train_steps=20", "evaluation.every=1000")


@pytest.mark.parametrize("kills", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
def test_one_run_killed_at_random_moments_with_its_newest_checkpoint_cut_now_and_then(
    tmp_path, kills
):
    """After every third kill the newest checkpoint is truncated, or emptied."""
    started = time.monotonic()
    assert commands.finish(tmp_path / "whole", *ONE)[0] == 0
    seconds = time.monotonic() - started
    (whole,) = commands.run_directories(tmp_path / "whole")
    moments, landed, damaged, runs = random.Random(kills), 0, 0, 0
    while landed < kills:
        folder = tmp_path / str(runs)
        process = commands.start(folder, *ONE)
        time.sleep(moments.uniform(0.1, seconds * 0.7))
        if process.is_alive():
            os.kill(process.pid, signal.SIGKILL)
            landed += 1
        process.join()
        found = [path for run in commands.run_directories(folder) for path in checkpoints(run)]
        if process.exitcode == 0:
            assert commands.numbers(commands.run_directories(folder)[0]) == commands.numbers(whole)
            runs += 1
        elif found and landed % 3 == 0:
            found[0].write_bytes(found[0].read_bytes()[: 2000 if landed % 2 else 0])
            damaged += 1
    assert commands.finish(tmp_path / str(runs), *ONE)[0] == 0
    (run,) = commands.run_directories(tmp_path / str(runs))
    assert commands.numbers(run) == commands.numbers(whole)
    assert damaged > 0 or kills == FEW


def _workers(process: Any) -> list[int]:
    """Processes that the launcher's server has started, and that have not ended meanwhile."""
    workers = []
    for pid in commands.children(process.pid):
        with suppress(OSError):
            if "multiprocessing.forkserver" in Path(f"/proc/{pid}/cmdline").read_text():
                workers += commands.children(pid)
    return workers


def test_two_sweeps_at_once_share_the_runs_of_a_folder(tmp_path, undisturbed):
    """Both end with all points done, and no run was written by two."""
    expected, _ = undisturbed
    processes = [commands.start(tmp_path, *SWEEP) for _ in range(2)]
    for process in processes:
        process.join()
    said = commands.output(tmp_path)
    assert [process.exitcode for process in processes] == [0, 0], said
    assert said.count("\nrun stcvae_blocks") == len(expected)
    complete_and_equal(tmp_path, expected)


def test_a_full_disk_stops_points_that_the_same_command_continues(
    tmp_path, undisturbed, monkeypatch
):
    """No file may grow beyond a limit that checkpoints exceed: every write of one fails as on a
    full disk.
    """
    expected, _ = undisturbed
    monkeypatch.setattr(commands, "MAX_FILE_BYTES", 30_000)
    code, said = commands.finish(tmp_path, *SWEEP)
    assert code == 1
    assert "File too large" in said or "No space left" in said
    assert "0 done, 0 skipped, 2 failed" in said
    monkeypatch.undo()
    complete_and_equal(tmp_path, expected)


def test_a_corrupt_last_checkpoint_falls_back_to_the_one_before(tmp_path, undisturbed):
    expected, _ = undisturbed
    process = commands.start(tmp_path, *SWEEP)
    deadline = time.monotonic() + 120
    while (
        not (found := sorted((tmp_path / "runs").glob("*/checkpoints/step=24.ckpt")))
        and time.monotonic() < deadline
    ):
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    for path in checkpoints(found[0].parents[1])[:1]:
        path.write_bytes(path.read_bytes()[:2000])
    complete_and_equal(tmp_path, expected)
    assert "is not a whole checkpoint" in commands.output(tmp_path)

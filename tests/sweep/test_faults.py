"""Sweeps that are killed at random moments end, by the same command again, with the numbers of a sweep that nobody disturbed."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import commands
import pytest

from vae_granularity.state import is_busy

SWEEP = ("-m", "model.beta=1,4", "seed=0,1", "trainer.max_steps=60", "callbacks.last.every_n_train_steps=10", "callbacks.terms.every=7")
SWEEP += ("evaluation.every=25",)
FEW, MANY = 3, 20


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> tuple[list[dict[str, Any]], float]:
    """The numbers of each run, and the seconds that the sweep took."""
    folder = tmp_path_factory.mktemp("undisturbed")
    started = time.monotonic()
    code, said = commands.finish(folder, *SWEEP)
    assert code == 0, said
    return [commands.numbers(run) for run in commands.run_directories(folder)], time.monotonic() - started


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
    moments = random.Random(kills)
    landed = 0
    for _ in range(kills):
        process = commands.start(tmp_path, *SWEEP)
        time.sleep(moments.uniform(0.1, seconds * 0.6))
        landed += process.is_alive()
        os.kill(process.pid, how)
        process.join()
        if how == signal.SIGTERM:
            assert process.exitcode in (0, 143, -signal.SIGTERM), commands.output(tmp_path)
    assert landed
    complete_and_equal(tmp_path, expected)

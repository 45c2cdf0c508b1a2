"""Processes of a pool: none outlives its parent, however it goes; a killed one loses no job."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vae_granularity.sweeps.processes import LocalPool
from vae_granularity.sweeps.queue import WorkerLost, run_all

PARENT = """
import os, sys, time
from vae_granularity.sweeps.processes import LocalPool

if __name__ == "__main__":
    def job(path):
        open(path + ".part", "w").write(str(os.getpid()))
        os.replace(path + ".part", path)
        time.sleep(600)

    with LocalPool(job, 1) as pool:
        pool.start(0, sys.argv[1])
        time.sleep(600)
"""


def alive(pid: int) -> bool:
    """Whether a process runs: it may have ended without anybody to notice."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=lambda how: how.name)
def test_workers_end_with_the_process_that_started_them(how, tmp_path):
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path / "pid")])
    deadline = time.monotonic() + 120
    while not (tmp_path / "pid").exists():
        assert time.monotonic() < deadline
        assert parent.poll() is None
        time.sleep(0.05)
    worker = int((tmp_path / "pid").read_text())
    assert alive(worker)
    parent.send_signal(how)
    parent.wait()
    while alive(worker):
        assert time.monotonic() < deadline + 60, "the worker lives on"
        time.sleep(0.05)


def test_a_worker_that_is_killed_before_any_job_has_ended_loses_none(tmp_path):
    def job(number: int) -> int:
        first = tmp_path / str(number)
        if number < 2 and not first.exists():
            first.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return number**2

    with LocalPool(job, 1) as pool:
        assert run_all(pool, [0, 1, 2], attempts=2) == [0, 1, 4]


def test_a_job_that_kills_each_of_its_workers_is_given_up_alone(capfd):
    def job(number: int) -> int:
        if number == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    with LocalPool(job, 1) as pool:
        lost, other = run_all(pool, [0, 1], attempts=2)
    assert isinstance(lost, WorkerLost)
    assert "killed by SIGKILL" in str(lost)
    assert other == 1

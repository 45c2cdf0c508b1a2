"""Workers of this machine: none outlives its parent, a killed one loses no job, one GPU each."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import commands
import pytest
from omegaconf import OmegaConf

from hydra_plugins.vae_granularity_workers import CoresLauncher, visible_gpus
from vae_granularity.errors import ArgumentError
from vae_granularity.sweeps.workers import LocalPool, WorkerLost, cores, run_all

PARENT = """
import os, sys, time
from vae_granularity.sweeps.workers import LocalPool

if __name__ == "__main__":
    def job(path):
        open(path + ".part", "w").write(str(os.getpid()))
        os.replace(path + ".part", path)
        time.sleep(600)

    with LocalPool(job, 1, preload=sys.argv[2:]) as pool:
        pool.submit(0, sys.argv[1])
        pool.completed(600)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=lambda n: n.name)
@pytest.mark.parametrize("preload", [(), ("json",)], ids=["spawn", "server"])
def test_workers_and_their_server_end_with_the_process_that_started_them(number, preload, tmp_path):
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path / "pid"), *preload])
    deadline = time.monotonic() + 120
    while not (tmp_path / "pid").exists():
        assert time.monotonic() < deadline
        assert parent.poll() is None
        time.sleep(0.05)
    worker = int((tmp_path / "pid").read_text())
    processes = commands.descendants(parent.pid)
    assert worker in processes
    parent.send_signal(number)
    parent.wait()
    while any(map(commands.is_alive, processes)):
        assert time.monotonic() < deadline + 60, "a process lives on"
        time.sleep(0.05)


SERVED = """
import json, os, signal, sys
from pathlib import Path
from vae_granularity.sweeps.workers import LocalPool, run_all

if __name__ == "__main__":
    folder = Path(sys.argv[1])

    def job(number):
        preloaded = sorted({"torch", "lightning.pytorch"} & set(sys.modules))
        mark = folder / str(number)
        if number == 0 and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        import torch

        return {
            "preloaded": preloaded,
            "threads": torch.get_num_threads(),
            "variable": os.environ["OMP_NUM_THREADS"],
            "server": os.getppid(),
        }

    preload = ["vae_granularity.sweeps.preload"]
    with LocalPool(job, 1, preload=preload) as pool:
        print(json.dumps([os.getpid(), run_all(pool, [0, 1], attempts=2)]))
"""


def test_workers_are_copies_of_a_server_that_has_loaded_torch(tmp_path):
    """One that is killed is replaced by another copy, and each computes by its share of cores."""
    environment = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
    command = [sys.executable, "-c", SERVED, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    notice, answer = done.stdout.splitlines()
    assert "0: lost a worker (process" in notice
    assert "killed by SIGKILL); launched again" in notice
    parent, workers = json.loads(answer)
    for worker in workers:
        assert worker["preloaded"] == ["lightning.pytorch", "torch"]
        assert worker["threads"] == int(worker["variable"]) == cores()
        assert worker["server"] != parent
    assert workers[0]["server"] == workers[1]["server"]
    assert done.stderr == ""


NO_CUDA = """
import os, sys
import torch

def refuse(*arguments, **options):
    raise AssertionError("asks CUDA, which no copy of a process survives")

for name in ("init", "_lazy_init", "is_available", "device_count", "get_device_properties"):
    setattr(torch.cuda, name, refuse)
from hydra_plugins.vae_granularity_workers import PRELOAD
for module in PRELOAD:
    __import__(module)
print(len(os.listdir("/proc/self/task")))
"""


def test_the_server_asks_nothing_of_cuda_and_has_one_thread():
    command = [sys.executable, "-c", NO_CUDA]
    # OpenBLAS ends its threads before each fork; nobody else has any.
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "2"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "1\n"


def test_each_worker_has_a_gpu_and_one_that_replaces_it_takes_it_over(tmp_path):
    def job(number: int) -> tuple[str, str]:
        mark = tmp_path / str(number)
        if number == 0 and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.5)  # the other workers begin meanwhile
        return str(os.getpid()), os.environ["CUDA_VISIBLE_DEVICES"]

    with LocalPool(job, 2, gpus=["2", "3"]) as pool:
        results = run_all(pool, range(6), attempts=2)
    gpus = dict(results)
    assert len(gpus) == 2, "the two workers that live"
    assert set(gpus.values()) == {"2", "3"}


@pytest.mark.parametrize(
    "variable, count, names",
    [
        (None, 2, ["0", "1"]),
        ("3,5", 2, ["3", "5"]),
        ("GPU-8f,GPU-91", 2, ["GPU-8f", "GPU-91"]),
        ("", 0, []),
        ("0", 0, []),
    ],
)
def test_the_gpus_of_this_process_are_those_that_are_dealt(variable, count, names, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if variable is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", variable)
    monkeypatch.setattr("torch.cuda.device_count", lambda: count)
    assert visible_gpus() == names
    launcher = CoresLauncher(n_jobs=2)
    launcher.config = OmegaConf.create({"trainer": {"devices": 1}})
    assert launcher.pool(print).gpus == names
    launcher.config = OmegaConf.create({"trainer": {"devices": 2}})
    assert launcher.pool(print).gpus == [], "a run on several devices chooses them itself"


def test_gpus_may_be_named_and_must_be_a_list():
    launcher = CoresLauncher(gpus=[1, "2,3"])
    assert launcher.pool(print).gpus == ["1", "2,3"]
    with pytest.raises(ArgumentError, match=r"gpus must be null or a list of devices.*got 1"):
        CoresLauncher(gpus=1)


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

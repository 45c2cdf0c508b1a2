"""Each ready launcher runs a 2x2 sweep here. Those whose package is absent are skipped."""

from __future__ import annotations

import importlib.util
import os
import signal
import time
from pathlib import Path

import commands
import pytest

from vae_granularity.runs.identity import checkpoints
from vae_granularity.runs.status import is_busy, read_progress

pytestmark = [
    pytest.mark.launcher,
    pytest.mark.filterwarnings("default"),
]  # the launchers' packages warn of their own code

PLUGINS = {
    "cores": "hydra_plugins.vae_granularity_workers",
    "processes": "hydra_plugins.hydra_submitit_launcher",
    "ray": "ray",
}
OPTIONS = {
    "cores": ["hydra.launcher.n_jobs=2"],
    "processes": [],
    "ray": ["hydra.launcher.num_cpus=2", "hydra.launcher.num_gpus=1", "hydra.launcher.gpus=0.5"],
}

PATIENCE = 300.0  # seconds, on a machine that others use


def needs(plugin: str) -> None:
    if importlib.util.find_spec(plugin) is None:
        pytest.skip(f"{plugin.split('.')[-1]} is not installed: README, Launchers")


@pytest.mark.parametrize("launcher", PLUGINS)
def test_a_sweep_by_this_launcher_is_complete_and_then_has_nothing_to_do(tmp_path, launcher):
    needs(PLUGINS[launcher])
    sweep = (
        "-m",
        "model.beta=1,4",
        "seed=0,1",
        "metrics=mig",
        f"hydra/launcher={launcher}",
        *OPTIONS[launcher],
    )
    code, said = commands.finish(tmp_path, *sweep)
    assert code == 0, said
    assert "4 done, 0 skipped, 0 failed" in said
    assert len({commands.numbers(run)["name"] for run in commands.run_directories(tmp_path)}) == 4
    code, said = commands.finish(tmp_path, *sweep)
    assert code == 0, said
    assert "0 done, 4 skipped, 0 failed" in said


@pytest.mark.parametrize("launcher", ["cores", "ray"])
def test_failures_in_workers_are_in_the_table(tmp_path, launcher):
    needs(PLUGINS[launcher])
    sweep = (
        "-m",
        "optimizer.lr=1e-3,1e30",
        "optimizer.fused=false",
        f"hydra/launcher={launcher}",
        *OPTIONS[launcher],
    )
    code, said = commands.finish(tmp_path, *sweep)
    assert code == 1, said
    assert "1 done, 0 skipped, 1 failed" in said
    assert "training stopped: not finite at step" in said


def _has_begun(run: Path) -> bool:
    found = read_progress(run)
    return found is not None and bool(found.step)


@pytest.mark.parametrize(
    "launcher, number",
    [
        ("cores", signal.SIGKILL),
        ("cores", signal.SIGTERM),
        ("cores", signal.SIGINT),
        ("ray", signal.SIGKILL),
        ("ray", signal.SIGTERM),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_no_worker_outlives_the_command(tmp_path, launcher, number):
    """The workers of `cores` save what they train, as on SIGTERM; those of Ray just end."""
    needs(PLUGINS[launcher])
    endless = ("trainer.max_steps=1000000", "callbacks.checkpoint.every_n_train_steps=1000000")
    endless += ("compile=none",)
    process = commands.start(
        tmp_path, "-m", "seed=0,1", *endless, f"hydra/launcher={launcher}", *OPTIONS[launcher]
    )
    outputs = tmp_path / "runs" / ".output"
    deadline = time.monotonic() + PATIENCE
    while sum(_has_begun(run) for run in commands.run_directories(tmp_path)) < 2:
        assert process.is_alive(), commands.output(tmp_path)
        assert time.monotonic() < deadline, commands.output(tmp_path)
        time.sleep(0.1)
    started = commands.descendants(process.pid)
    assert len(started) >= 2
    os.kill(process.pid or 0, number)
    if number == signal.SIGINT:  # Ctrl-C in a terminal reaches all processes of it
        for pid in started:
            os.kill(pid, number)
    process.join()
    deadline = time.monotonic() + PATIENCE
    while any(map(commands.is_alive, started)):
        assert time.monotonic() < deadline, [p for p in started if commands.is_alive(p)]
        time.sleep(0.1)
    runs = commands.run_directories(tmp_path)
    assert len(runs) == 2
    assert not any(map(is_busy, runs))
    if launcher == "cores":
        assert all(checkpoints(run) for run in runs)
        assert all("\nstopped at step " in path.read_text() for path in outputs.iterdir())
        assert "Traceback" not in commands.output(tmp_path)

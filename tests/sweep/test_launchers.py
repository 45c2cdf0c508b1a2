"""Each ready launcher runs a 2x2 sweep here. Those whose package is absent are skipped."""

from __future__ import annotations

import importlib.util
import os
import time

import commands
import pytest

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


@pytest.mark.slow
def test_ray_gives_each_run_its_own_logical_gpu():
    """Two logical GPUs, no real one: whole and fractional jobs see one device each through
    CUDA_VISIBLE_DEVICES.
    """
    needs("ray")
    from vae_granularity.sweeps.queue import run_all
    from vae_granularity.sweeps.ray_pool import RayPool

    def visible(seconds: float) -> str:
        time.sleep(seconds)  # all of them at once
        return os.environ["CUDA_VISIBLE_DEVICES"]

    def seen(gpus: float, jobs: int) -> list[str]:
        with RayPool(visible, cpus=0.1, gpus=gpus, num_cpus=1, num_gpus=2) as pool:
            return sorted(run_all(pool, [3.0] * jobs, attempts=1))

    assert seen(1.0, 2) == ["0", "1"]
    assert seen(0.5, 4) == ["0", "0", "1", "1"]

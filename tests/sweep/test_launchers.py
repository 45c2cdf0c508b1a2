"""Each ready launcher runs a 2x2 sweep here. Those whose package is absent are skipped; Ray has an
environment of its own.
"""

from __future__ import annotations

import importlib.util
import os

import commands
import pytest

pytestmark = [
    pytest.mark.launcher,
    pytest.mark.filterwarnings("default"),
]  # the launchers' packages warn of their own code

PLUGINS = {
    "cores": "hydra_plugins.hydra_joblib_launcher",
    "processes": "hydra_plugins.hydra_submitit_launcher",
    "ray_cores": "hydra_plugins.hydra_ray_launcher",
    "ray_gpus": "hydra_plugins.hydra_ray_launcher",
}
OPTIONS = {
    "cores": ["hydra.launcher.n_jobs=2"],
    "processes": [],
    "ray_cores": ["hydra.launcher.ray.init.num_cpus=2"],
    "ray_gpus": [
        "hydra.launcher.ray.init.num_cpus=2",
        "hydra.launcher.ray.init.num_gpus=1",
        "hydra.launcher.ray.remote.num_gpus=0.5",
    ],
}


def needs(plugin: str) -> None:
    if importlib.util.find_spec(plugin) is None:
        pytest.skip(f"{plugin.split('.')[1]} is not installed: README, Launchers")


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


@pytest.mark.parametrize("launcher", ["cores", "ray_cores"])
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


def test_ray_gives_each_run_its_own_logical_gpu():
    """Two logical GPUs, no real one: whole and fractional runs see one device each through
    CUDA_VISIBLE_DEVICES.
    """
    needs("hydra_plugins.hydra_ray_launcher")
    import ray

    ray.init(num_cpus=4, num_gpus=2, include_dashboard=False, log_to_driver=False)
    try:

        def visible() -> str:
            import time

            time.sleep(3.0)  # all of them at once
            return os.environ["CUDA_VISIBLE_DEVICES"]

        whole = ray.get([ray.remote(num_gpus=1)(visible).remote() for _ in range(2)])
        halves = ray.get([ray.remote(num_gpus=0.5)(visible).remote() for _ in range(4)])
    finally:
        ray.shutdown()
    assert sorted(whole) == ["0", "1"]
    assert sorted(halves) == ["0", "0", "1", "1"]

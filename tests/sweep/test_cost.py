"""A point that is done costs less than Hydra alone takes to compose and launch it, and no torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from tiny import SMALL, tiny_config

from vae_granularity.runs.identity import RunInfo
from vae_granularity.training.run import train

POINTS = 8
PROBE = """
import runpy, sys, time
program, *sys.argv[1:] = sys.argv[1:]
started = time.process_time()
try:
    (runpy.run_path if program.endswith(".py") else runpy.run_module)(program, run_name="__main__")
except SystemExit as ended:
    assert not ended.code, ended.code
assert "torch" not in sys.modules and "lightning" not in sys.modules
print("seconds of processor time:", time.process_time() - started)
"""


def test_a_point_that_is_done_costs_little_and_loads_no_torch(tmp_path):
    measured = (train(tiny_config(tmp_path, "metrics=fast")) / "results.json").read_text()
    for seed in range(1, POINTS):
        config: Any = OmegaConf.to_container(
            tiny_config(tmp_path, f"seed={seed}", "dataset.source=synthetic"), resolve=True
        )
        directory = RunInfo(config, tmp_path / "runs").directory
        directory.mkdir(parents=True)
        (directory / "results.json").write_text(measured)
    paths = [
        f"paths.output_dir={tmp_path / 'runs'}",
        f"paths.cache_dir={tmp_path / 'cache'}",
        f"paths.data_dir={tmp_path / 'data'}",
    ]
    arguments = ["-m", *SMALL, *paths, "dataset.source=synthetic", f"seed=range(0,{POINTS})"]
    said, seconds = probe("vae_granularity.train", *arguments)
    assert f"0 done, {POINTS} skipped, 0 failed" in said
    # a limit in seconds would judge the machine; 0.12 s against 0.22 s a point where
    # experiments/benchmarks/sweep_overhead.py was measured
    _, bare = probe(
        "experiments/benchmarks/bare_hydra.py",
        *arguments,
        "hydra/sweeper=basic",
        f"hydra.sweep.dir={tmp_path / 'bare'}",
    )
    assert seconds < bare, "with the start of the command"


def probe(program: str, *arguments: str) -> tuple[str, float]:
    """What the program said, and its processor time in seconds."""
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", PROBE, program, *arguments],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, float(done.stdout.rsplit(":", 1)[1])

"""What a point that is already done costs: composing its config, and no torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from tiny import SMALL, tiny_config

from vae_granularity.runs import RunInfo

POINTS = 12
PROBE = """
import runpy, sys, time
sys.argv = ["train", *sys.argv[1:]]
started = time.process_time()
try:
    runpy.run_module("vae_granularity.train", run_name="__main__")
except SystemExit as ended:
    assert not ended.code, ended.code
assert "torch" not in sys.modules and "lightning" not in sys.modules
print("seconds of processor time:", time.process_time() - started)
"""


def test_a_point_that_is_done_costs_little_and_loads_no_torch(tmp_path):
    for seed in range(POINTS):
        config: Any = OmegaConf.to_container(tiny_config(tmp_path, f"seed={seed}", "dataset.source=synthetic"), resolve=True)
        directory = RunInfo(config, tmp_path / "runs").directory
        directory.mkdir(parents=True)
        (directory / "results.json").write_text("{}")
    paths = [f"paths.output_dir={tmp_path / 'runs'}", f"paths.cache_dir={tmp_path / 'cache'}", f"paths.data_dir={tmp_path / 'data'}"]
    arguments = ["-m", *SMALL, *paths, "dataset.source=synthetic", f"seed=range(0,{POINTS})"]
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", PROBE, *arguments], cwd=root, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert f"0 done, {POINTS} skipped, 0 failed" in done.stdout
    seconds = float(done.stdout.rsplit(":", 1)[1])
    assert seconds / POINTS < 0.4, "with the start of the command, spread over the points"

"""An installed wheel finds its config, in any directory."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_wheel_holds_the_config_and_composes_it_elsewhere(tmp_path):
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        str(tmp_path),
        str(ROOT),
    ]
    subprocess.run(build, check=True, timeout=120, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    environment = os.environ | {"PYTHONPATH": str(site)}
    where = [
        sys.executable,
        "-c",
        "from vae_granularity.training.config import config_dir; print(config_dir())",
    ]
    found = subprocess.run(
        where,
        cwd=elsewhere,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert Path(found.stdout.strip()) == site / "vae_granularity" / "conf"
    composed = [
        sys.executable,
        "-m",
        "vae_granularity.train",
        "model=stcvae",
        "dataset=mnist",
        "trainer=quick",
        "--cfg",
        "job",
    ]
    done = subprocess.run(
        composed,
        cwd=elsewhere,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "max_steps: 2000" in done.stdout

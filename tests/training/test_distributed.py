"""One run trained by two processes on this machine: the numbers of one process with the whole
batch, written once.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import commands
import numpy as np
import pytest
import torch
from tiny import SMALL, results, tiny_config

from vae_granularity.training.run import train

COMMON = (
    "trainer.max_steps=12",
    "evaluation.every=6",
    "callbacks.terms.every=3",
    "callbacks.checkpoint.every_n_train_steps=6",
    "metrics=mig",
)
TWO = ("+trainer.strategy=ddp", "trainer.devices=2", "dataset.batch_size=16")
ROOT = Path(__file__).parents[2]


def by_two(folder: Path, *arguments: str) -> Path:
    """The run directory of a command that trains with two processes."""
    paths = [
        f"paths.output_dir={folder / 'runs'}",
        f"paths.cache_dir={folder / 'cache'}",
        f"paths.data_dir={folder / 'data'}",
    ]
    command = [
        sys.executable,
        "-m",
        "vae_granularity.train",
        *SMALL,
        *paths,
        *COMMON,
        *TWO,
        *arguments,
    ]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=540, check=False, env=environment, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr + done.stdout
    assert done.stdout.count("\ndone: ") == 1, "only the first process reports"
    (run,) = commands.run_directories(folder)
    return run


@pytest.mark.slow  # test_ranks asks the same of the weights, without the command
@pytest.mark.parametrize(
    "model, callbacks",
    [("betavae", "default"), ("stcvae", "gather")],
    ids=["a loss that is a mean over images", "a loss that needs the whole batch, gathered"],
)
def test_two_processes_train_what_one_does_with_the_whole_batch(tmp_path, model, callbacks):
    two = by_two(tmp_path / "two", f"model={model}", f"callbacks={callbacks}")
    one = train(tiny_config(tmp_path / "one", f"model={model}", "dataset.batch_size=32", *COMMON))
    weights = [
        torch.load(run / "checkpoints" / "final.ckpt", weights_only=True)["state_dict"]
        for run in (two, one)
    ]
    for name, value in weights[1].items():
        torch.testing.assert_close(weights[0][name], value, rtol=2e-3, atol=2e-5, msg=name)
    ours, theirs = commands.numbers(two)["rows"], commands.numbers(one)["rows"]
    assert [row["step"] for row in ours] == [row["step"] for row in theirs] == ["3", "6", "9", "12"]
    np.testing.assert_allclose(
        [float(row["train/elbo"]) for row in ours],
        [float(row["train/elbo"]) for row in theirs],
        rtol=1e-4,
    )
    assert results(two)["terms"]["val/elbo"] == pytest.approx(
        results(one)["terms"]["val/elbo"], rel=1e-4
    )
    assert (two / "checkpoints" / "best.ckpt").exists()

"""Two real processes (gloo): each collects half of a table, both compute the score of the whole."""

from __future__ import annotations

import multiprocessing
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist

from vae_granularity import LatentPartition, metrics

PAIRS = LatentPartition.from_granularity(4, 2)


def score(rank: int, store: Path, table: dict[str, torch.Tensor]) -> None:
    """What one of the two processes does."""
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    # Halves of different length: ranks seldom hold as many rows.
    rows = slice(0, 70) if rank == 0 else slice(70, None)
    z, f = table["z"][rows], table["f"][rows]
    infomec, sap = metrics.InfoMEC(partition=PAIRS), metrics.SAP(partition=PAIRS)
    infomec.update(z[:30], f[:30])
    infomec.update(z[30:], f[30:])
    sap.update(z, f)
    sap.update(z, f, test=True)
    found = {**infomec.compute(), **sap.compute()}
    torch.save({name: value.item() for name, value in found.items()}, f"{store}.{rank}")
    dist.barrier()
    dist.destroy_process_group()


@pytest.mark.skipif(sys.platform == "win32", reason="gloo with a file store")
def test_two_processes_compute_the_score_of_the_whole_table(tmp_path):
    rng = np.random.default_rng(0)
    f = rng.integers(0, 4, (160, 2))
    z = np.column_stack((f, rng.normal(size=(160, 2)))) + 0.1 * rng.normal(size=(160, 4))
    table = {"z": torch.from_numpy(z), "f": torch.from_numpy(f)}
    fork = multiprocessing.get_context("fork")  # torch is loaded already
    processes = [
        fork.Process(target=score, args=(rank, tmp_path / "store", table)) for rank in range(2)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(240)
    assert [process.exitcode for process in processes] == [0, 0]
    expected = (
        metrics.infomec(z, f, partition=PAIRS).scores
        | metrics.sap(z, f, test=(z, f), partition=PAIRS).scores
    )
    for rank in range(2):
        assert torch.load(tmp_path / f"store.{rank}") == pytest.approx(expected, abs=1e-6)

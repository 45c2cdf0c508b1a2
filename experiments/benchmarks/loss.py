"""Loss forward and backward against the published loop: one thread, process CPU time, both in turn, medians.

Command: OMP_NUM_THREADS=1 python experiments/benchmarks/loss.py
Writes results/loss.json and results/loss.md beside this file.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from published_loop import published_loop

from vae_granularity.elbo import decompose, weighted_elbo
from vae_granularity.partition import LatentPartition

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "support"))
from operators import OperatorCount

RESULTS = Path(__file__).parent / "results"
SHAPES = ((64, 10, 40), (256, 10, 15), (64, 64, 11))  # batch, latent dimensions, repetitions
GRANULARITY, BETA, N = 2, 4.0, 480_000


def compared(batch: int, dim: int) -> tuple[Callable[[], None], Callable[[], None]]:
    """The published loop and ours on the same means, variances, noise and log p(x|z), each forward and backward."""
    generator = torch.Generator().manual_seed(0)
    mu, spread, noise = (torch.randn(batch, dim, generator=generator) for _ in range(3))
    logvar, log_px = spread - 2, torch.randn(batch, generator=generator)
    membership = LatentPartition.from_granularity(dim, GRANULARITY).membership()
    mu.requires_grad_(), logvar.requires_grad_()

    def sample() -> torch.Tensor:
        mu.grad = logvar.grad = None
        return mu + torch.exp(0.5 * logvar) * noise

    def published() -> None:
        published_loop(sample(), mu, logvar, log_px, size=GRANULARITY, dataset_size=N, beta=BETA).backward()

    def ours() -> None:
        terms = decompose(z=sample(), mu=mu, logvar=logvar, partition=membership, dataset_size=N)
        weights = {"mutual_information": 1.0, "between_group_tc": BETA, "within_group_tc": -BETA / 2, "dimension_kl": 1.0}
        weighted_elbo(log_px, terms, **weights).mean().backward()

    return published, ours


def measure(batch: int, dim: int, repetitions: int) -> dict[str, Any]:
    """Milliseconds of both, their ratio, and what the operators of ours come to."""
    parties = compared(batch, dim)
    times: list[list[float]] = [[], []]
    for _ in range(repetitions + 2):
        for party, record in zip(parties, times, strict=True):
            start = time.process_time()
            party()
            record.append(1e3 * (time.process_time() - start))
    published, ours = (statistics.median(record[2:]) for record in times)  # the first two warm up
    with OperatorCount() as count:
        parties[1]()
    return {
        "batch": batch,
        "latent_dim": dim,
        "published_ms": round(published, 3),
        "ours_ms": round(ours, 3),
        "times_faster": round(published / ours, 2),
        "operators": count.operators,
        "synchronisations": count.synchronisations,
    }


def main() -> None:
    torch.set_num_threads(1)
    load = os.getloadavg()[0]
    rows = [measure(*shape) for shape in SHAPES]
    about = {
        "command": "OMP_NUM_THREADS=1 python experiments/benchmarks/loss.py",
        "device": f"{platform.machine()} CPU, {os.cpu_count()} cores, 1 thread",
        "torch": torch.__version__,
        "load_before": round(load, 2),
        "granularity": GRANULARITY,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "loss.json").write_text(json.dumps(about | {"rows": rows}, indent=1) + "\n")
    names = list(rows[0])
    lines = [
        "# Loss, forward and backward",
        "",
        f"`{about['command']}`: {about['device']}, torch {about['torch']}, load {load:.2f} before.",
    ]
    lines += [
        f"Process CPU time, both in turn, medians; groups of two; load {load:.2f} before.",
        "",
        f"| {' | '.join(names)} |",
        "|" + " --- |" * len(names),
    ]
    lines += [f"| {' | '.join(str(row[name]) for name in names)} |" for row in rows]
    (RESULTS / "loss.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()

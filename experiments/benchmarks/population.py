"""Throughput of a population by number of members, backend, network and batch, against the same members one after the other.

Command: OMP_NUM_THREADS=1 python experiments/benchmarks/population.py
One thread, process CPU time (on a GPU: wall time, both sides captured in graphs), all variants in turn, medians of REPETITIONS.
Writes results/population.json and results/population.md beside this file; on a GPU, results/population_cuda.*.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from vae_granularity.config import compose
from vae_granularity.job import prepare
from vae_granularity.population.backends import losses
from vae_granularity.population.captured import Captured
from vae_granularity.population.engine import Population
from vae_granularity.population.feed import Feed

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "support"))
from operators import OperatorCount

RESULTS = Path(__file__).parent / "results"
CUDA = torch.cuda.is_available()
REPETITIONS = 30 if CUDA else 5
BACKENDS = ("vectorised", "grouped", "streams") if CUDA else ("vectorised", "grouped")
MLP = ("dataset=blocks", "net=mlp", "model.latent_dim=6")
CONV = ("dataset=blocks", "dataset.image_size=32", "net=conv64", "likelihood=bernoulli", "dataset.num_samples=2000")
# name, overrides, batch sizes, numbers of members
CASES = (
    ("mlp on blocks", MLP, (64, 256), (1, 2, 4, 8, 16, 32, 64) if CUDA else (1, 4, 8, 16, 32)),
    ("conv64 on 32x32", CONV, (64,), (1, 2, 4, 8, 16, 32, 64) if CUDA else (1, 4, 8)),
)


def population(overrides: tuple[str, ...], batch: int, members: int, backend: str | None) -> Callable[[int], object]:
    """One step of `members` runs: together by a backend, or by None each with its own training step and optimiser."""
    device = "cuda" if CUDA else "cpu"
    points = [(f"seed={k % 4}", f"model.beta={1 + k}", f"model.granularity={1 + k % 3}") for k in range(members)]
    with tempfile.TemporaryDirectory() as folder:
        common = (*overrides, f"dataset.batch_size={batch}", "optimizer=adam_fast", f"paths.data_dir={folder}")
        parts = [prepare(compose("train", [*common, *point])) for point in points]
    data = [part[1] for part in parts]
    data[0].setup()
    data = [data[0], *(data[0].reseeded(module.seed) for module in data[1:])]
    models = [part[0].to(device) for part in parts]
    for model, module in zip(models, data, strict=True):
        model.dataset_size = module.train_size
    optimizers = [model.configure_optimizers() for model in models]
    if backend is not None:
        together = Population(models, optimizers, losses(backend, models[0]))
        feed = Feed(models, data)
        step = Captured(together, feed(0)) if CUDA else together.step
        return lambda i: step(feed(i))
    if CUDA:  # each a captured population of one
        alone = []
        for model, optimizer, module in zip(models, optimizers, data, strict=True):
            own = Feed([model], [module])
            alone.append((Captured(Population([model], [optimizer], losses("vectorised", model)), own(0)), own))
        return lambda i: [step(own(i)) for step, own in alone]

    def one_after_the_other(i: int) -> None:
        for model, optimizer, module in zip(models, optimizers, data, strict=True):
            optimizer.zero_grad()
            model.training_step(module.images(module.batch_indices(i)), i)["loss"].backward()
            optimizer.step()

    return one_after_the_other


def timed(step: Callable[[int], object], i: int) -> float:
    """Seconds of one call."""
    clock = time.perf_counter if CUDA else time.process_time
    start = clock()
    step(i)
    if CUDA:
        torch.cuda.synchronize()
    return clock() - start


def measure(name: str, overrides: tuple[str, ...], batch: int, members: tuple[int, ...]) -> list[dict[str, Any]]:
    """One row for each number of members and way of training them."""
    ways = {(k, backend): population(overrides, batch, k, backend) for k in members for backend in (None, *BACKENDS)}
    operators = {}
    for (k, backend), step in ways.items():
        step(0)
        with OperatorCount() as count:
            step(1)
        operators[k, backend] = count.operators / k
    times: dict[tuple[int, str | None], list[float]] = {way: [] for way in ways}
    for repetition in range(REPETITIONS):
        for way, step in ways.items():
            times[way].append(timed(step, repetition + 2))
    rows = []
    for (k, backend), seconds in times.items():
        median = statistics.median(seconds)
        alone = statistics.median(times[k, None])
        rows.append(
            {
                "case": name,
                "batch": batch,
                "members": k,
                "backend": backend or "one after the other",
                "ms_per_step": round(1e3 * median, 2),
                "member_steps_per_s": round(k / median, 1),
                "times_faster": round(alone / median, 2),
                "operators_per_member": round(operators[k, backend], 1),
            }
        )
    return rows


def main() -> None:
    torch.set_num_threads(1)
    load = os.getloadavg()[0]
    rows = [row for name, overrides, batches, members in CASES for batch in batches for row in measure(name, overrides, batch, members)]
    device = torch.cuda.get_device_name() if CUDA else f"{platform.machine()} CPU, {os.cpu_count()} cores, 1 thread"
    what = {"device": device, "torch": torch.__version__, "load_before": round(load, 2), "repetitions": REPETITIONS, "rows": rows}
    if CUDA:
        what["max_memory_allocated"] = torch.cuda.max_memory_allocated()
    RESULTS.mkdir(exist_ok=True)
    stem = "population_cuda" if CUDA else "population"
    (RESULTS / f"{stem}.json").write_text(json.dumps(what, indent=1) + "\n")
    lines = [
        "# Throughput of a population",
        "",
        f"`OMP_NUM_THREADS=1 python experiments/benchmarks/population.py`: {device}, torch {torch.__version__}, load {load:.2f} before.",
        f"{'Wall time, all captured in graphs' if CUDA else 'Process CPU time'}, all variants in turn, medians of {REPETITIONS}. "
        "One after the other: each member's own training step and fused Adam, without Lightning's loop around it.",
        "",
        "| " + " | ".join(rows[0]) + " |",
        "|" + " --- |" * len(rows[0]),
        *("| " + " | ".join(str(value) for value in row.values()) + " |" for row in rows),
    ]
    (RESULTS / f"{stem}.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()

"""Throughput of a population by number of members, backend, network and batch, against the same
members one after the other.

Command: OMP_NUM_THREADS=1 python experiments/benchmarks/population.py
One thread, process CPU time (on a GPU: wall time, both sides captured in graphs), all variants in
turn, medians of REPETITIONS. Writes results/population.json and results/population.md beside this
file; on a GPU, results/population_cuda.*.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from machine import CUDA, about, milliseconds, write

from vae_granularity.population.backends import losses
from vae_granularity.population.captured import Captured
from vae_granularity.population.engine import Population
from vae_granularity.population.step_inputs import Feed
from vae_granularity.training.config import compose
from vae_granularity.training.prepare import prepare

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "support"))
from operators import OperatorCount

REPETITIONS = 30 if CUDA else 5
BACKENDS = ("vectorised", "grouped", "streams") if CUDA else ("vectorised", "grouped")
MLP = ("dataset=blocks", "net=mlp", "model.latent_dim=6")
CONV = (
    "dataset=blocks",
    "dataset.image_size=32",
    "net=conv64",
    "likelihood=bernoulli",
    "dataset.num_samples=2000",
)
# name, overrides, batch sizes, numbers of members
CASES = (
    ("mlp on blocks", MLP, (64, 256), (1, 2, 4, 8, 16, 32, 64) if CUDA else (1, 4, 8, 16, 32)),
    ("conv64 on 32x32", CONV, (64,), (1, 2, 4, 8, 16, 32, 64) if CUDA else (1, 4, 8)),
)


def population(
    overrides: tuple[str, ...], batch: int, members: int, backend: str | None
) -> Callable[[int], object]:
    """One step of `members` runs: together by a backend, or by None each with its own training step
    and optimiser.
    """
    device = "cuda" if CUDA else "cpu"
    points = [
        (f"seed={k % 4}", f"model.beta={1 + k}", f"model.granularity={1 + k % 3}")
        for k in range(members)
    ]
    with tempfile.TemporaryDirectory() as folder:
        common = (
            *overrides,
            f"dataset.batch_size={batch}",
            "optimizer=adam_fast",
            f"paths.data_dir={folder}",
        )
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
            alone.append(
                (
                    Captured(Population([model], [optimizer], losses("vectorised", model)), own(0)),
                    own,
                )
            )
        return lambda i: [step(own(i)) for step, own in alone]

    def one_after_the_other(i: int) -> None:
        for model, optimizer, module in zip(models, optimizers, data, strict=True):
            optimizer.zero_grad()
            model.training_step(module.images(module.batch_indices(i)), i)["loss"].backward()
            optimizer.step()

    return one_after_the_other


def measure(
    name: str, overrides: tuple[str, ...], batch: int, members: tuple[int, ...]
) -> list[dict[str, Any]]:
    """One row for each number of members and way of training them."""
    ways = {
        (k, backend): population(overrides, batch, k, backend)
        for k in members
        for backend in (None, *BACKENDS)
    }
    operators, steps = {}, iter(range(10**6))
    for (k, backend), step in ways.items():
        step(0)
        with OperatorCount() as count:
            step(1)
        operators[k, backend] = count.operators / k
    found = milliseconds(
        {way: lambda step=step: step(next(steps)) for way, step in ways.items()}, REPETITIONS
    )
    rows = []
    for (k, backend), median in found.items():
        rows.append(
            {
                "case": name,
                "batch": batch,
                "members": k,
                "backend": backend or "one after the other",
                "ms_per_step": round(median, 2),
                "member_steps_per_s": round(1e3 * k / median, 1),
                "times_faster": round(found[k, None] / median, 2),
                "operators_per_member": round(operators[k, backend], 1),
            }
        )
    return rows


def main() -> None:
    torch.set_num_threads(1)
    facts = about("OMP_NUM_THREADS=1 python experiments/benchmarks/population.py")
    rows = [
        row
        for name, overrides, batches, members in CASES
        for batch in batches
        for row in measure(name, overrides, batch, members)
    ]
    if CUDA:
        facts["max_memory_allocated"] = torch.cuda.max_memory_allocated()
    protocol = (
        f"{'Wall time, all captured in graphs' if CUDA else 'Process CPU time'}, all ways in turn, medians of {REPETITIONS}. "
        "One after the other: each member's own training step and fused Adam, without Lightning's loop around it."
    )
    write("population", "Throughput of a population", facts, {"Populations": rows}, protocol)


if __name__ == "__main__":
    main()

"""What Lightning's loop and our callbacks add to a step: slopes over the number of steps, against a
bare loop of the same work.

Command: OMP_NUM_THREADS=1 python experiments/benchmarks/lightning_overhead.py
Writes results/lightning_overhead.json and results/lightning_overhead.md beside this file.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, Trainer
from machine import CUDA, about, write

from vae_granularity.training.config import compose
from vae_granularity.training.job import Job, prepare
from vae_granularity.training.run import fit
from vae_granularity.training.trainer import open_trainer

FEW, MANY, ROUNDS = 100, 600, 5
SMALL = (
    "model=stcvae",
    "dataset=blocks",
    "net=mlp",
    "net.width=0.25",
    "model.latent_dim=6",
    "optimizer=adam_fast",
)


class Clock(Callback):
    """Notes when the steps `FEW` and `MANY` have ended."""

    def __init__(self) -> None:
        self.at: dict[int, float] = {}

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        note(self.at, batch_idx + 1)


def note(at: dict[int, float], step: int) -> None:
    """The time at the end of a step, where it is one that counts."""
    if step in (FEW, MANY):
        if CUDA:
            torch.cuda.synchronize()
        at[step] = time.perf_counter() if CUDA else time.process_time()


def a_job(folder: Path) -> Job:
    """A run of MANY steps that is evaluated and saved only at its end, its data open."""
    paths = (
        f"paths.output_dir={folder / 'runs'}",
        f"paths.cache_dir={folder / 'cache'}",
        f"paths.data_dir={folder / 'data'}",
    )
    steps = (
        f"trainer.max_steps={MANY}",
        "logger=csv",
        "evaluation.every=100000",
        "dataset.source=synthetic",
    )
    job = prepare(compose("train", [*SMALL, *steps, *paths]))
    job.directory.mkdir(parents=True)
    job.open_data()
    return job


def bare(folder: Path) -> dict[int, float]:
    """The same batches, training step, backward pass and optimiser in a plain loop."""
    job, at = a_job(folder), {}
    model = job.model.to("cuda" if CUDA else "cpu")
    optimizer: Any = model.configure_optimizers()
    for step in range(MANY):
        x = job.data.images(job.data.batch_indices(step)).to(model.device)
        optimizer.zero_grad()
        model.train_batch(x, step)["loss"].backward()
        optimizer.step()
        note(at, step + 1)
    return at


def lightning(folder: Path, *, ours: bool) -> dict[int, float]:
    """Through Lightning's trainer: as a run has it with all callbacks and the CSV logger, or with
    nothing around the loop.
    """
    job, clock = a_job(folder), Clock()
    with open_trainer(job) as trainer:
        if not ours:
            trainer.callbacks.clear()  # pyright: ignore[reportAttributeAccessIssue]
            trainer.loggers = []
        trainer.callbacks.append(clock)  # pyright: ignore[reportAttributeAccessIssue]
        with redirect_stdout(StringIO()):
            fit(job, trainer)
    return clock.at


def main() -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    facts = about(
        "OMP_NUM_THREADS=1 python experiments/benchmarks/lightning_overhead.py", "lightning"
    )
    ways: dict[str, Callable[[Path], dict[int, float]]] = {
        "bare loop": bare,
        "Lightning alone": lambda folder: lightning(folder, ours=False),
        "a run: Lightning, our callbacks, CSV": lambda folder: lightning(folder, ours=True),
    }
    slopes: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            with tempfile.TemporaryDirectory() as folder:
                at = way(Path(folder))
            slopes[name].append(1e3 * (at[MANY] - at[FEW]) / (MANY - FEW))
    plain = statistics.median(slopes["bare loop"])
    rows = []
    for name, values in slopes.items():
        middle = statistics.median(values)
        row = {
            "way": name,
            "ms a step": round(middle, 3),
            "least": round(min(values), 3),
            "most": round(max(values), 3),
        }
        rows.append(row | {"more than the bare loop, ms": round(middle - plain, 3)})
    clock = "Wall time" if CUDA else "Process CPU time of one thread"
    protocol = (
        f"β-STCVAE, mlp at a quarter of its width on `blocks`, B = 64: a step so small that what "
        f"is around it shows. {clock} from "
        f"the end of step {FEW} to the end of step {MANY}, {ROUNDS} rounds of all ways in turn, "
        "medians. Evaluation, figures and the final "
        "checkpoint lie outside; a log line every 50 steps and the checkpoints of a run lie inside."
    )
    write("lightning_overhead", "What is around a step", facts, {"Cost of a step": rows}, protocol)


if __name__ == "__main__":
    sys.exit(main())

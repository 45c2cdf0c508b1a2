"""Member-steps a second of populations against the same members in Lightning's loop.

    OMP_NUM_THREADS=1 python experiments/benchmarks/population.py [--short] [CASE ...]

With --short it rehearses one case and writes nothing.

Process CPU time of the step alone, on both sides without callbacks and loggers; on a GPU wall time.
"""

import logging
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from typing import Any

import torch
from lightning import Callback, Trainer
from machine import CUDA, about, write

from vae_granularity.population.compiled import captured, compiled, warmed_up
from vae_granularity.population.engine import Population
from vae_granularity.population.plan import cache_bytes, members_in_cache
from vae_granularity.population.step_inputs import StepInputs
from vae_granularity.runs.build import create
from vae_granularity.training.config import compose
from vae_granularity.training.job import prepare

IMAGES = ("dataset.image_size=32", "likelihood=bernoulli", "dataset.num_samples=2000")
CASES = {
    "hidden 64 on blocks": ("dataset=blocks", "net=mlp", "net.hidden=64", "model.latent_dim=6"),
    "hidden 256 on blocks": ("dataset=blocks", "net=mlp", "model.latent_dim=6"),
    "hidden 64 on 32x32": ("dataset=blocks", "net=mlp", "net.hidden=64", *IMAGES),
    "conv64 on 32x32": ("dataset=blocks", "net=conv64", *IMAGES),
}
MEMBERS = (1, 8, 64, 512) if CUDA else (1, 4, 8, 16)
LIGHTNING = "Lightning's loop"
REPETITIONS, STEPS = (10, 30) if CUDA else (7, 40)
now = time.perf_counter if CUDA else time.process_time


class Clock(Callback):
    """Seconds of `STEPS` steps in Lightning's loop, after as many to warm up."""

    def on_train_batch_end(self, *arguments: Any) -> None:
        step = arguments[-1] + 1
        if step == STEPS:
            self.began = now()
        if step == 2 * STEPS:
            if CUDA:
                torch.cuda.synchronize()
            self.seconds = now() - self.began


def parts(overrides: tuple[str, ...], folder: str, seed: int) -> tuple[Any, Any, Any]:
    """Config, model and data of one member."""
    point = (f"seed={seed}", f"model.beta={1 + seed}", f"model.granularity={1 + seed % 3}")
    paths = (f"paths.data_dir={folder}", f"paths.cache_dir={folder}")
    config = compose("train", [*overrides, *paths, *point, "optimizer=adam_fast"])
    job = prepare(config)
    model, data = job.model, job.data
    data.setup()
    model.dataset_size = data.train_size
    return config, model.to("cuda" if CUDA else "cpu"), data


def in_lightning(overrides: tuple[str, ...], folder: str) -> Callable[[], float]:
    """Seconds of a step, for one member."""
    config, model, data = parts(overrides, folder, 0)
    quiet = dict.fromkeys(
        ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False
    )

    def run() -> float:
        clock = Clock()
        options = {"max_steps": 2 * STEPS, "max_epochs": 1, "callbacks": [clock], **quiet}
        trainer: Trainer = create(config.trainer, **options)
        trainer.fit(model, datamodule=data.reseeded(0))
        return clock.seconds / STEPS

    return run


def together(
    overrides: tuple[str, ...], folder: str, members: int, way: str
) -> tuple[Callable[[], float], float]:
    """Seconds of a step of all members, and those that it took to compile it."""
    found = [parts(overrides, folder, seed)[1:] for seed in range(min(members, 8))]
    found = [found[k % len(found)] for k in range(members)]
    models = [model for model, _ in found]
    population = Population(models, [model.configure_optimizers() for model in models])
    inputs = StepInputs(models, [data for _, data in found])
    began = time.perf_counter()
    if way == "compiled":
        step = compiled(population.advance, population.state, inputs(0))
        population.advance = warmed_up(step, population.state, inputs(0))
    took = time.perf_counter() - began
    if CUDA:
        population.advance = captured(population.advance, population.state, inputs(0))

    def run() -> float:
        began = now()
        for step in range(STEPS):
            population.step(inputs(step))
        if CUDA:
            torch.cuda.synchronize()
        return (now() - began) / STEPS

    return run, took


def measure(case: str, folder: str) -> list[dict[str, Any]]:
    """One row a way and number of members; all ways in turn."""
    overrides = CASES[case]
    ways: dict[tuple[str, int], Callable[[], float]] = {
        (LIGHTNING, 1): in_lightning(overrides, folder)
    }
    compiling: dict[tuple[str, int], float] = {}
    for way in ("eager",) if "conv" in case and not CUDA else ("eager", "compiled"):
        for members in MEMBERS:
            ways[way, members], compiling[way, members] = together(overrides, folder, members, way)
    times: dict[tuple[str, int], list[float]] = {key: [] for key in ways}
    for _ in range(REPETITIONS):
        for key, run in ways.items():
            times[key].append(run())
    medians = {key: statistics.median(found) for key, found in times.items()}
    alone = medians[LIGHTNING, 1]
    parameters = sum(p.numel() for p in parts(overrides, folder, 0)[1].parameters())
    chosen = members_in_cache(parameters, cache_bytes())
    return [
        {
            "case": case,
            "way": way,
            "members": members,
            "ms_per_member_step": round(1e3 * median / members, 3),
            "fastest_ms": round(1e3 * min(times[way, members]) / members, 3),
            "member_steps_per_s": round(members / median),
            "times_faster": round(members * alone / median, 2),
            "compile_s": round(compiling.get((way, members), 0.0), 1),
            "chosen_by_plan": way == "compiled" and members == chosen,
        }
        for (way, members), median in medians.items()
    ]


def main(cases: list[str]) -> None:
    global MEMBERS, REPETITIONS
    short = "--short" in cases
    if short:
        MEMBERS, REPETITIONS, cases = (8,), 1, [next(iter(CASES))]
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    facts = about("OMP_NUM_THREADS=1 python experiments/benchmarks/population.py")
    with tempfile.TemporaryDirectory() as folder:
        rows = []
        for case in cases or CASES:
            found = measure(case, folder)
            rows += found
            print(*found, sep="\n", flush=True)
    if short:
        return
    if CUDA:
        facts["max_memory_allocated"] = torch.cuda.max_memory_allocated()
    clock = "Wall time, all captured in graphs" if CUDA else "Process CPU time"
    protocol = (
        f"{clock}; all ways in turn, medians of {REPETITIONS} times {STEPS} steps. Without "
        "callbacks and loggers on both sides; the whole time to compile is in compile_s."
    )
    write("population", "Throughput of a population", facts, {"Populations": rows}, protocol)


if __name__ == "__main__":
    main(sys.argv[1:])

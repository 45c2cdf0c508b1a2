"""The fastest way to train compatible runs on this machine, found by short trials."""

from __future__ import annotations

import logging
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, Trainer
from omegaconf import DictConfig

from vae_granularity.evaluation.report import report
from vae_granularity.population.backends import BACKENDS, losses
from vae_granularity.population.captured import Captured
from vae_granularity.population.engine import Population
from vae_granularity.population.plan import (
    ALONE,
    TRIALS,
    WARM_UP,
    Plan,
    Work,
    candidates,
    fastest,
    seconds_of,
    settled,
    table,
    try_plans,
)
from vae_granularity.population.step_inputs import Feed
from vae_granularity.runs.build import create
from vae_granularity.training.prepare import IGNORED_WARNINGS, prepare


class Rehearsal:
    """Models and data of compatible runs, for trials that leave no trace.

    Args:
        configs: of the runs; at most `most` of them are built.
    """

    def __init__(self, configs: Sequence[DictConfig], most: int) -> None:
        self.configs = configs
        parts = [prepare(cfg) for cfg in configs[:most]]
        self.models, self.protocol, self.metrics = (
            [model for model, *_ in parts],
            parts[0][2],
            parts[0][3],
        )
        first = parts[0][1]
        first.resolve()
        first.setup()
        self.data = [first, *(first.reseeded(data.seed) for _, data, *_ in parts[1:])]
        for model, data in zip(self.models, self.data, strict=True):
            model.dataset_size = data.train_size

    def step_alone(self) -> float:
        """Seconds of a step by the ordinary path, Lightning's share included."""
        clock = _Clock()
        logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
        with warnings.catch_warnings():
            for message in IGNORED_WARNINGS:
                warnings.filterwarnings("ignore", message=message)
            trainer: Trainer = create(
                self.configs[0].trainer,
                max_steps=WARM_UP + TRIALS + 1,
                max_epochs=1,
                callbacks=[clock],
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
            )
            trainer.fit(self.models[0], datamodule=self.data[0].reseeded(self.data[0].seed))
        return statistics.median(clock.intervals[WARM_UP:])

    def step_together(self, backend: str, members: int) -> float:
        """Seconds of a step of `members` runs by a backend.

        Raises:
            ArgumentError: the backend cannot take the model.
        """
        device = torch.device(
            "cuda"
            if torch.cuda.is_available() and self.configs[0].trainer.accelerator != "cpu"
            else "cpu"
        )
        models = [model.to(device) for model in self.models[:members]]
        population = Population(
            models, [model.configure_optimizers() for model in models], losses(backend, models[0])
        )
        feed = Feed(models, self.data[:members])
        step = Captured(population, feed(0)) if device.type == "cuda" else population.step
        return seconds_of(
            lambda i: step(feed(i)),
            torch.cuda.synchronize if device.type == "cuda" else lambda: None,
        )

    def seconds_besides(self) -> float:
        """Seconds that a run spends on evaluations and figures."""
        steps, started = self.configs[0].trainer.max_steps, time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            report(
                self.models[0],
                self.data[0],
                self.protocol,
                self.metrics,
                [],
                0,
                Path(folder),
                final=True,
            )
        return (time.perf_counter() - started) * (1 + (steps - 1) // self.protocol.every)


class _Clock(Callback):
    def __init__(self) -> None:
        self.intervals: list[float] = []
        self._last = 0.0

    def on_train_batch_end(self, *_: Any) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        now = time.perf_counter()
        self.intervals.append(now - self._last)
        self._last = now


def best_plan(
    configs: Sequence[DictConfig],
    most: int,
    processes: int,
    startup: float,
    backends: Sequence[str] = tuple(BACKENDS),
) -> Plan:
    """The plan that is projected to train the runs first; prints what was measured.

    Args:
        configs: of compatible runs.
        most: members of a pack, at most.
        processes: that may run at a time.
        startup: seconds that a further process takes before it trains.
        backends: to be tried, besides training each run alone.
    """
    started = time.monotonic()
    backends = [name for name in backends if name != "streams" or torch.cuda.is_available()]
    plans = candidates(len(configs), backends, processes, most)
    rehearsal = Rehearsal(configs, max(plan.members for plan in plans))
    threads = torch.get_num_threads()

    def trial(plan: Plan) -> float:
        torch.set_num_threads(max(1, threads // plan.processes))
        return (
            rehearsal.step_alone()
            if plan.backend == ALONE
            else rehearsal.step_together(plan.backend, plan.members)
        )

    try:
        found = try_plans(plans, trial)
    finally:
        torch.set_num_threads(threads)
    work, what = (
        Work(len(configs), configs[0].trainer.max_steps, 0.0, startup),
        ", without evaluation, which cannot change the choice",
    )
    plan = settled(work, found)
    if plan is None:
        work, what = replace(work, seconds_besides=rehearsal.seconds_besides()), ""
        plan = fastest(work, found)
    print(
        f"{len(configs)} compatible runs of {work.steps} steps, projected{what}:\n{table(work, found)}"
    )
    print(f"chosen: {plan} (trials took {time.monotonic() - started:.1f} s)", flush=True)
    return plan


def processes_here() -> int:
    """Processes that may train at a time: one a core; one where there is a GPU or no launcher for
    several (extra `cores`).
    """
    if torch.cuda.is_available() or find_spec("hydra_plugins.hydra_joblib_launcher") is None:
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

"""Trials of a few steps: how fast compatible runs train on this machine, alone and together."""

import copy
import logging
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, Trainer
from omegaconf import DictConfig

from vae_granularity.models.base import LatentModel
from vae_granularity.population.compiled import captured, compiled, warmed_up
from vae_granularity.population.engine import Population
from vae_granularity.population.plan import ALONE, COMPILED, Plan, Speed
from vae_granularity.population.step_inputs import StepInputs
from vae_granularity.runs.build import create
from vae_granularity.training.memory import keep_freed_memory
from vae_granularity.training.prepare import meant_warnings_ignored, prepare

WARM_UP, TRIALS = 2, 5


class Rehearsal:
    """Trials that leave no trace, with one model that stands for all members.

    Args:
        config: of any of the runs.
    """

    def __init__(self, config: DictConfig) -> None:
        keep_freed_memory()
        self.config = config
        self.model, self.data, self.protocol, self.metrics = prepare(config)
        self.data.resolve()
        self.data.setup()
        self.model.dataset_size = self.data.dataset_size
        gpu = torch.cuda.is_available() and config.trainer.accelerator != "cpu"
        self.device = torch.device("cuda" if gpu else "cpu")

    def speed(self, plan: Plan) -> Speed:
        """Of a plan, by a few steps."""
        if plan.how == ALONE:
            return Speed(self.step_alone())
        return self.together(plan.how, plan.together)

    def step_alone(self) -> float:
        """Seconds of a step by the ordinary path, Lightning's share included."""
        clock = _Clock()
        logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
        quiet = ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary")
        how = dict.fromkeys(quiet, False) | {"max_epochs": 1, "callbacks": [clock]}
        with meant_warnings_ignored():
            steps = WARM_UP + TRIALS + 1
            trainer: Trainer = create(self.config.trainer, max_steps=steps, **how)
            trainer.fit(self.model, datamodule=self.data.reseeded(self.data.seed))
        return statistics.median(clock.intervals[WARM_UP:])

    def together(self, how: str, members: int) -> Speed:
        """Of a step of so many members; compiled, ready is what a second process will wait."""
        models = [copy.copy(self.model.to(self.device)) for _ in range(members)]
        for seed, model in enumerate(models):
            model.seed = seed
        population, inputs = self.population(models)
        example, state, ready = inputs(0), population.state, 0.0
        if how == COMPILED:
            cache, plain = Path(self.config.paths.cache_dir), population.advance
            for _ in range(2):  # the second reads what the first has written, as the runs will
                torch.compiler.reset()
                started = time.perf_counter()
                population.advance = compiled(plain, state, example, cache)
                warmed_up(population.advance, state, example)
                ready = time.perf_counter() - started
        if self.device.type == "cuda":
            population.advance = captured(population.advance, state, example)
        return Speed(seconds_of(lambda i: population.step(inputs(i)), self.device), ready)

    def population(self, models: Sequence[LatentModel]) -> tuple[Population, StepInputs]:
        """Models that are computed together, and what each step of theirs is given."""
        clip = self.config.trainer.gradient_clip_val
        population = Population(models, [m.configure_optimizers() for m in models], clip)
        return population, StepInputs(models, [self.data.reseeded(m.seed) for m in models])


class _Clock(Callback):
    def __init__(self) -> None:
        self.intervals: list[float] = []
        self._last = 0.0

    def on_train_batch_end(self, *arguments: Any, **options: Any) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        now = time.perf_counter()
        self.intervals.append(now - self._last)
        self._last = now


def seconds_of(step: Callable[[int], object], device: torch.device) -> float:
    """Median seconds of a call, after a warm-up."""
    times = []
    for i in range(WARM_UP + TRIALS):
        start = time.perf_counter()
        step(i)
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return statistics.median(times[WARM_UP:])

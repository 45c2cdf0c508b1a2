"""The fastest way to train compatible runs on this machine, found by short trials."""

import copy
import logging
import random
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, Trainer
from lightning.pytorch.loggers import Logger
from omegaconf import DictConfig
from torch import nn

from vae_granularity.evaluation.evaluate import report
from vae_granularity.evaluation.protocol import EvaluationProtocol
from vae_granularity.models.base import LatentModel
from vae_granularity.partition import LatentPartition
from vae_granularity.population import plan as plans
from vae_granularity.population.compiled import captured, compiled, no_compiler, warmed_up
from vae_granularity.population.engine import Population
from vae_granularity.population.plan import ALONE, COMPILED, EAGER, Plan, Speed, Work
from vae_granularity.population.step_inputs import StepInputs
from vae_granularity.runs.build import create
from vae_granularity.sweeps.processes import cores
from vae_granularity.training.loggers.csv import MetricsCSV
from vae_granularity.training.memory import keep_freed_memory
from vae_granularity.training.prepare import meant_warnings_ignored, prepare

WARM_UP, TRIALS = 2, 5
# Sweeps that train longer pay for compiling, about 30 s, and for measuring what evaluation takes.
MINUTE = 60.0
WORTH = 0.1  # of the seconds that training takes: what measuring evaluation may take
PRACTICE = 500  # steps after which about as many dimensions are in use as at the end
SAMPLED = 16  # runs whose groups stand for those of all
ONE_RUN = 20_000  # steps of one run that pay for its own compilation
CACHES = Path("/sys/devices/system/cpu/cpu0/cache")


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
        population, inputs = self._population(models)
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

    def seconds_besides(self, configs: Sequence[DictConfig], budget: float) -> float:
        """Seconds that one of the runs spends on average on evaluations and figures.

        Both depend on the groups of dimensions and on how many dimensions are in use: a model that
        was trained a little is measured for each partition, the most frequent ones first, until
        `budget` seconds are spent.
        """
        some = random.Random(0).sample(configs, min(SAMPLED, len(configs)))
        models = [prepare(config)[0] for config in some]
        counts = Counter(model.partition for model in models)
        ordered = [partition for partition, _ in counts.most_common()]
        first = [next(m for m in models if m.partition == partition) for partition in ordered]
        end = time.perf_counter() + budget
        self._practise(first, budget / 3)
        seconds: dict[LatentPartition, float] = {}
        with tempfile.TemporaryDirectory() as folder:
            loggers: list[Logger] = [MetricsCSV(Path(folder, "metrics.csv"))]  # curves to draw

            def evaluate(model: LatentModel, protocol: EvaluationProtocol) -> None:
                suite = (protocol, self.metrics, loggers, len(seconds), Path(folder))
                report(model, self.data, *suite, final=True)

            few = dict.fromkeys(("num_images", "num_components", "num_samples"), 64)
            cheap = few | {"num_codes": 256, "null_draws": 0, "figures": False}
            evaluate(first[0], replace(self.protocol, **cheap))  # imports what the others find
            for model in first:
                started = time.perf_counter()
                if seconds and started > end:
                    break
                evaluate(model, self.protocol)
                seconds[model.partition] = time.perf_counter() - started
        each = sum(seconds[p] * counts[p] for p in seconds) / sum(counts[p] for p in seconds)
        return each * (1 + (self.config.trainer.max_steps - 1) // self.protocol.every)

    def _practise(self, models: Sequence[LatentModel], seconds: float) -> None:
        """Train the models for some steps, as long as it takes no longer."""
        for model in models:
            model.dataset_size = self.data.dataset_size
        population, inputs = self._population([model.to(self.device) for model in models])
        end = time.perf_counter() + seconds
        for step in range(PRACTICE):
            if time.perf_counter() > end:
                break
            population.step(inputs(step))
        for k, model in enumerate(models):
            population.write_back(k)
            model.cpu()

    def _population(self, models: Sequence[LatentModel]) -> tuple[Population, StepInputs]:
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


def best_plan(configs: Sequence[DictConfig], most: int, processes: int, startup: float) -> Plan:
    """The plan that is projected to train the runs first; prints what was measured.

    Args:
        configs: of compatible runs.
        most: members that are computed together, at most.
        processes: that may run at a time.
        startup: seconds that a further process takes before it trains.
    """
    started, threads = time.monotonic(), torch.get_num_threads()
    rehearsal = Rehearsal(configs[0])
    together = min(most, together_here(rehearsal.model, rehearsal.device, processes))
    work = Work(len(configs), configs[0].trainer.max_steps, 0.0, startup)

    def trial(plan: Plan) -> Speed:
        torch.set_num_threads(max(1, threads // plan.processes))
        return rehearsal.speed(plan)

    def trials(*ways: str) -> dict[Plan, Speed | str]:
        worth = plans.candidates(len(configs), ways, processes, together)
        return plans.try_plans([plan for plan in worth if plan not in found], trial)

    found: dict[Plan, Speed | str] = {}
    try:
        found |= trials(EAGER)
        short = plans.projected(work, found) <= MINUTE
        why = "shorter than compiling is worth" if short else not_compiled(rehearsal.model)
        if why is None or (rehearsal.device.type == "cuda" and no_compiler() is None):
            found |= trials(COMPILED)
        else:
            print(f"not compiled: {why}")
    finally:
        torch.set_num_threads(threads)
    what = ", without evaluation, which cannot change the choice"
    if plans.settled(work, found) is None or plans.projected(work, found) > MINUTE:
        budget = WORTH * plans.projected(work, found)
        work, what = replace(work, seconds_besides=rehearsal.seconds_besides(configs, budget)), ""
    plan = plans.fastest(work, found)
    took = time.monotonic() - started
    print(f"{work.points} compatible runs of {work.steps} steps, projected{what}:")
    print(f"{plans.table(work, found)}\nchosen: {plan} (trials took {took:.1f} s)", flush=True)
    return plan


def not_compiled(model: nn.Module) -> str | None:
    """Why compiling a model's step cannot pay on a CPU, in a sentence; None if it may."""
    convolutions = (nn.Conv2d, nn.ConvTranspose2d)
    if any(isinstance(part, convolutions) for part in model.modules()):
        return "convolutions are as fast uncompiled on a CPU"
    return no_compiler()


def why_alone(config: DictConfig, model: nn.Module) -> str | None:
    """Why `compile=auto` leaves a single run to Lightning's loop; None if it compiles it."""
    if torch.cuda.is_available() and config.trainer.accelerator != "cpu":
        return "on a GPU compile=step or graph is the choice to make"
    if config.trainer.max_steps < ONE_RUN:
        return f"fewer than {ONE_RUN} steps do not pay for compiling"
    return not_compiled(model)


def together_here(model: nn.Module, device: torch.device, processes: int) -> int:
    """Members that are computed together on this machine: all on a GPU, what fits a CPU's cache."""
    if device.type == "cuda":
        return 512
    return plans.fitting(sum(p.numel() for p in model.parameters()), cache_bytes() // processes)


def cache_bytes(folder: Path = CACHES) -> int:
    """Size of the largest cache of the first core; 16 MiB where the system does not say."""
    sizes = [path.read_text().strip() for path in folder.glob("index*/size")]
    return max((int(s[:-1]) * 1024 for s in sizes if s.endswith("K")), default=2**24)


def processes_here() -> int:
    """How many processes train at a time: one a core; one on a GPU."""
    if torch.cuda.is_available():
        return 1
    return cores()

"""What evaluating a run takes, measured on models that were trained a little."""

import random
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lightning.pytorch.loggers import Logger
from omegaconf import DictConfig

from vae_granularity.evaluation.evaluate import report
from vae_granularity.evaluation.protocol import EvaluationProtocol
from vae_granularity.models.base import LatentModel
from vae_granularity.partition import LatentPartition
from vae_granularity.population.rehearsal import Rehearsal
from vae_granularity.training.loggers.csv import MetricsCSV
from vae_granularity.training.prepare import prepare

PRACTICE = 500  # steps after which about as many dimensions are in use as at the end
SAMPLED = 16  # runs whose groups stand for those of all


def seconds_besides(rehearsal: Rehearsal, configs: Sequence[DictConfig], budget: float) -> float:
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
    _practise(rehearsal, first, budget / 3)
    seconds: dict[LatentPartition, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        loggers: list[Logger] = [MetricsCSV(Path(folder, "metrics.csv"))]  # curves to draw

        def evaluate(model: LatentModel, protocol: EvaluationProtocol) -> None:
            suite = (protocol, rehearsal.metrics, loggers, len(seconds), Path(folder))
            report(model, rehearsal.data, *suite, final=True)

        few = dict.fromkeys(("num_images", "num_components", "num_samples"), 64)
        cheap = few | {"num_codes": 256, "null_draws": 0, "figures": False}
        evaluate(first[0], replace(rehearsal.protocol, **cheap))  # imports what the others find
        for model in first:
            started = time.perf_counter()
            if seconds and started > end:
                break
            evaluate(model, rehearsal.protocol)
            seconds[model.partition] = time.perf_counter() - started
    each = sum(seconds[p] * counts[p] for p in seconds) / sum(counts[p] for p in seconds)
    return each * (1 + (rehearsal.config.trainer.max_steps - 1) // rehearsal.protocol.every)


def _practise(rehearsal: Rehearsal, models: Sequence[LatentModel], seconds: float) -> None:
    """Train the models for some steps, as long as it takes no longer."""
    for model in models:
        model.dataset_size = rehearsal.data.dataset_size
    population, inputs = rehearsal.population([model.to(rehearsal.device) for model in models])
    end = time.perf_counter() + seconds
    for step in range(PRACTICE):
        if time.perf_counter() > end:
            break
        population.step(inputs(step))
    for k, model in enumerate(models):
        population.write_back(k)
        model.cpu()

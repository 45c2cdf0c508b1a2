"""Members of small populations for tests, and the runs that they would be alone."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import torch
from omegaconf import DictConfig
from tiny import tiny_config

from vae_granularity.data.base import ImageDataModule
from vae_granularity.models.base import LatentModel
from vae_granularity.population.engine import Population
from vae_granularity.population.step_inputs import StepInputs
from vae_granularity.runs.build import build

STEPS = 50
LINEAR = "{schedule:linear,start:0,end:6,steps:30}"
WARM = "{schedule:cosine,start:1e-4,end:3e-3,steps:30}"
COARSE_TO_FINE = "{schedule:piecewise,levels:[6,3,1],at:[15,35]}"
# Mixed β, γ, partitions, schedules, seeds and learning rates.
MEMBERS = (
    ("seed=0", "model.beta=1", "model.granularity=1"),
    ("seed=0", "model.beta=8", "model.granularity=2", "optimizer.lr=3e-3"),
    ("seed=1", "model.beta=4", "model.granularity=6", "model.within_group_weight=0"),
    ("seed=2", "model.beta=2", "model.partition=[1,1,4]", f"optimizer.lr={WARM}"),
    ("seed=3", f"model.beta={LINEAR}", "model.granularity=3"),
    ("seed=1", "model.beta=4", f"model.granularity={COARSE_TO_FINE}", "optimizer.lr=2e-4"),
    ("seed=4", "model.beta=3", f"model.within_group_weight={LINEAR}", "model.granularity=4"),
    ("seed=2", f"model.beta={LINEAR}", f"model.granularity={COARSE_TO_FINE}"),
)


@cache
def config(*overrides: str) -> DictConfig:
    return tiny_config(Path("unused"), *overrides)


def member(overrides: Sequence[str]) -> tuple[LatentModel, ImageDataModule]:
    """A model in its starting state, and its data."""
    model, data = build(config(*overrides))
    data.setup()
    model.dataset_size = data.train_size
    return model.double(), data


def alone(overrides: Sequence[str], steps: int = STEPS, clip: float | None = None) -> LatentModel:
    """The member trained by its own training step and torch's optimiser."""
    model, data = member(overrides)
    optimizer = model.configure_optimizers()
    for step in range(steps):
        batch = data.images(data.batch_indices(step)).double()
        adopt(model, step)
        model.set_learning_rate(optimizer, step)
        optimizer.zero_grad()
        model.train_batch(batch, step)["loss"].backward()
        if clip is not None:
            torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
    return model


def adopt(model: LatentModel, step: int) -> None:
    """What Lightning calls before each step: it changes the partition where that is scheduled."""
    model.prepare_step(step)


def together(
    members: Sequence[Sequence[str]], clip: float | None = None
) -> tuple[Population, StepInputs]:
    models, data = zip(*(member(overrides) for overrides in members), strict=True)
    optimizers = [model.configure_optimizers() for model in models]
    return Population(models, optimizers, clip), StepInputs(models, data)


def advance(population: Population, feed: StepInputs, steps: range) -> None:
    for step in steps:
        for model in population.models:
            adopt(model, step)
        population.step(feed(step))
    for k in range(len(population.models)):
        population.write_back(k)

"""A member of a population is the run that it would have been alone: same initialisation, noise,
batches, weights after 50 steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig
from operators import OperatorCount
from tiny import options, tiny_config

from vae_granularity.data.base import ImageDataModule
from vae_granularity.errors import ArgumentError
from vae_granularity.models.base import LatentModel
from vae_granularity.population.backends import losses
from vae_granularity.population.engine import Population
from vae_granularity.population.step_inputs import Feed
from vae_granularity.runs.build import build

STEPS = 50
LINEAR = "{schedule:linear,start:0,end:6,steps:30}"
COARSE_TO_FINE = "{schedule:piecewise,levels:[6,3,1],at:[15,35]}"
# Mixed β, γ, partitions, schedules, seeds and learning rates.
MEMBERS = (
    ("seed=0", "model.beta=1", "model.granularity=1"),
    ("seed=0", "model.beta=8", "model.granularity=2", "optimizer.lr=3e-3"),
    ("seed=1", "model.beta=4", "model.granularity=6", "model.within_group_weight=0"),
    ("seed=2", "model.beta=2", "model.partition=[1,1,4]"),
    ("seed=3", f"model.beta={LINEAR}", "model.granularity=3"),
    ("seed=1", "model.beta=4", f"model.granularity={COARSE_TO_FINE}", "optimizer.lr=2e-4"),
    ("seed=4", "model.beta=3", f"model.within_group_weight={LINEAR}", "model.granularity=4"),
    ("seed=2", f"model.beta={LINEAR}", f"model.granularity={COARSE_TO_FINE}"),
)
# Dials of the other models that vary over the members of a small population.
DIALS = {
    "annealedvae": "model.capacity_weight",
    "betatcvae": "model.beta",
    "betavae": "model.beta",
    "dipvae_i": "model.lambda_od",
    "dipvae_ii": "model.lambda_d",
    "infovae": "model.mmd_weight",
    "lambdabetavae": "model.reconstruction_weight",
    "pdisvae": "model.beta",
    "qlae": "model.quantisation_weight",
    "stcvae": "model.within_group_weight",
    "vae": "model.granularity",
}


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
        optimizer.zero_grad()
        model.training_step(batch, step)["loss"].backward()
        if clip is not None:
            torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
    return model


def adopt(model: LatentModel, step: int) -> None:
    """What Lightning calls before each step: it changes the partition where that is scheduled."""
    model.on_train_batch_start(torch.empty(0), step)


def together(
    members: Sequence[Sequence[str]], clip: float | None = None, backend: str = "vectorised"
) -> tuple[Population, Feed]:
    models, data = zip(*(member(overrides) for overrides in members), strict=True)
    optimizers = [model.configure_optimizers() for model in models]
    return Population(models, optimizers, losses(backend, models[0]), clip), Feed(models, data)


def advance(population: Population, feed: Feed, steps: range) -> None:
    for step in steps:
        for model in population.models:
            adopt(model, step)
        population.step(feed(step))
    for k in range(len(population.models)):
        population.write_back(k)


def assert_equal_weights(
    found: LatentModel, expected: LatentModel, tolerance: float = 1e-10
) -> None:
    for (name, a), (_, b) in zip(
        found.state_dict().items(), expected.state_dict().items(), strict=True
    ):
        torch.testing.assert_close(
            a, b, rtol=0, atol=tolerance, msg=lambda text, name=name: f"{name}: {text}"
        )


@pytest.mark.parametrize("backend", ["vectorised", "grouped"])
def test_eight_mixed_members_equal_their_solo_runs(backend):
    """Float64, 50 steps, to 1e-10."""
    population, feed = together(MEMBERS, backend=backend)
    advance(population, feed, range(STEPS))
    for model, overrides in zip(population.models, MEMBERS, strict=True):
        assert_equal_weights(model, alone(overrides))


@pytest.mark.parametrize("model", DIALS)
def test_every_packable_model_equals_its_solo_run(model):
    members = [
        (f"model={model}", f"seed={seed}", f"{DIALS[model]}={value}")
        for seed, value in ((0, 1), (1, 2))
    ]
    population, feed = together(members)
    advance(population, feed, range(10))
    for found, overrides in zip(population.models, members, strict=True):
        assert_equal_weights(found, alone(overrides, steps=10))


def test_every_model_is_either_packable_or_says_that_it_is_stateful():
    stateful = {name for name in options("model") if build(config(f"model={name}"))[0].stateful}
    assert stateful.isdisjoint(DIALS)
    assert stateful | set(DIALS) == set(options("model"))


# The biases before a batch norm have gradient 0: Adam turns its rounding errors into steps.
@pytest.mark.parametrize(
    "net, backend, tolerance",
    [
        ("conv64", "vectorised", 1e-10),
        ("conv64", "grouped", 1e-10),
        ("burgess", "grouped", 1e-10),
        ("conv_bn", "vectorised", 1e-8),
        ("residual", "vectorised", 1e-10),
    ],
)
def test_networks_of_images_equal_their_solo_run(net, backend, tolerance):
    shape = (
        "dataset.image_size=16",
        "dataset.num_samples=200",
        "dataset.batch_size=8",
        f"net={net}",
        "likelihood=bernoulli",
    )
    members = [
        (*shape, "net.width=0.1", f"seed={seed}", f"model.beta={beta}")
        for seed, beta in ((0, 1), (1, 6))
    ]
    population, feed = together(members, backend=backend)
    advance(population, feed, range(4))
    for found, overrides in zip(population.models, members, strict=True):
        assert_equal_weights(found, alone(overrides, steps=4), tolerance)


@pytest.mark.parametrize("likelihood", options("likelihood"))
def test_every_likelihood_equals_its_solo_run(likelihood):
    members = [
        ("dataset.image_size=4", f"likelihood={likelihood}", f"seed={seed}", f"model.beta={beta}")
        for seed, beta in ((0, 1), (1, 6))
    ]
    population, feed = together(members)
    advance(population, feed, range(10))
    for found, overrides in zip(population.models, members, strict=True):
        assert_equal_weights(found, alone(overrides, steps=10))


@pytest.mark.parametrize(
    "optimizer", ["optimizer=adam_fast", "optimizer=adamw", "+optimizer.weight_decay=0.1"]
)
@pytest.mark.parametrize("clip", [None, 1.0])
@pytest.mark.parametrize("model", ["stcvae", "qlae"])
def test_optimisers_and_clipping_equal_torchs_for_each_member(model, optimizer, clip):
    members = [
        (f"model={model}", optimizer, f"seed={seed}", f"optimizer.lr={lr}")
        for seed, lr in ((0, 1e-3), (1, 1e-2))
    ]
    population, feed = together(members, clip)
    advance(population, feed, range(STEPS))
    for found, overrides in zip(population.models, members, strict=True):
        assert_equal_weights(found, alone(overrides, clip=clip))


def test_a_poisoned_member_is_frozen_and_the_others_do_not_notice():
    """The others stay bitwise what they are without the poison; the poisoned member keeps its last
    finite weights.
    """
    clean, poisoned = ((together(MEMBERS)) for _ in range(2))
    for population, feed, poison in ((*clean, False), (*poisoned, True)):
        for step in range(STEPS):
            for model in population.models:
                adopt(model, step)
            inputs = feed(step)
            if poison and step == 20:
                last = population.weights.detach()[3].clone()
                x = inputs.x.clone()
                x[3, 0] = float("nan")
                inputs = inputs._replace(x=x)
            population.step(inputs)
    healthy = [k for k in range(len(MEMBERS)) if k != 3]
    assert torch.equal(poisoned[0].weights[healthy], clean[0].weights[healthy])
    assert torch.equal(poisoned[0].weights[3], last)
    assert poisoned[0].alive.flatten().tolist() == [k in healthy for k in range(len(MEMBERS))]
    assert poisoned[0].steps_alive.flatten().tolist() == [
        50 if k in healthy else 20 for k in range(len(MEMBERS))
    ]


def test_a_population_taken_apart_and_put_together_again_goes_on_the_same():
    """What `write_back` leaves in models and optimisers is the whole state."""
    whole, feed = together(MEMBERS)
    advance(whole, feed, range(STEPS))
    first, feed = together(MEMBERS)
    advance(first, feed, range(23))
    second = Population(first.models, first.optimizers, losses("vectorised", first.models[0]))
    advance(second, feed, range(23, STEPS))
    assert torch.equal(second.weights, whole.weights)


@pytest.mark.parametrize(
    "override, cause",
    [
        ("net=conv_bn", "BatchNorm2d"),
        ("net=residual", "Block"),
        ("likelihood=gaussian_learned", "Gaussian"),
        ("model=qlae", "QLAE"),
    ],
)
def test_the_grouped_backend_names_what_it_cannot_take(override, cause):
    images = ("dataset.image_size=16", "likelihood=bernoulli") if override.startswith("net") else ()
    with pytest.raises(ArgumentError, match=cause):
        losses("grouped", member((*images, override))[0])


@pytest.mark.parametrize("backend", ["vectorised", "grouped"])
def test_a_step_launches_at_most_45_operators_a_member_and_never_waits(backend):
    population, feed = together(MEMBERS, backend=backend)
    population.step(feed(0))
    with OperatorCount() as count:
        population.step(feed(1))
    assert count.operators / len(MEMBERS) <= 45
    assert count.synchronisations == 0

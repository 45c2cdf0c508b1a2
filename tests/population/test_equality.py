"""A member of a population is the run that it would have been alone: same initialisation, noise,
batches, weights after 50 steps.
"""

import pytest
import torch
from members import MEMBERS, STEPS, adopt, advance, alone, config, together
from operators import OperatorCount
from tiny import options

from vae_granularity.models.base import LatentModel
from vae_granularity.population.engine import Population
from vae_granularity.runs.build import build

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


def assert_equal_weights(
    found: LatentModel, expected: LatentModel, tolerance: float = 1e-10
) -> None:
    for (name, a), (_, b) in zip(
        found.state_dict().items(), expected.state_dict().items(), strict=True
    ):
        torch.testing.assert_close(
            a, b, rtol=0, atol=tolerance, msg=lambda text, name=name: f"{name}: {text}"
        )


def test_eight_mixed_members_equal_their_solo_runs():
    """Float64, 50 steps, to 1e-10."""
    population, feed = together(MEMBERS)
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
    "net, tolerance",
    [("conv64", 1e-10), ("burgess", 1e-10), ("conv_bn", 1e-8), ("residual", 1e-10)],
)
def test_networks_of_images_equal_their_solo_run(net, tolerance):
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
    population, feed = together(members)
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
    advance(population, feed, range(15))
    for found, overrides in zip(population.models, members, strict=True):
        assert_equal_weights(found, alone(overrides, steps=15, clip=clip))


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
                last = population.state.weights.detach()[3].clone()
                x = inputs.x.clone()
                x[3, 0] = float("nan")
                inputs = inputs._replace(x=x)
            population.step(inputs)
    healthy = [k for k in range(len(MEMBERS)) if k != 3]
    assert torch.equal(poisoned[0].state.weights[healthy], clean[0].state.weights[healthy])
    assert torch.equal(poisoned[0].state.weights[3], last)
    assert poisoned[0].state.alive.flatten().tolist() == [k in healthy for k in range(len(MEMBERS))]
    assert poisoned[0].state.steps_alive.flatten().tolist() == [
        50 if k in healthy else 20 for k in range(len(MEMBERS))
    ]


def test_a_population_taken_apart_and_put_together_again_goes_on_the_same():
    """What `write_back` leaves in models and optimisers is the whole state."""
    whole, feed = together(MEMBERS)
    advance(whole, feed, range(STEPS))
    first, feed = together(MEMBERS)
    advance(first, feed, range(23))
    second = Population(first.models, first.optimizers)
    advance(second, feed, range(23, STEPS))
    assert torch.equal(second.state.weights, whole.state.weights)


def test_a_step_launches_at_most_45_operators_a_member_and_never_waits():
    population, feed = together(MEMBERS)
    population.step(feed(0))
    with OperatorCount() as count:
        population.step(feed(1))
    assert count.operators / len(MEMBERS) <= 45
    assert count.synchronisations == 0

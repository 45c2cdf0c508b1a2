"""Which points of a sweep train together, and what a plan is projected to take."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from omegaconf import OmegaConf
from tiny import tiny_config

from vae_granularity.errors import ArgumentError
from vae_granularity.population.packing import evenly, pack
from vae_granularity.population.plan import (
    ALONE,
    COMPILED,
    EAGER,
    Found,
    Plan,
    Speed,
    Work,
    candidates,
    fastest,
    fitting,
    projected,
    settled,
    table,
    try_plans,
)
from vae_granularity.runs.build import build


@cache
def point(*overrides: str):
    config = tiny_config(Path("unused"), *overrides)
    return OmegaConf.to_container(config, resolve=True), build(config)[0]


def test_points_that_differ_in_dials_partition_seed_and_learning_rate_train_together():
    points = [
        point("model.beta=1"),
        point("model.beta={schedule:linear,start:0,end:4,steps:10}", "model.granularity=3"),
        point("model.within_group_weight=0", "model.partition=[1,5]"),
        point("seed=7", "optimizer.lr=0.01", "model.partition=adaptive"),
    ]
    assert pack(points).groups == [[0, 1, 2, 3]]


@pytest.mark.parametrize(
    "override",
    [
        "net.width=0.2",
        "net.depth=2",
        "model.latent_dim=5",
        "dataset.batch_size=32",
        "dataset.noise=0.1",
        "likelihood=gaussian_optimal",
        "model=betatcvae",
        "model.estimator=stratified",
        "trainer.max_steps=7",
        "optimizer=adamw",
        "trainer.gradient_clip_val=1.0",
        "evaluation.seed=1",
        "callbacks.terms.every=3",
    ],
)
def test_points_that_differ_in_anything_else_do_not(override):
    packing = pack([point(), point("seed=1"), point(override)])
    assert packing.groups == [[0, 1]]
    assert packing.alone == {2: "no other point has its shapes and settings"}


def test_a_capacity_sweep_makes_one_group_per_width():
    points = [
        point(f"net.width={width}", f"model.granularity={g}")
        for width in (0.1, 0.2)
        for g in (1, 2, 3)
    ]
    assert pack(points).groups == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize(
    "overrides, reason",
    [
        (("model=factorvae",), "FactorVAE keeps a state of its own"),
        (("model=controlvae",), "ControlVAE keeps a state of its own"),
        (("trainer.precision=bf16-mixed",), "trainer.precision is bf16-mixed"),
        (("trainer.devices=2",), "trainer.devices is 2"),
        (("+trainer.accumulate_grad_batches=2",), "trainer.accumulate_grad_batches is set"),
        (("+optimizer.amsgrad=true",), "not plain Adam or AdamW"),
        (
            ("optimizer._target_=torch.optim.RMSprop", "~optimizer.fused"),
            "optimizer is torch.optim.RMSprop",
        ),
        (
            ("+callbacks.mine._target_=lightning.pytorch.callbacks.EarlyStopping",),
            "callbacks.mine may act at every step",
        ),
    ],
)
def test_what_no_population_can_take_is_named(overrides, reason):
    assert reason in pack([point(*overrides), point(*overrides)]).alone[0]


def test_parts_are_even():
    assert evenly(range(10), 4) == [[0, 1, 2], [3, 4, 5], [6, 7, 8, 9]]
    assert evenly(range(3), 64) == [[0, 1, 2]]


def test_the_plan_that_is_projected_to_end_first_is_chosen():
    """16 together take 100 · 0.1 s; two processes of 8 a turn less, and 3 s to begin."""
    work = Work(points=16, steps=100, seconds_besides=0.0, startup=3.0)
    times: Found = {
        Plan(ALONE, 1, 1): Speed(0.02),
        Plan(ALONE, 1, 2): Speed(0.02),
        Plan(EAGER, 16, 1): Speed(0.1),
        Plan(EAGER, 8, 2): Speed(0.08),
        Plan(COMPILED, 8, 2): Speed(0.02, ready=20.0),
        Plan(COMPILED, 16, 1): "no compiler",
    }
    timed = [(plan, speed) for plan, speed in times.items() if isinstance(speed, Speed)]
    seconds = [work.seconds(plan, speed) for plan, speed in timed]
    assert seconds == pytest.approx([32.0, 19.0, 10.0, 11.0, 25.0])
    assert fastest(work, times) == Plan(EAGER, 16, 1)
    assert projected(work, times) == 10.0
    long = replace(work, steps=1000)
    assert fastest(long, times) == Plan(COMPILED, 8, 2)
    assert table(work, times).splitlines()[0].endswith("16 members together (eager) in 1 process")
    assert "no compiler" in table(work, times).splitlines()[-1]


def test_members_that_are_not_computed_together_take_turns():
    work = Work(points=16, steps=100, seconds_besides=0.0, startup=0.0)
    assert work.seconds(Plan(EAGER, 8, 1), Speed(0.01)) == pytest.approx(2.0)


def test_what_a_run_does_besides_training_counts():
    work = Work(4, 0, 1.0, 0.0)
    assert work.seconds(Plan(EAGER, 4, 1), Speed(0.0)) == 4.0
    assert work.seconds(Plan(EAGER, 2, 2), Speed(0.0)) == 2.0


def test_the_plan_is_settled_where_no_length_of_evaluation_could_change_it():
    """Two processes evaluate half as many runs each: only a plan of one can be overtaken."""
    one, two = Plan(EAGER, 16, 1), Plan(EAGER, 8, 2)
    work = Work(points=16, steps=100, seconds_besides=0.0, startup=3.0)
    assert settled(work, {one: Speed(0.2), two: Speed(0.1), Plan(COMPILED, 8, 2): "none"}) == two
    times: Found = {one: Speed(0.1), two: Speed(0.08)}
    assert fastest(work, times) == one
    assert settled(work, times) is None
    assert fastest(replace(work, seconds_besides=1.0), times) == two


def test_candidates_use_one_process_or_all():
    assert candidates(16, [EAGER], 2, 8) == [
        Plan(ALONE, 1, 1),
        Plan(EAGER, 8, 1),
        Plan(ALONE, 1, 2),
        Plan(EAGER, 8, 2),
    ]


def test_as_many_members_together_as_fit_the_cache():
    sizes = [fitting(parameters, 2**25) for parameters in (10_000, 300_000, 1_000_000, 10**8)]
    assert sizes == [8, 6, 2, 2]


def test_a_plan_that_is_not_possible_is_listed_with_its_reason():
    def trial(plan: Plan) -> Speed:
        if plan.how == EAGER:
            raise ArgumentError("no such layer")
        return Speed(0.01)

    found = try_plans(candidates(4, [EAGER], 1, 64), trial)
    assert "no such layer" in table(Work(4, 10, 0.0, 0.0), found)
    assert fastest(Work(4, 10, 0.0, 0.0), found) == Plan(ALONE, 1, 1)

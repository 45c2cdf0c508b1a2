"""Points of a sweep that train together, and the plan by which they do."""

from functools import cache
from pathlib import Path

import pytest
from omegaconf import OmegaConf
from tiny import tiny_config
from torch import nn

from vae_granularity.population import plan
from vae_granularity.population.packing import evenly, pack
from vae_granularity.population.plan import ALONE, COMPILED, EAGER, choose_plan, members_in_cache
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


LINEAR = nn.Linear(64, 64)
CONVOLUTION = nn.Conv2d(3, 32, 4)


@pytest.fixture
def compiler(monkeypatch):
    """A machine with a compiler and a cache of 32 MiB, whatever this one has."""
    monkeypatch.setattr(plan, "no_compiler", lambda: None)
    monkeypatch.setattr(plan, "cache_bytes", lambda: 2**25)


def chosen(model, num_runs, max_steps, *, cores=2, on_gpu=False, max_together=512):
    choice = choose_plan(
        model, num_runs, max_steps, max_together=max_together, max_processes=cores, on_gpu=on_gpu
    )
    return choice.how, choice.together, choice.processes


@pytest.mark.usefixtures("compiler")
@pytest.mark.parametrize(
    "model, num_runs, max_steps, expected",
    [
        (LINEAR, 64, 10_000, (COMPILED, 8, 2)),
        (LINEAR, 64, 500, (EAGER, 8, 2)),
        (LINEAR, 6, 10_000, (COMPILED, 3, 2)),
        (LINEAR, 3, 12, (EAGER, 3, 1)),  # a further process would import longer than it trains
        (LINEAR, 2, 10_000, (ALONE, 1, 2)),  # one run a process, too short to be compiled
        (LINEAR, 2, 20_000, (COMPILED, 1, 2)),
        (CONVOLUTION, 64, 10_000, (ALONE, 1, 2)),
    ],
)
def test_the_plan_follows_from_network_runs_and_steps(model, num_runs, max_steps, expected):
    assert chosen(model, num_runs, max_steps) == expected


@pytest.mark.usefixtures("compiler")
def test_on_a_gpu_all_runs_train_together_in_one_process():
    assert chosen(CONVOLUTION, 64, 500, on_gpu=True) == (COMPILED, 64, 1)
    assert chosen(LINEAR, 2000, 500, on_gpu=True) == (COMPILED, 512, 1)


@pytest.mark.usefixtures("compiler")
def test_a_smaller_limit_of_members_or_processes_is_kept():
    assert chosen(LINEAR, 64, 10_000, max_together=4) == (COMPILED, 4, 2)
    assert chosen(LINEAR, 64, 10_000, cores=1) == (COMPILED, 8, 1)


@pytest.mark.usefixtures("compiler")
def test_without_a_compiler_the_plan_says_so(monkeypatch):
    monkeypatch.setattr(plan, "no_compiler", lambda: "there is no C++ compiler here")
    choice = choose_plan(LINEAR, 64, 10_000, max_together=512, max_processes=1, on_gpu=False)
    assert str(choice) == (
        "8 members together, eager, in 1 process (there is no C++ compiler here)"
    )


def test_as_many_members_together_as_fit_the_cache():
    parameters = (10_000, 300_000, 1_000_000, 10**8)
    assert [members_in_cache(count, 2**25) for count in parameters] == [8, 6, 2, 2]

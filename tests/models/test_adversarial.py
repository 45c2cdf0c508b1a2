"""Hyperparameters nobody should choose: the run stays finite or stops with a clear message, and is
never silently NaN.
"""

from __future__ import annotations

import math
from itertools import product

import pytest
from tiny import options, results, tiny_config
from variants import MODELS

from vae_granularity.errors import UserError
from vae_granularity.training.run import train

HARSH = (
    "trainer.max_steps=30",
    "callbacks.terms.every=5",
    "evaluation.every=15",
    "callbacks.checkpoint.every_n_train_steps=10",
)
WEIGHTS = {
    "betavae": "beta",
    "betatcvae": "beta",
    "stcvae": "beta",
    "pdisvae": "beta",
    "lambdabetavae": "beta",
    "annealedvae": "capacity_weight",
    "factorvae": "tc_weight",
    "dipvae_i": "lambda_od",
    "dipvae_ii": "lambda_od",
    "infovae": "mmd_weight",
    "controlvae": "beta_max",
    "qlae": "quantisation_weight",
}
CASES = {
    "learning rate 1": ("optimizer.lr=1",),
    "one group": ("model.granularity=6",),
    "one latent dimension": ("model.latent_dim=1", "model.granularity=1"),
    "batch of 2": ("dataset.batch_size=2",),
    "last encoded batch of 1": ("evaluation.batch_size=59",),  # 60 held-out images
}


def finite_or_stopped(folder, *overrides: str) -> None:
    try:
        run = train(tiny_config(folder, *HARSH, *overrides))
    except UserError as error:
        message = str(error)
        assert "not finite at step" in message or "must be" in message
        assert not list(folder.rglob("results.json"))
        return
    found = results(run)
    assert found["terms"]["val/reconstruction"] is not None
    assert all(
        value is None or math.isfinite(value)
        for value in (found["terms"] | found["scores"]).values()
    )


# One case of every model, two or more models of every case; the others take a minute.
QUICK = {
    (model, case)
    for i, model in enumerate(options("model"))
    for j, case in enumerate(CASES)
    if i % len(CASES) == j
}
EVERY = [
    pytest.param(*pair, marks=[] if pair in QUICK else [pytest.mark.slow])
    for pair in product(options("model"), CASES)
]


@pytest.mark.parametrize(("model", "case"), EVERY)
def test_extremes_that_every_model_has(tmp_path, model, case):
    finite_or_stopped(tmp_path, *MODELS[model], *CASES[case], "metrics=fast")


@pytest.mark.parametrize("model", WEIGHTS)
def test_an_enormous_weight(tmp_path, model):
    finite_or_stopped(tmp_path, *MODELS[model], f"model.{WEIGHTS[model]}=1e4")


@pytest.mark.parametrize(
    "overrides",
    [("model.beta=4", "model.within_group_weight=-40"), ("model.beta=1e4", "model.granularity=6")],
)
def test_an_enormous_reward_inside_groups(tmp_path, overrides):
    finite_or_stopped(tmp_path, "model=stcvae", *overrides)


@pytest.mark.parametrize("model", ["annealedvae", "controlvae"])
def test_a_capacity_of_zero(tmp_path, model):
    finite_or_stopped(tmp_path, f"model={model}", "model.capacity=0")

"""A handful of images: what they cannot carry is reported as not applicable, and the run ends with
its results.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from tiny import results, tiny_config

from vae_granularity import LatentPartition, metrics
from vae_granularity.data.factors import FactorSpace
from vae_granularity.errors import ArgumentError
from vae_granularity.evaluation.request import already_there
from vae_granularity.metrics.core.suite import Companions
from vae_granularity.training.run import train

PAIRS = LatentPartition.from_granularity(4, 2)
CHOSEN = {
    name: getattr(metrics, name)
    for name in metrics.__all__
    if name.islower() and name not in ("run_suite", "udr", "dci")
}
CHOSEN["dci_fast"] = partial(metrics.dci, regressor="lightgbm", n_jobs=1)
CHOSEN |= {
    name: partial(CHOSEN[name], num_train=20, num_eval=10, batch_size=4)
    for name in ("factor_vae_score", "beta_vae_score")
}


def inputs(rows, test_rows, num_values):
    """What a grid offers, on a few of its points."""
    space = FactorSpace(("a", "b"), (num_values, 1))
    rng = np.random.default_rng(0)
    z, factors = rng.normal(size=(rows + test_rows, 4)), space.sample(rows + test_rows, rng)
    return {
        "latents": z[:rows],
        "mu": z[:rows],
        "z": z[:rows],
        "logvar": np.zeros((rows, 4)),
        "factors": factors[:rows],
        "test": (z[rows:], factors[rows:]),
        "encode": lambda points: points @ np.ones((2, 4)),
        "space": space,
        "images": lambda points: points[:, :, None, None],
        "partitions": {"own": PAIRS},
    }


@pytest.mark.parametrize("num_values", [1, 3])
@pytest.mark.parametrize("rows, test_rows", [(1, 0), (2, 1), (7, 3), (13, 7)])
def test_every_metric_has_scores_or_a_reason(rows, test_rows, num_values):
    found = metrics.run_suite(
        CHOSEN, inputs(rows, test_rows, num_values), PAIRS, companions=Companions(null_draws=2)
    )
    assert set(found.results) | set(found.not_applicable) == set(CHOSEN)
    assert all(reason.startswith("too little data: ") for reason in found.not_applicable.values())
    if rows < 20:
        assert found.not_applicable["unsupervised"].endswith(("rows", "got 1"))
    assert "active_units" in (found.results if rows > 1 else found.not_applicable)
    assert num_values > 1 or {"mig", "factor_vae_score", "factor_complexity"} <= set(
        found.not_applicable
    )


@pytest.mark.parametrize("options", [{"num_bins": 1}, {"num_bins": "many"}])
def test_an_option_that_no_data_could_carry_is_an_error(options):
    with pytest.raises(ArgumentError, match="num_bins must be"):
        metrics.run_suite({"mig": partial(metrics.mig, **options)}, inputs(7, 3, 3))


def test_what_had_too_little_data_is_asked_again():
    asked = {"mig": {"options": {"num_bins": 5}}, "irs": {}}
    before = {
        "not_applicable": {
            "mig": "too little data: num_bins must be …",
            "irs": "needs space: the data set has no grid",
        }
    }
    assert already_there(asked, before) == ["irs"]


def test_a_run_on_a_dozen_points_ends_with_its_results(tmp_path):
    found = results(
        train(
            tiny_config(
                tmp_path,
                "dataset.num_samples=12",
                "dataset.batch_size=4",
                "model.granularity=2",
                "metrics=fast",
            )
        )
    )
    reasons = found["protocol"]["not_applicable"]
    assert (
        reasons["mig"]
        == "too little data: num_bins must be an integer in [2, 8], got 20: there are no more rows"
    )
    assert {"modularity", "unsupervised"} <= set(reasons)
    assert found["scores"]["active_variance"] is not None

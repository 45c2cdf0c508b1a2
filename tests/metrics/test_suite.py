"""A set of metrics on one encoding, chosen by conf/metrics."""

import inspect
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hydra.utils import get_method
from omegaconf import OmegaConf

from vae_granularity import LatentPartition, metrics
from vae_granularity.data.factors import FactorSpace

CONF = Path(__file__).parents[2] / "conf" / "metrics"
SETS = ("fast", "full")
SINGLE = sorted(
    path.stem
    for path in CONF.glob("*.yaml")
    if path.stem not in SETS and not path.stem.startswith("_")
)

SPACE = FactorSpace(("a", "b"), (5, 6))
FACTORS = np.tile(SPACE.factors(np.arange(SPACE.size)), (4, 1))
LATENTS = FACTORS @ np.array(
    [[1.0, 0.2, 0.0, 0.0], [0.0, 0.1, 1.0, 0.0]]
) + 0.1 * np.random.default_rng(0).normal(size=(120, 4))
PARTITION = LatentPartition.from_granularity(4, 2)


def node(name):
    return OmegaConf.load(CONF / f"{name}.yaml")[name]


def function(name):
    options = {key: value for key, value in node(name).items() if not key.startswith("_")}
    return partial(get_method(node(name)._target_), **options)


@pytest.mark.parametrize("name", SINGLE)
def test_options_of_a_metric_are_its_parameters_and_its_defaults(name):
    parameters = inspect.signature(get_method(node(name)._target_)).parameters
    for key, value in node(name).items():
        if not key.startswith("_"):
            assert key in parameters
            assert name == "dci_fast" or parameters[key].default == value


@pytest.mark.parametrize("name", SETS)
def test_sets_name_metrics_that_exist(name):
    chosen = OmegaConf.load(CONF / f"{name}.yaml").defaults
    assert set(chosen) <= set(SINGLE)
    assert name == "fast" or sorted(chosen) == SINGLE


@pytest.mark.parametrize("name", SINGLE)
def test_every_metric_runs_on_what_a_grid_offers(name):
    if name == "dci":
        pytest.skip("the published trees are tested against golden numbers")
    few = {"num_train": 50, "num_eval": 20} if name in ("factor_vae", "beta_vae") else {}
    few |= {"n_jobs": 1} if name == "dci_fast" else {}
    inputs = {
        "latents": LATENTS,
        "factors": FACTORS,
        "test": (LATENTS, FACTORS),
        "z": LATENTS,
        "mu": LATENTS,
        "logvar": np.full_like(LATENTS, -4.0),
        "encode": lambda points: LATENTS[SPACE.index(points)],
        "space": SPACE,
        "images": lambda points: points[:, :, None, None],
        "partitions": {"own": PARTITION},
        "factor_names": SPACE.names,
    }
    found = metrics.run_suite({name: partial(function(name), **few)}, inputs, PARTITION)
    assert set(found.results) == {name}
    assert any(value is not None for value in found.scores.values())


def test_what_a_data_set_lacks_is_reported_and_not_an_error():
    names = ("mig", "sap", "factor_vae", "unsupervised", "active_units", "irs")
    inputs = {"latents": LATENTS, "mu": LATENTS, "logvar": LATENTS, "factors": None}
    found = metrics.run_suite({name: function(name) for name in names}, inputs)
    assert set(found.results) == {"unsupervised", "active_units"}
    assert (
        found.not_applicable["irs"] == "needs factors, which this data set or model does not have"
    )
    assert (
        found.not_applicable["factor_vae"]
        == "needs encode, space, which this data set or model does not have"
    )


def test_metrics_without_a_group_form_are_scored_by_dimension():
    found = metrics.run_suite(
        {"mig": metrics.mig}, {"latents": LATENTS, "factors": FACTORS}, PARTITION
    )
    assert found.scores == metrics.mig(LATENTS, FACTORS).scores


def test_headlines_need_partners_from_other_metrics():
    inputs = {"latents": LATENTS, "factors": FACTORS, "test": (LATENTS, FACTORS)}
    found = metrics.run_suite(
        {"sap": metrics.sap, "modularity_knn": metrics.modularity_knn}, inputs, PARTITION
    )
    assert 0 < found.scores["sap_harmonic_group"] < 1
    assert set(found.protocol) == {"sap", "modularity_knn"}

"""A set of metrics on one encoding, chosen by conf/metrics."""

import inspect
from fnmatch import fnmatch
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest
from hydra.utils import get_method
from omegaconf import OmegaConf

from vae_granularity import LatentPartition, metrics
from vae_granularity.data.factors import FactorSpace
from vae_granularity.errors import ArgumentError
from vae_granularity.metrics.core.result import result_class
from vae_granularity.metrics.core.suite import Companions

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
    few = {"num_train": 200} if name == "fairness" else {}  # trees on 10 000 codes take long
    return partial(get_method(node(name)._target_), **options, **few)


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


INPUTS = {
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
FEW = {
    "factor_vae": {"num_train": 50, "num_eval": 20},
    "beta_vae": {"num_train": 50, "num_eval": 20},
    "dci_fast": {"n_jobs": 1},
    "group_null": {"num_draws": 2},
}


@cache
def given_by(name, partition):
    """One metric of conf/metrics on what a grid offers, with all that stands beside it."""
    companions = Companions({"own": PARTITION}, "all", 2)
    metric = partial(function(name), **FEW.get(name, {}))
    return metrics.run_suite({name: metric}, INPUTS, partition, companions=companions)


FAST_ENOUGH = [name for name in SINGLE if name != "dci"]  # the published trees: golden numbers


@pytest.mark.parametrize("name", FAST_ENOUGH)
def test_every_metric_runs_on_what_a_grid_offers(name):
    found = given_by(name, PARTITION)
    assert set(found.results) == {name}
    assert any(value is not None for value in found.scores.values())


@pytest.mark.parametrize("partition", [None, PARTITION], ids=["dimensions", "groups"])
def test_no_two_metrics_give_one_score(partition):
    """Old: `modularity` gave the scores of `modularity_knn` where there were groups."""
    chosen = [name for name in FAST_ENOUGH if partition or name != "group_null"]
    owners = {}
    for name in chosen:
        for score in given_by(name, partition).results[name].scores:
            owners.setdefault(score, []).append(name)
    assert {score: by for score, by in owners.items() if len(by) > 1} == {}
    declared = {name: result_class(function(name)).score_names for name in SINGLE}
    for score, (owner,) in owners.items():
        fit = {name for name, names in declared.items() if any(fnmatch(score, p) for p in names)}
        assert fit == ({"dci", "dci_fast"} if owner == "dci_fast" else {owner}), score


def test_all_metrics_together_give_every_name_once():
    """The null of a k-NN score is `group_null`'s where that is asked for, on its rows."""
    names = ("group_null", "infomec", "irs", "modularity_knn", "unit_profile")
    chosen = {name: partial(function(name), **FEW.get(name, {})) for name in names}
    companions = Companions({"own": PARTITION}, "all", 2)
    found = metrics.run_suite(chosen, INPUTS, PARTITION, companions=companions)
    listed = [score for entry in found.protocol.values() for score in entry["scores"]]
    assert len(listed) == len(set(listed))
    assert "infom_null_group" in found.results["group_null"].scores
    assert "infom_null_group" in given_by("infomec", PARTITION).scores


def test_one_score_from_two_metrics_is_refused():
    twice = {"mig": metrics.mig, "coarse": partial(metrics.mig, num_bins=5)}
    message = "metrics must give each score once, got mig from mig and coarse"
    with pytest.raises(ArgumentError, match=message):
        metrics.run_suite(twice, INPUTS)


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

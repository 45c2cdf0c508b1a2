"""Discrete, ordered and continuous factors: what each kind of label scores, and what is said where
a score cannot be had.
"""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from vae_granularity import metrics
from vae_granularity.data.files import declaration
from vae_granularity.errors import ArgumentError
from vae_granularity.metrics.core.inputs import (
    FACTOR_KINDS,
    TooLittleData,
    labelled_sample,
    mean_ranks,
    quantile_bins,
)

ROWS, TEST_ROWS = 1_000, 500
MONOTONE = {
    "as it is": lambda y: y,
    "exp": lambda y: np.exp(3 * y),
    "cube": lambda y: 8 * (y - 0.5) ** 3,
    "ranks": lambda y: np.argsort(np.argsort(y, axis=0), axis=0),
}
# What must be high for a perfect code of continuous factors; of these, what noise must not have:
# modularity, InfoM and InfoC do not vanish on noise, whatever the factors are (docs/scores.md).
HIGH = {
    *("mig", "sap", "modularity", "infom", "infoc", "infoe", "gap"),
    *("dci_fast_disentanglement", "dci_fast_completeness", "dci_fast_informativeness"),
}
VANISH = HIGH - {"modularity", "infom", "infoc"}
# A monotone map of the latents leaves the rest as they are, to the last bit: they see ranks.
NEARLY = {
    name: 0.02
    for name in HIGH
    if name.startswith("dci") or name in ("infom", "infoc", "gap", "modularity")
}


def continuous_factors(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((ROWS + TEST_ROWS, 2))


def scores_of(latents: np.ndarray, factors: np.ndarray, **options) -> dict[str, float | None]:
    train = latents[:ROWS], factors[:ROWS]
    test = latents[ROWS:], factors[ROWS:]
    results = [
        metrics.mig(*train, **options),
        metrics.sap(*train, test=test, **options),
        metrics.modularity(*train, **options),
        metrics.infomec(*train, **options),
        metrics.gap(*train, **options),
        metrics.dci(*train, test=test, regressor="lightgbm", n_jobs=1, **options),
    ]
    return {name: value for result in results for name, value in result.scores.items()}


@pytest.fixture(scope="module")
def perfect() -> dict[str, float | None]:
    factors = continuous_factors()
    return scores_of(factors, factors)


def test_a_perfect_code_of_continuous_factors_is_perfect(perfect):
    assert {name for name in HIGH if (perfect[name] or 0) > 0.9} == HIGH


def test_noise_holds_nothing_of_continuous_factors():
    noise = np.random.default_rng(1).standard_normal((ROWS + TEST_ROWS, 4))
    scores = scores_of(noise, continuous_factors())
    assert {name for name in VANISH if abs(scores[name] or 0) < 0.05} == VANISH


@pytest.mark.parametrize("of", ["labels", "latents", "both"])
@pytest.mark.parametrize("monotone", [name for name in MONOTONE if name != "as it is"])
def test_a_monotone_map_changes_nothing(perfect, monotone, of):
    factors = continuous_factors()
    mapped = MONOTONE[monotone](factors)
    latents = factors if of == "labels" else mapped
    scores = scores_of(latents, factors if of == "latents" else mapped)
    for name in HIGH:
        exact = of == "labels" or name not in NEARLY
        assert scores[name] == pytest.approx(perfect[name], abs=1e-9 if exact else NEARLY[name])


def test_sap_of_continuous_factors_is_no_longer_an_accuracy():
    """Old: a linear classifier of ten bins scored 0.1 for the perfect code."""
    factors = continuous_factors()
    bins = np.stack([quantile_bins(mean_ranks(y, y)) for y in factors.T], axis=1)
    train, test = slice(ROWS), slice(ROWS, None)
    old = metrics.sap(factors[train], bins[train], test=(factors[test], bins[test]))
    new = metrics.sap(factors[train], factors[train], test=(factors[test], factors[test]))
    assert old.scores["sap"] < 0.2
    assert new.scores["sap"] > 0.9
    assert new.protocol["regressed_factors"] == [0, 1]


def test_sap_of_continuous_factors_needs_no_test_part():
    factors = continuous_factors()[:ROWS]
    assert metrics.sap(factors, factors).scores["sap"] > 0.9
    with pytest.raises(ArgumentError, match=r"^test must be a pair"):
        metrics.sap(factors, np.column_stack((factors, np.arange(ROWS) % 3)))


def test_the_published_form_of_sap_takes_the_values_themselves():
    rng = np.random.default_rng(0)
    factors = np.exp(3 * rng.random((ROWS, 2)))
    found = metrics.sap(np.log(factors), factors, continuous_factors=True)
    squared = np.corrcoef(np.log(factors[:, 0]), factors[:, 0])[0, 1] ** 2
    assert found.score_matrix[0, 0] == pytest.approx(squared)
    assert squared < 0.9


def test_factors_of_several_kinds_stand_beside_each_other():
    """A continuous and a discrete factor of three values, each with a latent of its own."""
    rng = np.random.default_rng(2)
    angle = rng.random(ROWS + TEST_ROWS)
    shape = rng.integers(0, 3, ROWS + TEST_ROWS)
    latents = np.stack((angle, shape + 0.05 * rng.standard_normal(len(shape))), axis=1)
    scores = scores_of(latents, np.stack((angle, shape), axis=1))
    assert min(scores[name] or 0 for name in HIGH - {"sap"}) > 0.9
    # A line tells two of three values apart from the third at best: 1 - 1/3 of the discrete factor.
    assert scores["sap"] > 0.6


@pytest.mark.parametrize(
    "kind, values, binned",
    [
        ("ordered", 25, False),
        ("continuous", 25, True),
        ("discrete", 25, False),
        ("ordered", 200, True),
        ("continuous", 20, False),
    ],
)
def test_each_kind_is_cut_where_it_says(kind, values, binned):
    labels = np.arange(ROWS) % values
    sample = labelled_sample(np.zeros((ROWS, 1)), labels, factor_kinds=[kind])
    assert sample.continuous.tolist() == [binned]
    assert len(np.unique(sample.factors)) == (10 if binned else values)


@pytest.mark.parametrize("metric", [metrics.mig, metrics.modularity])
def test_many_values_without_an_order_in_few_rows_are_missing_with_the_reason(metric):
    """Old: cut into tenths of the order of their numbers, as if these meant something."""
    rng = np.random.default_rng(3)
    types = rng.integers(0, 183, 2_000)
    latents = rng.standard_normal((2_000, 2))
    with pytest.raises(TooLittleData, match="183 values without an order in 2000 rows"):
        metric(latents, types, factor_kinds="discrete")
    suite = metrics.run_suite(
        {"score": metric}, {"latents": latents, "factors": types, "factor_kinds": ("discrete",)}
    )
    assert suite.not_applicable["score"].startswith("too little data: factor 0 has 183 values")


def test_a_group_score_takes_the_rows_that_many_values_need():
    rng = np.random.default_rng(4)
    types = rng.integers(0, 60, 3_000)
    latents = np.stack((types + 0.01 * rng.standard_normal(3_000), rng.random(3_000)), axis=1)
    found = metrics.gap(latents, types, num_samples=500, factor_kinds="discrete")
    assert found.protocol["num_samples"] == 60 * 20
    assert found.scores["gap"] > 0.9


def test_every_metric_of_labels_takes_their_kinds():
    without = [
        name
        for name in metrics.__all__
        if inspect.isfunction(function := getattr(metrics, name))
        and "factors" in (parameters := inspect.signature(function).parameters)
        and "factor_kinds" not in parameters
    ]
    assert without == []


@pytest.mark.parametrize("kinds", ["nominal", ["ordered", "discrete"], ["ratio"]])
def test_other_kinds_are_refused(kinds):
    with pytest.raises(ArgumentError, match=r"^factor_kinds must"):
        metrics.mig(np.zeros((ROWS, 1)), np.arange(ROWS) % 3, factor_kinds=kinds)


def test_data_sets_and_metrics_speak_of_the_same_kinds():
    assert declaration.FACTOR_KINDS == FACTOR_KINDS

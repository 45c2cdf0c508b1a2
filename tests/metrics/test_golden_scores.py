"""Formulas hold to 1e-10 against the reference implementations, solvers to the spread between
scikit-learn versions.
"""

import numpy as np
import pytest

from vae_granularity import LatentPartition, metrics
from vae_granularity.metrics.core.histogram import discretize

FORMULA = 1e-10


def near(value, expected, tolerance=FORMULA):
    np.testing.assert_allclose(value, expected, rtol=0, atol=tolerance)


def test_mig(case):
    found = metrics.mig(*case.train)
    near(found.mi_matrix, case["mig/mi_matrix"])
    near(found.factor_entropy, case["mig/factor_entropy"])
    near(found.scores["mig"], case["mig/discrete_mig"])


def test_bins(case):
    if "mig/bins" not in case:
        pytest.skip("the golden set has no bins of this kind")
    ours, theirs = discretize(case.train[0]) + 1, case["mig/bins"].T
    constant = np.ptp(case.train[0], axis=0) == 0
    assert (ours[:, ~constant] == theirs[:, ~constant]).all()
    assert (np.ptp(ours[:, constant], axis=0) == 0).all()


def test_sap_of_continuous_factors(case):
    found = metrics.sap(*case.train, test=case.test, continuous_factors=True)
    near(found.score_matrix, case["sap_continuous/score_matrix"])
    near(found.scores["sap"], case["sap_continuous/SAP_score"])


def test_sap_of_discrete_factors(case):
    found = metrics.sap(*case.train, test=case.test)
    near(found.score_matrix, case["sap_discrete/score_matrix"], 1e-3)
    near(found.scores["sap"], case["sap_discrete/SAP_score"], 2e-4)


def test_modularity(live_case):
    near(
        metrics.modularity(*live_case.train).scores["modularity"],
        live_case["modexp/modularity_score"],
    )


def test_explicitness(live_case):
    found = metrics.explicitness(*live_case.train, test=live_case.test)
    near(found.explicitness_per_factor, live_case["modexp/explicitness_per_factor"], 1e-4)
    near(found.scores["explicitness"], live_case["modexp/explicitness_score_test"], 4e-5)


@pytest.mark.parametrize("quantile", [0.99, 1.0])
def test_irs_of_factors_cut_into_the_reference_bins(case, quantile):
    latents, factors = case.train
    found = metrics.irs(latents, discretize(factors.astype(float)), diff_quantile=quantile)
    key = f"irs_q{quantile}"
    near(found.irs_matrix, case[f"{key}/IRS_matrix"])
    near(found.disentanglement_scores, case[f"{key}/disentanglement_scores"])
    near(found.max_deviations, case[f"{key}/max_deviations"])
    near(found.scores["irs"], case[f"{key}/IRS"])
    assert (found.irs_matrix.argmax(1) == case[f"{key}/parents"]).all()


def test_unsupervised(live_case):
    found = metrics.unsupervised(live_case.train[0]).scores
    near(found["gaussian_tc"], live_case["unsup/gaussian_total_correlation"])
    near(found["gaussian_wasserstein"], live_case["unsup/gaussian_wasserstein_correlation"])
    near(
        found["gaussian_wasserstein_norm"], live_case["unsup/gaussian_wasserstein_correlation_norm"]
    )
    near(found["mutual_info_score"], live_case["unsup/mutual_info_score"])


def check_infomec(case, found, key):
    active = case[f"{key}/active_latents"]
    assert (found.active_latents == active).all()
    near(found.nmi.T[:, active], case[f"{key}/nmi"][:, active])
    near(found.scores["infoc"], case[f"{key}/infoc"])
    if np.isfinite(case[f"{key}/infom"]):
        near(found.scores["infom"], case[f"{key}/infom"])
    near(found.scores["infoe"], case.golden[f"sk191/{case.name}/{key}/infoe"], 6e-4)


def test_infomec(case):
    check_infomec(case, metrics.infomec(*case.train), "infomec")


@pytest.mark.parametrize("grid", ["dsprites", "shapes3d"])
@pytest.mark.parametrize("kind", ["pairs", "dead", "generic"])
def test_infomec_of_discrete_latents(case_of, grid, kind):
    case = case_of(grid, kind)
    latents, factors = case.train
    check_infomec(
        case,
        metrics.infomec(discretize(latents), factors, discrete_latents=True),
        "infomec_discrete",
    )


UDR_KINDS = ("perfect", "rotated", "pairs", "generic")


@pytest.mark.parametrize("grid", ["dsprites", "shapes3d"])
@pytest.mark.parametrize("correlation", ["spearman", "lasso"])
def test_udr(case_of, golden, grid, correlation):
    cases = [case_of(grid, kind) for kind in UDR_KINDS]
    rng = np.random.RandomState(int(golden["seed_udr"]))
    images = np.concatenate([cases[0].space.sample(100, rng) for _ in range(10)])
    kl = np.ones((4, cases[0].latents.shape[1]))
    kl[:, -1] = 0.005
    found = metrics.udr([case.encode(images) for case in cases], kl=kl, correlation=correlation)
    expected = {
        name: golden[f"{grid}/udr_{correlation}/{name}"]
        for name in ("raw_correlations", "pairwise", "model_scores")
    }
    others = ~np.eye(4, dtype=bool)  # the reference leaves a model and itself out
    near(
        found.raw_correlations[others][:, :-1, :-1],
        expected["raw_correlations"][others][:, :-1, :-1],
    )
    near(found.pairwise[others], expected["pairwise"][others])
    near(found.model_scores, expected["model_scores"])


SINGLE = {
    "sap continuous": lambda z, f, p: metrics.sap(z, f, continuous_factors=True, partition=p),
    "sap": lambda z, f, p: metrics.sap(z, f, test=(z[:200], f[:200]), partition=p),
    "dci": lambda z, f, p: metrics.dci(
        z, f, test=(z[:200], f[:200]), regressor="lightgbm", partition=p, n_jobs=1
    ),
    "modularity_knn": lambda z, f, p: metrics.modularity_knn(z, f, partition=p),
    "irs": lambda z, f, p: metrics.irs(z, f, partition=p),
    "infomec": lambda z, f, p: metrics.infomec(z, f, partition=p),
    "infomec discrete": lambda z, f, p: metrics.infomec(
        discretize(z), f, discrete_latents=True, partition=p
    ),
    "unsupervised": lambda z, f, p: metrics.unsupervised(z, partition=p),
    "mig_entropy": lambda z, f, p: metrics.mig_entropy(
        z, 0.9 * z, np.full_like(z, -2.0), f, partition=p
    ),
    "udr": lambda z, f, p: metrics.udr([z, z[:, ::-1]], partition=p, null_draws=0),
    "active_units": lambda z, f, p: metrics.active_units(z, -np.abs(z), partition=p),
}


@pytest.mark.parametrize("metric", SINGLE)
@pytest.mark.parametrize("kind", ["generic", "dead"])
def test_groups_of_one_dimension_score_as_dimensions_exactly(case_of, metric, kind):
    latents, factors = (table[:600] for table in case_of("shapes3d", kind).train)
    scores = SINGLE[metric](
        latents, factors, LatentPartition.from_granularity(latents.shape[1], 1)
    ).scores
    grouped = [name for name in scores if name.endswith("_group")]
    assert grouped
    for name in grouped:
        assert scores[name] == scores[name.removesuffix("_group")]


@pytest.mark.parametrize("kind", ["generic", "dead"])
def test_votes_of_groups_of_one_dimension_are_those_of_dimensions_exactly(case_of, kind):
    case = case_of("shapes3d", kind)
    partition = LatentPartition.from_granularity(case.latents.shape[1], 1)
    found = metrics.factor_vae_score(
        case.encode, case.space, partition=partition, num_train=200, num_eval=100, num_variance=500
    )
    assert found.scores["factor_vae_group"] == found.scores["factor_vae"]
    assert np.array_equal(found.votes_group, found.votes)

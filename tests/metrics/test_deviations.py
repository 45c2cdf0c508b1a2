"""Where we differ from the reference on purpose: its value, ours, and why."""

import numpy as np
import pytest

from vae_granularity import LatentPartition, metrics
from vae_granularity.metrics.core.histogram import discretize


@pytest.mark.parametrize(
    "grid, reference, ours", [("dsprites", 0.6958, 0.9277), ("shapes3d", 0.7427, 0.9549)]
)
def test_dead_latents_do_not_lower_modularity(case_of, grid, reference, ours):
    """The reference averages constant latents in with modularity 0: a code looks worse for
    dimensions it does not use.
    """
    case = case_of(grid, "dead")
    found = metrics.modularity(*case.train)
    assert float(case["modexp/modularity_score"]) == pytest.approx(reference, abs=1e-4)
    assert found.scores["modularity"] == pytest.approx(ours, abs=1e-4)
    alive = np.ptp(case.train[0], axis=0) > 0
    assert found.scores["modularity"] * alive.mean() == pytest.approx(
        reference, abs=1e-4
    )  # nothing else differs
    assert found.protocol["found"]["uninformative_latents"] == np.flatnonzero(~alive).tolist()


@pytest.mark.parametrize("grid", ["dsprites", "shapes3d"])
def test_dead_latents_have_an_explicitness(case_of, grid):
    """The reference divides by a standard deviation of 0 and fails; ours leaves the latent out and
    equals the code without it.
    """
    case = case_of(grid, "dead")
    assert "modexp/explicitness_score_test" not in case
    alive = np.ptp(case.train[0], axis=0) > 0
    (z, f), (test_z, test_f) = case.train, case.test
    ours = metrics.explicitness(z, f, test=(test_z, test_f))
    assert (
        ours.scores == metrics.explicitness(z[:, alive], f, test=(test_z[:, alive], test_f)).scores
    )
    assert ours.protocol["found"]["dead_latents"] == np.flatnonzero(~alive).tolist()


@pytest.mark.parametrize(
    "grid, reference, ours", [("dsprites", 0.0391, 0.0730), ("shapes3d", 0.0469, 0.0804)]
)
def test_dead_latents_in_unsupervised_scores(case_of, grid, reference, ours):
    """The reference's Gaussian TC is nan (log 0 - log 0) and its mutual information is diluted by
    pairs with constants.
    """
    case = case_of(grid, "dead")
    assert np.isnan(case["unsup/gaussian_total_correlation"])
    assert float(case["unsup/mutual_info_score"]) == pytest.approx(reference, abs=1e-4)
    alive = np.ptp(case.train[0], axis=0) > 0
    found = metrics.unsupervised(case.train[0]).scores
    assert found["mutual_info_score"] == pytest.approx(ours, abs=1e-4)
    without = metrics.unsupervised(case.train[0][:, alive]).scores
    for name, value in without.items():
        assert found[name] == pytest.approx(value, rel=1e-9)


def test_duplicated_latents_have_infinite_tc_and_it_is_missing():
    """The reference's log det is minus infinity or, after rounding, any number; ours is missing,
    and the protocol says why.
    """
    z = np.random.default_rng(0).normal(size=(500, 3))
    found = metrics.unsupervised(z[:, [0, 1, 2, 0]])
    assert found.scores["gaussian_tc"] is None
    assert found.protocol["found"]["singular"] == ["gaussian_tc"]


@pytest.mark.parametrize(
    "kind, reference, ours", [("perfect", 0.5324, 0.5473), ("generic", 0.4501, 0.4596)]
)
def test_irs_keeps_every_value_of_a_factor(case_of, kind, reference, ours):
    """The reference cuts factors into 20 bins as if they were latents: values of dSprites' 40
    orientations and 32 positions merge, which takes a change of the factor itself for a disturbance
    by the others."""
    case = case_of("dsprites", kind)
    latents, factors = case.train
    assert len(np.unique(factors[:, 2])) == 40
    assert len(np.unique(discretize(factors.astype(float))[:, 2])) == 20
    assert float(case["irs_q0.99/IRS"]) == pytest.approx(reference, abs=1e-4)
    assert metrics.irs(latents, factors).scores["irs"] == pytest.approx(ours, abs=1e-4)


def test_irs_counts_its_active_dimensions(case_of):
    """The reference's `num_active_dims` sums latent values."""
    case = case_of("dsprites", "dead")
    assert float(case["irs_q0.99/num_active_dims"]) == pytest.approx(-19.8, abs=0.1)
    assert len(metrics.irs(*case.train).active_latents) == np.sum(np.ptp(case.train[0], axis=0) > 0)


@pytest.mark.parametrize("kind, ours", [("perfect", 0.8542), ("noise", 0.5571)])
def test_infom_without_shared_information(case_of, kind, ours):
    """A latent that shares no information divides 0 by 0 and makes the reference's mean nan; ours
    leaves it out and says which.
    """
    case = case_of("dsprites", kind)
    assert np.isnan(case["infomec/infom"])
    found = metrics.infomec(*case.train)
    silent = found.protocol["found"]["uninformative_latents"]
    assert silent
    assert (case["infomec/nmi"][:, silent] == 0).all()
    nmi = np.delete(case["infomec/nmi"], silent, axis=1)  # every latent of these codes is active
    expected = (np.mean(nmi.max(0) / nmi.sum(0)) - 1 / 5) / (1 - 1 / 5)
    assert found.scores["infom"] == pytest.approx(expected, abs=1e-10)
    assert found.scores["infom"] == pytest.approx(ours, abs=1e-3)


@pytest.mark.parametrize("grid", ["dsprites", "shapes3d"])
def test_dead_latents_win_no_vote_at_any_threshold(case_of, grid):
    """With threshold 0 the reference keeps constant latents: their 0 / 0 wins every vote (accuracy
    1.0 falls to 0.17).
    """
    case = case_of(grid, "dead")
    assert float(case["factorvae_thr0.0/eval_accuracy"]) < 0.25
    found = metrics.factor_vae_score(
        case.encode, case.space, prune_std=0.0, num_train=400, num_eval=200
    )
    assert found.scores["factor_vae"] > 0.95
    assert found.active_latents == tuple(np.flatnonzero(np.ptp(case.train[0], axis=0) > 0).tolist())


def test_ragged_group_is_scored_like_any_other():
    """The β-STCVAE authors drop left-over latents (see also test_golden_entropy): here they carry a
    factor.
    """
    rng = np.random.default_rng(0)
    f = np.stack(np.meshgrid(range(5), range(5), range(5), indexing="ij"), -1).reshape(-1, 3)
    mu = np.column_stack((f[:, 0], f[:, 0], f[:, 1], f[:, 1], f[:, 2])).astype(float)
    logvar = np.full_like(mu, -4.0)
    z = mu + np.exp(0.5 * logvar) * rng.normal(size=mu.shape)
    found = metrics.mig_entropy(z, mu, logvar, f, partition=LatentPartition.from_granularity(5, 2))
    assert found.mi_matrix_group.shape == (3, 3)
    assert found.mi_matrix_group[2, 2] == pytest.approx(np.log(5), rel=0.02)

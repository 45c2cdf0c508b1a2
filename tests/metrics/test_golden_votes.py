"""FactorVAE and BetaVAE: the reference's random stream replayed through our steps, then our stream
against its scores.
"""

import numpy as np
import pytest

from vae_granularity import metrics
from vae_granularity.data.factors import FactorSpace
from vae_granularity.metrics.beta_vae_score import classify, pair_differences
from vae_granularity.metrics.core.sampling import shared_factor_batches
from vae_granularity.metrics.factor_vae_score import batch_variances, least_varying, majority_vote

THRESHOLDS = ("0.05", "0.0")


@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_every_vote_of_the_reference(case, threshold):
    key = f"factorvae_thr{threshold}"
    rng = np.random.RandomState(int(case.golden["seed_factorvae"]))
    variances = case.encode(case.space.sample(2000, rng)).astype(np.float64).var(0, ddof=1)
    np.testing.assert_allclose(variances, case[f"{key}/global_variances"], rtol=0, atol=1e-10)
    batches, held = [], []
    for _ in range(1200):
        held.append(rng.randint(len(case.space.sizes)))
        rows = case.space.sample(64, rng)
        rows[:, held[-1]] = rows[0, held[-1]]
        batches.append(rows)
    kept = [[d] for d in np.flatnonzero((variances > 0) & (np.sqrt(variances) >= float(threshold)))]
    latents = case.encode(np.concatenate(batches)).astype(np.float64)
    choices = least_varying(batch_variances(latents.reshape(1200, 64, -1)), variances, kept)
    votes = case[f"{key}/votes_seq"].astype(np.int64)
    assert (votes[:, 0] == held).all()
    if "dead" in case.name and threshold == "0.0":
        # Without a threshold the reference divides 0 by 0, and its first constant latent wins every
        # vote.
        assert len(np.unique(votes[:, 1])) == 1
        assert case[f"{key}/eval_accuracy"] < 0.25
        assert majority_vote(choices, votes[:, 0], 800, len(kept), len(case.space.sizes))[2] > 0.9
        return
    assert (choices == votes[:, 1]).all()
    _, train, evaluation = majority_vote(
        choices, votes[:, 0], 800, len(kept), len(case.space.sizes)
    )
    assert (train, evaluation) == (
        pytest.approx(float(case[f"{key}/train_accuracy"])),
        pytest.approx(float(case[f"{key}/eval_accuracy"])),
    )


def test_our_votes_agree_within_sampling_error(case):
    found = metrics.factor_vae_score(
        case.encode, case.space, num_train=800, num_eval=400, num_variance=2000
    )
    expected = float(case["factorvae_thr0.05/eval_accuracy"])
    # 400 votes each: four standard errors of a difference of two proportions, and one vote.
    assert found.scores["factor_vae"] == pytest.approx(
        expected, abs=4 * np.sqrt(2 * max(expected * (1 - expected), 0.01) / 400) + 0.0025
    )


def test_beta_vae_points_and_classifier(case):
    rng = np.random.RandomState(int(case.golden["seed_betavae"]))
    batches, labels = [], []
    for _ in range(900):
        labels.append(rng.randint(len(case.space.sizes)))
        sides = [case.space.sample(64, rng) for _ in range(2)]
        sides[1][:, labels[-1]] = sides[0][:, labels[-1]]
        batches.append(np.concatenate(sides))
    points = pair_differences(
        case.encode(np.concatenate(batches)).astype(np.float64).reshape(900, 128, -1)
    )
    if "betavae/train_points" in case:
        for part, rows in (("train", slice(600)), ("eval", slice(600, None))):
            np.testing.assert_allclose(
                points[rows], case[f"betavae/{part}_points"], rtol=0, atol=3e-7
            )
            assert (np.array(labels)[rows] == case[f"betavae/{part}_labels"]).all()
    train, evaluation, _, _ = classify(points, np.array(labels), 600)
    assert train == pytest.approx(float(case["betavae/train_accuracy"]), abs=4e-3)
    assert evaluation == pytest.approx(float(case["betavae/eval_accuracy"]), abs=4e-3)


@pytest.mark.parametrize("kind", ["rotated", "generic"])
def test_our_beta_vae_draws_agree_within_sampling_error(case_of, kind):
    case = case_of("shapes3d", kind)
    found = metrics.beta_vae_score(case.encode, case.space, num_train=600, num_eval=300)
    assert found.scores["beta_vae"] == pytest.approx(float(case["betavae/eval_accuracy"]), abs=0.1)


DSPRITES = FactorSpace(("shape", "scale", "orientation", "x", "y"), (3, 6, 40, 32, 32))


def scaled_by_the_first(factors):
    """u0 and u_i (1.2 + u0)."""
    u = 2 * factors / (np.array(DSPRITES.sizes) - 1) - 1
    return np.column_stack((u[:, 0], u[:, 1:] * (1.2 + u[:, :1])))


@pytest.mark.parametrize(("pairs", "accuracy"), [(False, 0.946), (True, 1.0)])
def test_one_value_for_a_whole_batch_confuses_the_beta_vae_score(pairs, accuracy):
    """Ours was 0.946: the one value of u0 sets the scale of all other differences of its batch."""
    draws = shared_factor_batches(DSPRITES, 3_000, 128, np.random.default_rng(0), pairs=pairs)
    points, labels = zip(
        *(
            (pair_differences(scaled_by_the_first(rows.reshape(-1, 5)).reshape(-1, 128, 5)), held)
            for rows, held in draws
        ),
        strict=True,
    )
    found = classify(np.concatenate(points), np.concatenate(labels), 2_000)[1]
    assert found == pytest.approx(accuracy, abs=0.015)
    ours = metrics.beta_vae_score(scaled_by_the_first, DSPRITES, num_train=600, num_eval=300)
    assert ours.scores["beta_vae"] == pytest.approx(1.0, abs=0.005)


def test_pairs_share_the_held_factor_and_nothing_else():
    space = FactorSpace(tuple("abc"), (50, 1, 50))
    for factors, fixed in shared_factor_batches(
        space, 40, 20, np.random.default_rng(0), pairs=True
    ):
        first, second = factors[:, :10], factors[:, 10:]
        for b, held in enumerate(fixed):
            assert (first[b, :, held] == second[b, :, held]).all()
            assert len(np.unique(first[b, :, held])) > 1
            assert (first[b, :, 2 - held] == second[b, :, 2 - held]).mean() < 0.5

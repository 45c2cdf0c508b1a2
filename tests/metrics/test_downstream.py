"""Downstream accuracy and unfairness on codes whose answer is known."""

import numpy as np
import pytest

from vae_granularity import LatentPartition, metrics
from vae_granularity.data.factors import FactorSpace
from vae_granularity.errors import ArgumentError
from vae_granularity.metrics.core.inputs import TooLittleData

SPACE = FactorSpace(("a", "b", "c"), (4, 3, 2))
RNG = np.random.default_rng(0)
ROWS = SPACE.sample(1500, RNG)
REST = SPACE.sample(600, RNG)
PAIRS = LatentPartition.from_sizes([1, 2])


def noisy(factors, seed=0):
    """One latent a factor, with noise much smaller than a step."""
    noise = np.random.default_rng(seed).normal(size=np.shape(factors))
    return factors + 0.05 * noise


def entangled(factors):
    """Each latent is a sum of all factors: all are told apart, none by one latent."""
    return np.asarray(factors) @ np.array([[1.0, 1.0, 0.3], [1.0, -1.0, 0.7], [-0.4, 0.9, 1.0]])


def leaking(factors):
    """The first factor is seen where the second is 0, and nothing else."""
    first, second, _ = np.asarray(factors).T
    return np.column_stack([first * (second == 0), second == 0]).astype(float)


def scores(latents, partition=None, **options):
    given = {"sizes": (20, 1000), "regressor": "lightgbm"} | options
    found = metrics.downstream(
        latents(ROWS), ROWS, test=(latents(REST), REST), partition=partition, **given
    )
    return found.scores


def test_clean_codes_are_read_by_both_classifiers_and_from_one_group():
    found = scores(noisy, LatentPartition.from_sizes([1, 1, 1]))
    assert found["downstream_boosted_fast_1000"] > 0.98
    assert found["downstream_linear_1000"] > 0.85  # the middle of a line is no halfspace
    assert found["downstream_linear_1000_group"] > 0.85
    assert 0.6 < found["downstream_linear_efficiency"] <= 1.05


def test_noise_is_read_at_the_share_of_the_commonest_value():
    found = scores(lambda f: np.random.default_rng(len(f)).normal(size=(len(f), 3)), PAIRS)
    chance = (1 / 4 + 1 / 3 + 1 / 2) / 3
    assert [found[f"downstream_{k}_1000"] for k in ("linear", "linear", "boosted_fast")] == (
        pytest.approx([chance] * 3, abs=0.06)
    )


def test_entangled_codes_are_read_from_all_latents_but_not_from_one():
    found = scores(entangled, LatentPartition.from_sizes([1, 1, 1]))
    assert found["downstream_linear_1000"] > 0.9
    assert found["downstream_linear_1000_group"] < found["downstream_linear_1000"] - 0.2
    one_group = scores(entangled, LatentPartition.from_sizes([3]))
    assert one_group["downstream_linear_1000_group"] == one_group["downstream_linear_1000"]


def test_sizes_beyond_the_rows_are_missing_and_do_not_make_an_efficiency():
    found = scores(noisy, sizes=(100, 10_000))
    assert found["downstream_linear_10000"] is None
    assert found["downstream_linear_efficiency"] is None
    assert found["downstream_linear_100"] > 0.7


def test_a_factor_with_one_value_among_the_first_rows_is_predicted_to_keep_it():
    rare = np.zeros((400, 1), int)
    rare[::40] = 1
    codes = rare + 0.01 * RNG.normal(size=(400, 1))
    found = metrics.downstream(codes, rare, test=(codes, rare), sizes=(2,), regressor="sklearn")
    assert found.scores["downstream_linear_2"] == pytest.approx(0.975)


@pytest.mark.parametrize("regressor", ["sklearn", "lightgbm"])
def test_predictions_from_clean_codes_are_fair_and_from_leaking_ones_are_not(regressor):
    options = {"num_train": 600, "num_eval": 60, "regressor": regressor}
    name = "unfairness" if regressor == "sklearn" else "unfairness_fast"
    clean = metrics.fairness(noisy, SPACE, **options)
    leaky = metrics.fairness(leaking, SPACE, **options)
    assert clean.scores[name] < 0.02
    assert leaky.scores[name] > clean.scores[name] + 0.05
    assert leaky.scores[f"{name}_max"] >= leaky.scores[name]
    # Where the second factor is 0, all four values of the first are guessed; elsewhere one, which
    # has a share of (1/4 + 1 + 1) / 3 = 3/4 under all values together.
    assert leaky.mean_shift[0, 1] == pytest.approx((0.5 + 0.25 + 0.25) / 3, abs=0.06)
    assert leaky.mean_shift[0, 2] == leaky.mean_shift[1, 0] == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: scores(noisy, regressor="forest"), "regressor must be one of sklearn, lightgbm"),
        (lambda: scores(noisy, sizes=()), "sizes must name at least one number of codes"),
        (lambda: scores(noisy, sizes=(1,)), "sizes must be .* 2"),
        (lambda: metrics.downstream(ROWS, ROWS, test=None), "test must be a pair"),
        (lambda: metrics.fairness(noisy, SPACE, num_eval=0), "num_eval must be"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ArgumentError, match=message):
        call()


def test_fairness_needs_two_factors():
    with pytest.raises(TooLittleData, match="2 factors with two or more values"):
        metrics.fairness(noisy, FactorSpace(("a", "b"), (4, 1)))

"""What the page says of the claim that complex factors need a larger γ, on profiles whose answer is
known.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from vae_granularity.analysis.complexity_claim import claim_tests, separation_thresholds

COMPLEXITY = {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0}


def table(first: dict[str, float], seeds: int = 3) -> pd.DataFrame:
    """Every seed separates each factor at the same γ."""
    rows = [
        {"partition": "own", "seed": seed, "factor": factor, "first": gamma, "tried": 6}
        for seed in range(seeds)
        for factor, gamma in first.items()
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("first", "said"),
    [
        ([1, 2, 3, 6], "the claim is borne out at the 5% level"),  # p = 1/24
        ([1, 2, 3, np.nan], "the claim is borne out at the 5% level"),
        ([1, 2, 6, 3], "the claim is not borne out"),  # 4 of 24 orders are as good
        ([6, 3, 2, 1], "the claim is not borne out"),
        ([1, 1, 2, 3], "the claim cannot be judged: no order of these 4 factors reaches 5%"),
        ([2, 2, 2, 2], "no rank correlation"),
        (
            [1, np.nan, np.nan, np.nan],
            "the claim cannot be judged: most factors separate at no γ tried",
        ),
    ],
)
@pytest.mark.parametrize("seeds", [1, 10])  # the factors are the sample: seeds add no evidence
def test_the_claim_is_judged_over_factors(first: list[float], said: str, seeds: int) -> None:
    [found] = claim_tests(table(dict(zip(COMPLEXITY, first, strict=True)), seeds), COMPLEXITY)
    assert said in found.sentence


def test_three_factors_cannot_bear_it_out_whatever_the_number_of_seeds() -> None:
    """The rule so far took an interval over seeds, here of no width, for evidence."""
    [found] = claim_tests(table({"a": 1, "b": 2, "c": 3}, 20), COMPLEXITY)
    assert "no order of these 3 factors reaches 5%" in found.sentence
    assert found.test is not None
    assert found.test.p == pytest.approx(1 / 6)


def test_a_factor_of_unknown_complexity_is_left_out() -> None:
    [found] = claim_tests(table({"a": 1, "other": 6, "b": 2, "c": 3, "d": 6}), COMPLEXITY)
    assert "over 4 factors, γ averaged over 3 seeds (p = 0.042, one-sided" in found.sentence
    [found] = claim_tests(table({"a": 1, "other": 6}), COMPLEXITY)
    assert "no rank correlation" in found.sentence


def test_seeds_are_averaged_before_ranks_are_taken() -> None:
    rows = table(dict.fromkeys(COMPLEXITY, 1.0), 2)
    rows["first"] = [1, 3, 2, 4, 2, 2, 4, np.nan]  # means 1.5, 2.5, 3, 5.5
    [found] = claim_tests(rows, COMPLEXITY)
    assert found.test is not None
    assert found.test.rho == pytest.approx(1)


@pytest.mark.parametrize("others", [[], ["net.width"]])
def test_a_seed_with_only_some_granularities_does_not_say_where_a_factor_separates(others) -> None:
    """Seeds are added where an optimum is contested: there 6 would look like the first."""
    runs = pd.DataFrame({"model.granularity": [1, 2, 6, 6], "seed": [0, 0, 0, 1], "net.width": 1.0})
    profile = pd.DataFrame({"run": runs.index, "partition": "own", "factor": "a"})
    profile["separated"] = runs["model.granularity"] >= 2
    found = separation_thresholds(runs, profile, others)
    assert found[["seed", "first", "tried"]].to_numpy().tolist() == [[0, 2, 6]]

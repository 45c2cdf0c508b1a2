"""What the page says of the claim that complex factors need a larger γ, on profiles whose answer is
known.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from vae_granularity.analysis.correlation import correlations

COMPLEXITY = {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0}


@pytest.mark.parametrize(
    ("first", "said"),
    [
        ([1, 2, 3, 6], "the claim is borne out"),
        ([1, 2, 3, np.nan], "the claim is borne out"),
        ([6, 3, 2, 1], "the claim is not borne out"),
        (
            [1, np.nan, np.nan, np.nan],
            "the claim cannot be judged: most factors separate at no γ tried",
        ),
    ],
)
def test_the_claim_is_judged_by_factors_that_separate(first: list[float], said: str) -> None:
    rows = [
        {
            "partition": "single dimensions",
            "seed": seed,
            "factor": factor,
            "first": gamma,
            "tried": 6,
        }
        for seed in range(3)
        for factor, gamma in zip(COMPLEXITY, first, strict=True)
    ]
    [found] = correlations(pd.DataFrame(rows), COMPLEXITY, [])
    # Seeds that all agree have an interval of no width.
    assert said in found.sentence


def test_one_seed_or_none_with_ranks_gives_no_verdict() -> None:
    alike = pd.DataFrame(
        [
            {"partition": "own", "seed": 0, "factor": factor, "first": 2, "tried": 6}
            for factor in COMPLEXITY
        ]
    )
    [found] = correlations(alike, COMPLEXITY, [])
    assert "no rank correlation" in found.sentence
    [found] = correlations(alike.assign(first=[1, 2, 3, 4]), COMPLEXITY, [])
    assert "one seed gives no interval" in found.sentence
    assert "borne out" not in found.sentence

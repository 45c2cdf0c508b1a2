"""Agreement of the seeds of a point, by the codes that they give the same images."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from vae_granularity.analysis.agreement import udr_scores
from vae_granularity.analysis.codes import Codes
from vae_granularity.metrics import udr
from vae_granularity.partition import LatentPartition

NOT_READ: Any = None


def groups(granularity: float) -> LatentPartition:
    return LatentPartition.from_granularity(4, int(granularity))


@pytest.fixture(scope="module")
def scores() -> tuple[pd.DataFrame, list[Codes]]:
    """Two seeds of each of granularity 2 and 4, and one of 1, of four latents."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"model.granularity": [2.0, 2.0, 4.0, 4.0, 1.0]})
    codes = [
        Codes(run, NOT_READ, np.arange(200), rng.normal(size=(200, 4)), np.ones(4), groups(gamma))
        for run, gamma in table["model.granularity"].items()
    ]
    return udr_scores(table, ["model.granularity"], codes), codes


def test_each_run_has_its_score_by_groups_beside_the_null(scores) -> None:
    found, codes = scores
    partition = LatentPartition.from_granularity(4, 2)
    expected = udr([code.mu for code in codes[:2]], kl=np.ones((2, 4)), partition=partition)
    for run in (0, 1):
        row = {name.removeprefix("scores/"): value for name, value in found.loc[run].items()}
        assert row == pytest.approx(expected.of_models[run])
        assert row["udr_lift_group"] == pytest.approx(row["udr_group"] - row["udr_null_group"])


def test_one_group_has_no_score_by_groups_and_one_seed_has_none_at_all(scores) -> None:
    found = scores[0]
    of_groups = [name for name in found if name.endswith("_group")]
    assert found.loc[[2, 3], "scores/udr"].notna().all()
    assert found.loc[[2, 3], of_groups].isna().all(axis=None)
    assert found.loc[4].isna().all()

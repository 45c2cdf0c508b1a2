"""The permutation test of a rank correlation, on cases that can be counted by hand."""

from __future__ import annotations

from math import factorial

import numpy as np
import pytest
from scipy.stats import spearmanr

from vae_granularity.errors import ArgumentError
from vae_granularity.metrics.core.rank_test import rank_test


@pytest.mark.parametrize("n", [3, 4, 5, 7])
def test_of_all_orders_one_is_as_good_as_perfect_agreement(n: int) -> None:
    found = rank_test(np.arange(n), np.arange(n) ** 2)
    assert found.rho == pytest.approx(1)
    assert found.p == found.least_p == pytest.approx(1 / factorial(n))
    assert rank_test(np.arange(n), -np.arange(n)).p == 1  # one-sided: a fall is no evidence


def test_ties_make_more_orders_alike() -> None:
    found = rank_test([1, 2, 3, 4], [1, 1, 2, 3])
    assert found.p == found.least_p == pytest.approx(2 / 24)
    assert found.rho == pytest.approx(spearmanr([1, 2, 3, 4], [1, 1, 2, 3]).statistic)


def test_random_orders_agree_with_all_orders(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = np.arange(7), np.array([2, 1, 3, 3, 5, 2, 6])
    exact = rank_test(x, y)
    monkeypatch.setattr("vae_granularity.metrics.core.rank_test.EXACT", 6)
    drawn = rank_test(x, y)
    assert drawn.p == pytest.approx(exact.p, abs=0.01)
    assert drawn == rank_test(x, y)  # seeded
    assert drawn != rank_test(x, y, seed=1)


def test_values_without_an_order_are_no_evidence() -> None:
    found = rank_test([1, 2, 3], [5, 5, 5])
    assert (found.rho, found.p, found.least_p, found.count) == (None, 1, 1, 3)


@pytest.mark.parametrize(("x", "y"), [([1], [1]), ([1, 2], [1]), ([1, 2], [1, np.nan])])
def test_bad_pairs_are_refused(x: list[float], y: list[float]) -> None:
    with pytest.raises(ArgumentError, match="x and y must be two or more finite pairs"):
        rank_test(x, y)

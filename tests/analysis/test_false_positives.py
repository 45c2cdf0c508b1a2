"""Nothing is asserted of surfaces and factors that chance alone made; the whole table is in
experiments/verdicts.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from vae_granularity.analysis.trajectory import make_trajectory
from vae_granularity.analysis.verdict import judge

FOLDER = Path(__file__).parents[2] / "experiments" / "verdicts"


def script(name: str) -> ModuleType:
    """A script of the experiment as a module."""
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SURFACES, CLAIM = script("surfaces"), script("claim")


def said(kind: str, grid: str, seeds: int, noise: str, count: int) -> list[str]:
    """Verdicts on surfaces of one kind."""
    rng = np.random.default_rng(0)
    drawn = (SURFACES.draw(kind, grid, seeds, noise, rng) for _ in range(count))
    return [
        SURFACES.said(judge(make_trajectory(one, draws=100, seed=n))) for n, one in enumerate(drawn)
    ]


@pytest.mark.parametrize("seeds", [3, 10])
@pytest.mark.parametrize(
    ("kind", "grid", "before"),  # before: share called "edge" while the means alone decided it
    [("flat", "5x5", 0.32), ("flat", "5x3", 0.78), ("half flat", "5x5", 0.75)],
)
def test_where_chance_places_the_optimum_nothing_is_asserted(
    kind: str, grid: str, before: float, seeds: int
) -> None:
    found = said(kind, grid, seeds, "1", 60)
    asserted = 1 - found.count("not enough runs") / 60
    assert asserted <= 0.05 < before


@pytest.mark.parametrize("kind", ["line", "monotone", "V", "edge"])
def test_what_is_clear_is_still_said(kind: str) -> None:
    found = said(kind, "5x5", 5, "1/2", 40)
    assert sum(verdict in SURFACES.TRUE[kind] for verdict in found) >= 0.9 * 40


def test_rows_without_an_optimum_are_told_apart_from_rows_with_one() -> None:
    rng = np.random.default_rng(1)
    flat = [
        make_trajectory(SURFACES.draw("half flat", "7x7", 5, "1", rng), draws=20).flat <= 0.05
        for _ in range(40)
    ]
    assert np.mean(flat, 0)[:4].mean() <= 0.1  # 5 % by construction
    assert np.mean(flat, 0)[4:].min() >= 0.95


@pytest.mark.parametrize(
    ("factors", "seeds", "before"),  # before: by an interval over seeds
    [(5, 3, 0.15), (5, 10, 0.34)],
)
def test_the_claim_is_seldom_borne_out_where_complexity_says_nothing(
    factors: int, seeds: int, before: float
) -> None:
    rng = np.random.default_rng(0)
    said = [CLAIM.borne_out(CLAIM.draw("none", factors, seeds, rng), factors) for _ in range(100)]
    assert np.mean(said) <= 0.08 < before  # 5 % nominal, within what 100 draws can tell


def test_the_claim_is_borne_out_where_it_holds() -> None:
    rng = np.random.default_rng(0)
    assert np.mean([CLAIM.borne_out(CLAIM.draw("strong", 10, 5, rng), 10) for _ in range(20)]) > 0.8


def test_a_sentence_never_contradicts_the_shares_it_lists() -> None:
    """It said "no shape holds in 80%" beside "monotone 91%" where the means had an edge."""
    rng = np.random.default_rng(0)
    drawn = [SURFACES.draw("line", "5x5", 3, "1", rng) for _ in range(150)]
    found = [judge(make_trajectory(one, draws=100, seed=n)) for n, one in enumerate(drawn)]
    open_ones = [one for one in found if one.shape == "not enough runs" and one.support]
    assert any("put the optimum on the edge" in one.sentence for one in open_ones)
    for one in open_ones:
        assert "no shape holds" not in one.sentence or max(one.support.values()) < 0.8

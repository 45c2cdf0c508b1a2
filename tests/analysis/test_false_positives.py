"""Nothing is asserted of surfaces and factors that chance alone made; the whole table is in
experiments/verdicts.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from vae_granularity.analysis.points import Surface
from vae_granularity.analysis.trajectory import make_trajectory, resampled_means
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


def surface_of(values: np.ndarray) -> Surface:
    """Return a surface of values (n, m, S)."""
    x, y, seeds = (tuple(range(length)) for length in values.shape)
    return Surface("x", "y", "value", x, y, seeds, values)


def said(
    kind: str, grid: str, seeds: int, noise: str, count: int, condition: str = "complete"
) -> list[str]:
    """Verdicts on surfaces of one kind."""
    rng = np.random.default_rng(0)
    drawn = (SURFACES.draw(kind, grid, seeds, noise, rng, condition) for _ in range(count))
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


@pytest.mark.parametrize(
    ("kind", "condition", "before"),  # before: share of false verdicts with rows left open
    [
        ("V", "points missing", 0.15),
        ("line", "points missing", 0.15),
        ("monotone", "unequal seeds", 0.15),
        ("level", "runs missing", 0.15),
    ],
)
def test_what_a_grid_lacks_makes_no_verdict(kind: str, condition: str, before: float) -> None:
    names = said(kind, "5x5", 5, "1/5", 60, condition)
    allowed = {*SURFACES.TRUE[kind], "not enough runs"}
    assert sum(name not in allowed for name in names) / 60 <= 0.05 < before


@pytest.mark.parametrize("rho", ["rho 0.5", "rho 0.8"])
@pytest.mark.parametrize("kind", ["two peaks", "inner plateau"])
def test_seeds_that_all_rows_share_make_no_verdict_of_equal_peaks(kind: str, rho: str) -> None:
    """Rows resampled each on its own, two peaks were called level in 0.24 (ten seeds, rho 0.5)."""
    names = said(kind, "5x6", 10, "3/4", 60, rho)
    assert 1 - names.count("not enough runs") / 60 <= 0.07


def test_a_path_is_told_from_a_parallel_one_only_where_seeds_tell_them_apart() -> None:
    peaks = np.zeros((5, 6, 4))
    peaks[:, 1] = 10.0
    noise = np.array([-1.0, 1.0, -1.0, 1.0])
    peaks[:, 4] = 9.5 + noise  # behind by half of what a seed moves it
    tied = make_trajectory(surface_of(peaks), draws=20)
    assert tied.best.tolist() == [1] * 5
    assert tied.parallel_as_good(tied.best) == 3
    peaks[:, 4] = 5.0 + noise
    clear = make_trajectory(surface_of(peaks), draws=20)
    assert clear.parallel_as_good(clear.best) is None
    verdict = judge(tied)
    assert verdict.shape == "not enough runs"
    assert "cannot tell this path from the one 3 places above it" in verdict.sentence


def test_a_row_whose_optimum_has_an_unmeasured_neighbour_has_no_optimum_to_speak_of() -> None:
    rng = np.random.default_rng(0)
    values = SURFACES.draw("V", "5x5", 5, "1/4", rng).values.copy()
    values[1, 3] = np.nan  # beside the best, 2
    values[3, 1, 2:] = np.nan  # two seeds are left: beside the best, 2
    values[0, 0] = np.nan  # far from the best, 3
    trajectory = make_trajectory(surface_of(values), draws=50)
    assert trajectory.enclosed.tolist() == [True, False, True, False, True]
    verdict = judge(trajectory)
    assert verdict.shape == "not enough runs"
    assert "2 at which a neighbour of the best y has fewer than 3 seeds" in verdict.sentence


def test_what_a_seed_does_in_all_rows_is_resampled_in_all_rows_together() -> None:
    rng = np.random.default_rng(0)
    profile = rng.standard_normal((1, 5, 8))
    shared = resampled_means(np.repeat(profile, 4, axis=0), 2000, np.random.default_rng(1))
    np.testing.assert_allclose(shared[:, 0], shared[:, 3])
    spread = profile[0].std(-1, ddof=1) / np.sqrt(8)
    np.testing.assert_allclose(shared[:, 0].std(0), spread, rtol=0.15)


def test_what_rows_do_not_share_is_resampled_in_each_row_alone() -> None:
    values = np.random.default_rng(0).standard_normal((20, 1, 8))
    means = resampled_means(values, 2000, np.random.default_rng(1))[:, :, 0]
    between_rows = np.corrcoef(means.T)[np.triu_indices(20, 1)]
    # With all rows under the same weights the spread of correlations is that of eight seeds, 0.38.
    assert abs(between_rows.mean()) < 0.1
    assert between_rows.std() < 0.2


def test_points_with_other_seeds_are_resampled_around_their_own_means() -> None:
    rng = np.random.default_rng(0)
    values = rng.standard_normal((30, 4, 8))
    values[::2, 0, 4:] = np.nan
    values[1::2, 1, :4] = np.nan
    values[2, 2] = np.nan
    means = resampled_means(values, 2000, np.random.default_rng(1))
    assert np.isneginf(means[:, 2, 2]).all()
    count = np.isfinite(values).sum(-1)
    measured = count > 0
    expected = np.nanmean(values[measured], axis=-1)
    np.testing.assert_allclose(means[:, measured].mean(0), expected, atol=0.08)
    variances = np.nanvar(values[measured], axis=-1, ddof=1) / count[measured]
    for seeds in (4, 8):
        chosen = count[measured] == seeds
        drawn = means[:, measured][:, chosen].var(0).mean()
        assert drawn == pytest.approx(variances[chosen].mean(), rel=0.15)


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

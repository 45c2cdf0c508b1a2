"""Entropies of the aggregate posterior: Chen's estimates, and where the β-STCVAE authors' variant
destroys the score.
"""

import numpy as np
import pytest

from vae_granularity import LatentPartition, metrics
from vae_granularity.metrics.core import factor_matrix, histogram


@pytest.fixture(params=["g0", "g1"])
def grid(request, golden):
    """One grid's arrays by short key: g0 has wide posteriors, g1 sharp ones."""
    return {
        key.removeprefix(request.param + "/"): value
        for key, value in golden.items()
        if key.startswith(request.param + "/")
    }


def entropy_scores(grid, **options):
    return metrics.mig_entropy(grid["z"], grid["mu"], grid["logvar"], grid["factors"], **options)


def near(value, expected):
    np.testing.assert_allclose(value, expected, rtol=0, atol=1e-10)


def test_entropies_and_mig(grid):
    found = entropy_scores(grid)
    near(found.marginal_entropies, grid["rtq/marginal_entropies"])
    near(found.cond_entropies.T, grid["rtq/cond_entropies"])
    near(
        -np.sort(-found.mi_matrix.T / found.factor_entropy[:, None], axis=1),
        grid["rtq/mi_normed_sorted"],
    )
    near(found.scores["mig_entropy"], grid["rtq/mig"])


def test_elbo_decomposition(grid):
    found = entropy_scores(grid)
    expected = {
        key.split("/")[1]: value
        for key, value in grid.items()
        if key.startswith("elbo_decomposition/")
    }
    gaussian = 0.5 * np.sum(np.log(2 * np.pi * np.e) + grid["logvar"], axis=1).mean()
    log_prior = (
        -0.5 * np.sum(np.log(2 * np.pi) + grid["mu"] ** 2 + np.exp(grid["logvar"]), axis=1).mean()
    )
    near(found.joint_entropy, expected["joint_entropy"][0])
    near(found.marginal_entropies.sum() - found.joint_entropy, expected["dependence"])
    near(found.joint_entropy - gaussian, expected["information"])
    near(-log_prior - found.marginal_entropies.sum(), expected["dimwise_kl"])
    near(-log_prior - gaussian, expected["analytical_cond_kl"])


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_groups_against_the_clamped_reference(grid, n):
    """The authors' group entropies are ours, cut to min(sum, joint), with what is not positive set
    to 0 and left-over latents dropped.
    """
    if f"split{n}/marginal_entropies" not in grid:
        pytest.skip("the golden set has no such split")
    partition = LatentPartition.from_granularity(6, n)
    whole = 6 // n  # groups the reference keeps

    def clamped(rows):
        found = metrics.mig_entropy(
            *(grid[name][rows] for name in ("z", "mu", "logvar", "factors")), partition=partition
        )
        assert (
            len(found.marginal_entropies_group) == partition.num_groups
        )  # the ragged last group is kept
        sums = np.array([found.marginal_entropies[list(group)].sum() for group in partition.groups])
        return np.maximum(np.minimum(sums, found.marginal_entropies_group), 0)[:whole]

    marginal = clamped(slice(None))
    conditional = np.stack(
        [
            np.mean([clamped(f == value) for value in np.unique(f)], axis=0)
            for f in grid["factors"].T
        ]
    )
    near(marginal, grid[f"split{n}/marginal_entropies"])
    near(conditional, grid[f"split{n}/cond_entropies"])
    if f"split{n}/mig" in grid:
        near(
            factor_matrix.mean_gap(np.maximum(marginal - conditional, 0).T, np.log(grid["grid"])),
            grid[f"split{n}/mig"],
        )


def test_clamping_negative_entropies_destroys_the_score(golden):
    grid = {
        key.removeprefix("g1/"): value for key, value in golden.items() if key.startswith("g1/")
    }
    assert (grid["rtq/marginal_entropies"] < 0).any()
    assert float(grid["split1/mig"]) == pytest.approx(0.0027, abs=1e-4)  # the reference
    assert entropy_scores(grid).scores["mig_entropy"] == pytest.approx(
        0.1664, abs=1e-4
    )  # ours, and Chen's
    pairs = entropy_scores(grid, partition=LatentPartition.from_granularity(6, 2)).scores[
        "mig_entropy_group"
    ]
    assert float(grid["split2/mig"]) == pytest.approx(0.0617, abs=1e-4)
    assert pairs == pytest.approx(0.5147, abs=1e-4)


def test_a_ragged_group_counts(golden):
    grid = {
        key.removeprefix("g0/"): value for key, value in golden.items() if key.startswith("g0/")
    }
    ragged = LatentPartition.from_granularity(6, 4)
    # The reference keeps one group of four, so it has no gap; the two latents it drops are the
    # second group.
    assert "split4/mig" not in grid
    assert len(grid["split4/marginal_entropies"]) == 1
    assert entropy_scores(grid, partition=ragged).scores["mig_entropy_group"] == pytest.approx(
        0.8773, abs=1e-4
    )


def test_permuting_dimensions_permutes_the_entropies(grid):
    order = np.array([3, 1, 5, 0, 2, 4])
    moved = metrics.mig_entropy(
        grid["z"][:, order], grid["mu"][:, order], grid["logvar"][:, order], grid["factors"]
    )
    near(moved.mi_matrix, entropy_scores(grid).mi_matrix[order])


def test_a_subset_of_the_samples_is_seeded_and_named(grid):
    first, again, other = (entropy_scores(grid, num_samples=40, seed=seed) for seed in (0, 0, 1))
    assert first.scores == again.scores != other.scores
    assert first.protocol["num_samples"] == 40
    assert first.protocol["num_components"] == len(grid["z"])


def test_progress_ends_at_the_total(grid):
    seen = []
    entropy_scores(grid, progress=lambda done, total: seen.append((done, total)))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1][0] == seen[-1][1]


@pytest.mark.parametrize("kind", ["quantile_20", "quantile_6", "range_20", "range_6"])
def test_binned_mig_of_means(grid, kind):
    binning, bins = kind.split("_")
    found = metrics.mig(grid["mu"], grid["factors"], num_bins=int(bins), binning=binning)
    near(found.mi_matrix.T, grid[f"binmig_{kind}/mi"])
    near(factor_matrix.gap(found.mi_matrix) / found.factor_entropy, grid[f"binmig_{kind}/gaps"])
    near(found.scores["mig"], grid[f"binmig_{kind}/mig"])


def test_mig_of_integer_codes(grid):
    found = metrics.mig(grid["codemig/codes"], grid["factors"], binning="codes")
    near(found.mi_matrix.T, grid["codemig/mi"])
    near(found.scores["mig"], grid["codemig/mig"])
    assert histogram.entropies(grid["factors"]) == pytest.approx(np.log(grid["grid"]))

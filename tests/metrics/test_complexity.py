"""Complexity of factors, dimensions of a code, and the factor-granularity profile, on cases with a
known answer.
"""

import numpy as np
import pytest

from vae_granularity import LatentPartition, metrics
from vae_granularity.data.factors import FactorSpace
from vae_granularity.errors import ArgumentError
from vae_granularity.metrics.factor_complexity import participation_ratio
from vae_granularity.metrics.granularity_profile import granularity_profile, separating_granularity

SPACE = FactorSpace(("line", "turn", "still", "switch", "fixed"), (7, 12, 4, 2, 1))


def images(factors):
    """Pixel 0 is a line, 1 and 2 a full turn, 3 a switch; `still` changes nothing."""
    angle = 2 * np.pi * factors[:, 1] / 12
    return np.stack((factors[:, 0] / 6, np.cos(angle), np.sin(angle), factors[:, 3]), 1).reshape(
        -1, 1, 2, 2
    )


def test_complexity_of_a_line_a_turn_and_nothing():
    found = metrics.factor_complexity(images, SPACE, num_settings=3)
    expected = {
        "complexity/line": 1.0,
        "complexity/turn": 2.0,
        "complexity/still": 0.0,
        "complexity/switch": 1.0,
    }
    assert found.scores == pytest.approx(expected)
    assert found.names == ("line", "turn", "still", "switch")
    assert found.per_setting.shape == (4, 3)


def test_complexity_takes_tensors_and_names_bad_images():
    import torch

    as_tensor = metrics.factor_complexity(
        lambda f: torch.from_numpy(images(f)), SPACE, num_settings=2
    )
    assert as_tensor.scores == metrics.factor_complexity(images, SPACE, num_settings=2).scores
    with pytest.raises(ArgumentError, match=r"images\(factors\) must give 7 finite images"):
        metrics.factor_complexity(lambda f: images(f)[:1], SPACE)


@pytest.mark.parametrize("spectrum", [[1, 0, 0], [1, 1, 0], [3, 2, 1]])
def test_participation_ratio_of_a_spectrum(spectrum):
    axes = np.sqrt(np.array(spectrum, dtype=float))
    points = np.vstack((np.diag(axes), -np.diag(axes)))
    assert participation_ratio(points) == pytest.approx(
        sum(spectrum) ** 2 / sum(x * x for x in spectrum)
    )


def sample(n=1500):
    rng = np.random.default_rng(0)
    f = rng.integers(0, 6, (n, 3))
    angle = 2 * np.pi * f[:, 1] / 6
    z = np.column_stack(
        (f[:, 0] - 2.5, rng.normal(size=n), np.cos(angle), np.sin(angle))
    ) + 0.05 * rng.normal(size=(n, 4))
    return z, f  # the third factor is nowhere in the code


def test_dimensions_that_a_line_a_turn_and_an_absent_factor_need():
    found = metrics.factor_dimensions(*sample(), num_samples=600)
    assert found.dimensions == (1, 2, None)
    assert found.chosen[0] == (0,)
    assert set(found.chosen[1]) == {2, 3}
    assert found.scores == {
        "factor_dimensions/0": 1.0,
        "factor_dimensions/1": 2.0,
        "factor_dimensions/2": None,
    }


def test_profile_shows_the_granularity_at_which_each_factor_separates():
    profile = granularity_profile(*sample(), [1, 2, 4])
    assert separating_granularity(profile) == [1, 2, None]
    assert profile[1].gap[1] < 0.3  # half of the turn in each of two dimensions
    assert profile[2].gap[1] > 0.9
    assert profile[2].share[1] == pytest.approx(1, abs=0.05)
    assert profile[4].gap is None  # one group has no second
    assert not profile[4].alone[:2].any()
    assert profile[2].scores == {"carriers_group": 2}


def test_profile_of_an_explicit_partition_names_its_units():
    found = metrics.unit_profile(*sample(), partition=LatentPartition(((0, 1), (2, 3))))
    assert found.protocol["found"]["units"] == [[0, 1], [2, 3]]
    assert found.best_unit[:2].tolist() == [0, 1]
    assert found.nmi.shape == (2, 3)

"""The factor grid: index and factors are inverse, row-major; sampling is factor by factor."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vae_granularity.data.factors import FactorSpace
from vae_granularity.errors import ArgumentError

SHAPES3D = FactorSpace(
    ("floor", "wall", "object", "scale", "shape", "orientation"), (10, 10, 10, 8, 4, 15)
)
sizes = st.lists(st.integers(1, 5), min_size=1, max_size=5).map(tuple)


def space_of(sizes: tuple[int, ...]) -> FactorSpace:
    return FactorSpace(tuple(f"f{k}" for k in range(len(sizes))), sizes)


@given(sizes)
def test_index_counts_the_rows_with_the_last_factor_fastest(sizes: tuple[int, ...]) -> None:
    space = space_of(sizes)
    rows = np.array(list(itertools.product(*map(range, sizes))))
    np.testing.assert_array_equal(space.index(rows), np.arange(space.size))
    np.testing.assert_array_equal(space.factors(np.arange(space.size)), rows)


@given(sizes, st.integers(0, 2**32 - 1))
def test_a_traversal_changes_one_factor_only(sizes: tuple[int, ...], seed: int) -> None:
    space = space_of(sizes)
    base = space.sample(1, np.random.default_rng(seed))[0]
    for column, name in enumerate(space.names):
        rows = space.traverse(base, name)
        np.testing.assert_array_equal(rows[:, column], np.arange(sizes[column]))
        np.testing.assert_array_equal(
            np.delete(rows, column, 1), np.delete(np.repeat(base[None], len(rows), 0), column, 1)
        )


def test_sampling_follows_the_published_random_numbers() -> None:
    """disentanglement_lib draws factor by factor with RandomState.randint(size, size=n)."""
    reference = np.random.RandomState(7)
    expected = np.stack([reference.randint(size, size=50) for size in SHAPES3D.sizes], axis=1)
    np.testing.assert_array_equal(SHAPES3D.sample(50, np.random.RandomState(7)), expected)


@pytest.mark.parametrize("fixed", [{"wall": 3}, {1: 3}])
def test_fixing_a_factor_leaves_the_draw_of_the_others(fixed: dict) -> None:
    free, held = (SHAPES3D.sample(20, np.random.default_rng(0), fixed=f) for f in (None, fixed))
    assert (held[:, 1] == 3).all()
    np.testing.assert_array_equal(np.delete(free, 1, 1), np.delete(held, 1, 1))


def test_factors_of_one_value_stay_and_are_named() -> None:
    space = FactorSpace(("color", "shape", "scale"), (1, 3, 6))
    assert (space.size, space.num_factors, space.varying, space.constant) == (
        18,
        3,
        ("shape", "scale"),
        ("color",),
    )


def test_twins_are_depicted_by_the_first_of_their_values() -> None:
    space = FactorSpace(("shape", "turn"), (2, 5), twins=(("turn", 0, 4), ("shape", 1, 7)))
    rows = space.factors(np.arange(space.size))
    assert (space.factors(space.depicted(np.arange(space.size))) == rows % [2, 4]).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: FactorSpace(("a",), (2, 3)),
            r"one size for each of the factors \('a',\), got \(2, 3\)",
        ),
        (lambda: FactorSpace(("a", "a"), (2, 3)), "must differ"),
        (lambda: FactorSpace(("a", "b"), (2, 0)), "integers >= 1, got {'a': 2, 'b': 0}"),
        (lambda: FactorSpace(("a",), (2,), twins=(("b", 0, 1),)), "got 'b'"),
        (
            lambda: SHAPES3D.index(np.zeros((2, 5), int)),
            r"an \(n, 6\) array of integers \(floor, .*\), got shape \(2, 5\) of int64",
        ),
        (lambda: SHAPES3D.index(np.zeros((2, 6))), r"array of integers .* of float64"),
        (lambda: SHAPES3D.index([[0, 0, 0, 8, 0, 0]]), r"scale must be in \[0, 7\], got 8"),
        (lambda: SHAPES3D.factors([480_000]), r"index must be in \[0, 479999\]"),
        (lambda: SHAPES3D.position("hue"), "got 'hue'"),
        (
            lambda: SHAPES3D.sample(2, np.random.default_rng(0), fixed={"shape": 9}),
            r"shape must be in \[0, 3\], got 9",
        ),
    ],
)
def test_bad_arguments_are_named(call, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        call()

"""Comparing what two ways of computing the same thing have measured."""

from __future__ import annotations

import pytest


def assert_same_numbers(
    found: dict[str, float | None], expected: dict[str, float | None], tolerance: float = 2e-3
) -> None:
    """Equal names, values within the tolerance: the same sums in float32, in another order."""
    assert set(found) == set(expected)
    for name, value in expected.items():
        if value is None:
            assert found[name] is None
        else:
            assert found[name] == pytest.approx(value, rel=tolerance, abs=tolerance), name

"""Kinds of values that a data set has and a likelihood admits."""

# By name, each contained in the next.
VALUES = {"binary": "0 or 1", "unit": "in [0, 1]", "real": "any real numbers"}


def admits(support: str, values: str) -> bool:
    """Return whether a likelihood of that support has a density at every one of these values."""
    kinds = list(VALUES)
    return kinds.index(values) <= kinds.index(support)

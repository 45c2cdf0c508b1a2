"""What pixel values a data set has and a likelihood admits."""

# By name, each contained in the next.
VALUES = {"binary": "0 or 1", "unit": "in [0, 1]", "real": "any real numbers"}


def admits(support: str, values: str) -> bool:
    """Whether a likelihood of that support gives every one of these values a density."""
    kinds = list(VALUES)
    return kinds.index(values) <= kinds.index(support)

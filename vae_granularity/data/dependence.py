"""Factors that depend on each other: which images are drawn how often, and what that makes known.

Pairs of factors follow Träuble et al. 2021 (arXiv 2006.07886): p(a, b) is proportional to
exp(-(a - alpha b)^2 / 2 sigma^2), with values scaled to [0, 1] by their place among the factor's
values. Several pairs multiply, and with them the frequency that the data have of themselves.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, NamedTuple, Self

import numpy as np

from vae_granularity.errors import ArgumentError, number

KEYS = {"factors", "confounder", "sigma", "alpha"}
KEY = "dataset.correlation"
NO_LABELS = "a label with several values, and the data set has none"


class Pair(NamedTuple):
    """Two factors that depend on each other; the smaller sigma, the more."""

    first: str
    second: str
    sigma: float
    alpha: float


class Entry(NamedTuple):
    """One entry of `dataset.correlation`: two factors, or one and None for all the others."""

    factors: tuple[str, str | None]
    sigma: float
    alpha: float


def entries(correlation: Any) -> tuple[Entry, ...]:
    """The checked entries of `dataset.correlation`; none for None.

    Raises:
        ArgumentError: not a list of {factors: [A, B], sigma: S} or {confounder: A, sigma: S}.

    >>> entries([{"factors": ["floor_hue", "wall_hue"], "sigma": 0.2}])
    (Entry(factors=('floor_hue', 'wall_hue'), sigma=0.2, alpha=1.0),)
    """
    if correlation is None:
        return ()
    wanted = "a list of {factors: [A, B], sigma: S} or {confounder: A, sigma: S}, or null"
    if isinstance(correlation, (str, Mapping)) or not isinstance(correlation, Sequence):
        raise ArgumentError(f"{KEY} must be {wanted}, got {correlation!r}")
    if not correlation:
        raise ArgumentError(f"{KEY} must be {wanted}, got an empty list")
    return tuple(_entry(f"{KEY}[{i}]", node, wanted) for i, node in enumerate(correlation))


def _entry(place: str, node: Any, wanted: str) -> Entry:
    if not isinstance(node, Mapping) or ("factors" in node) == ("confounder" in node):
        raise ArgumentError(f"{place} is no entry of {wanted}, got {node!r}")
    if strange := sorted(set(map(str, node)) - KEYS):
        raise ArgumentError(f"{place} has the unknown key {strange[0]!r}; there are {sorted(KEYS)}")
    if "sigma" not in node:
        raise ArgumentError(f"{place}.sigma is missing: the smaller, the stronger the dependence")
    sigma = number(f"{place}.sigma", node["sigma"], 0.0, above=True)
    alpha = number(f"{place}.alpha", node.get("alpha", 1.0))
    if "confounder" in node:
        return Entry((str(node["confounder"]), None), sigma, alpha)
    named = node["factors"]
    both = [str(name) for name in named] if isinstance(named, Sequence) else []
    if isinstance(named, str) or len(both) != 2 or both[0] == both[1]:
        raise ArgumentError(f"{place}.factors must name two different factors, got {named!r}")
    return Entry((both[0], both[1]), sigma, alpha)


@dataclass(frozen=True)
class Dependence:
    """Pairs of factors that depend on each other, among the labels of a data set.

    Args:
        pairs: of the factors' names.
        names, sizes: of all labels, and how many values each has.

    >>> two = Dependence.of(entries([{"factors": ["a", "b"], "sigma": 0.5}]), ("a", "b"), (2, 2))
    >>> rows = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    >>> two.probabilities(rows).round(2).tolist()
    [0.44, 0.06, 0.06, 0.44]
    >>> {name: round(nats, 2) for name, nats in two.information(rows).items()}
    {'a,b': 0.33}
    """

    pairs: tuple[Pair, ...]
    names: tuple[str, ...]
    sizes: tuple[int, ...]

    @classmethod
    def of(cls, given: Sequence[Entry], names: Sequence[str], sizes: Sequence[int]) -> Self:
        """The pairs of all entries; a confounder makes one with each other factor that varies.

        Raises:
            ArgumentError: a factor that there is not, or of one value; the same pair twice.
        """
        varying = [name for name, size in zip(names, sizes, strict=True) if size > 1]
        found: list[Pair] = []
        for i, ((first, second), sigma, alpha) in enumerate(given):
            for name in filter(None, (first, second)):
                if name not in varying:
                    accepted = f"one of {', '.join(varying)}" if varying else NO_LABELS
                    constant = ", which has one value" if name in names else ""
                    got = f"got {name}{constant}"
                    raise ArgumentError(f"{KEY}[{i}]: each factor must be {accepted}, {got}")
            others = [second] if second else [name for name in varying if name != first]
            if not others:
                raise ArgumentError(f"{KEY}[{i}]: no factor but {first} varies")
            found += [
                Pair(first, second, sigma, alpha) if second else Pair(other, first, sigma, alpha)
                for other in others
            ]
        together = [frozenset(pair[:2]) for pair in found]
        for pair, both in zip(found, together, strict=True):
            if together.count(both) > 1:
                raise ArgumentError(f"{KEY} names the pair {pair.first}, {pair.second} twice")
        return cls(tuple(found), tuple(names), tuple(sizes))

    def probabilities(self, values: np.ndarray) -> np.ndarray:
        """Probability (n,) of each row of factor values (n, F), integers from 0; they sum to 1."""
        logits = np.zeros(len(values))
        for pair in self.pairs:
            i, j = self.names.index(pair.first), self.names.index(pair.second)
            a, b = (values[:, k] / (self.sizes[k] - 1) for k in (i, j))
            logits -= (a - pair.alpha * b) ** 2 / (2 * pair.sigma**2)
        weights = np.exp(logits - logits.max())
        return weights / weights.sum()

    def information(self, values: np.ndarray) -> dict[str, float]:
        """Nats that the factors in pairs tell of each other, each of each, where rows (n, F) are
        drawn by `probabilities`; by "first,second" in the order of `names`.
        """
        p, found = self.probabilities(values), {}
        involved = {name for pair in self.pairs for name in pair[:2]}
        for i, j in combinations([k for k, name in enumerate(self.names) if name in involved], 2):
            shape = self.sizes[i], self.sizes[j]
            flat = values[:, i] * shape[1] + values[:, j]
            joint = np.bincount(flat, p, shape[0] * shape[1]).reshape(shape)
            ratio = joint / (joint.sum(1, keepdims=True) * joint.sum(0)).clip(min=1e-300)
            nats = (joint * np.log(np.where(joint > 0, ratio, 1.0))).sum()
            found[f"{self.names[i]},{self.names[j]}"] = float(nats)
        return found


def draw_distinct(probabilities: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw different rows, each with a chance proportional to its probability; in random order.

    Systematic sampling (Madow 1949): a row of probability p is among them with chance m p for m
    rows, so that frequencies in the draw are those of the distribution. No chance can be above 1:
    m is at most 1 / max(p).

    Args:
        probabilities: (n,), which sum to 1.
        count: rows to draw, at most; fewer where the distribution allows no more.

    Returns:
        Positions (m,) of the rows.

    >>> rows = draw_distinct(np.array([0.5, 0.25, 0.25]), 3, np.random.default_rng(0))
    >>> len(rows), 0 in rows
    (2, True)
    """
    most = int(np.floor(1.0 / probabilities.max() + 1e-9))
    count = min(count, most)
    order = rng.permutation(len(probabilities))
    ends = np.cumsum(probabilities[order]) * count
    marks = rng.random() + np.arange(count)
    # Rounding may leave the last end a little below the last mark.
    places = np.minimum(np.searchsorted(ends, marks, side="right"), len(order) - 1)
    return rng.permutation(order[np.unique(places)])

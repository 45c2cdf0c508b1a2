"""Accuracy of classifiers on few and on many codes (Locatello et al. 2019, arXiv 1811.12359)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vae_granularity.errors import ArgumentError, integer
from vae_granularity.metrics.core import classifiers
from vae_granularity.metrics.core.inputs import (
    Array,
    Codes,
    FactorKinds,
    LabelledSample,
    labelled_sample,
    unit_sets,
)
from vae_granularity.metrics.core.result import MetricResult, Scores
from vae_granularity.partition import LatentPartition

SIZES = (100, 1_000, 10_000)


@dataclass(frozen=True, eq=False, kw_only=True)
class DownstreamResult(MetricResult):
    score_names = ("downstream_*",)
    sizes: tuple[int, ...]  # numbers of training codes that there were rows for
    accuracies: dict[str, Array]  # classifier to (sizes, F) test accuracies
    # (sizes, F): those of the linear classifier that sees one group, the best by training accuracy
    accuracies_group: Array | None


def downstream(
    latents: Any,
    factors: Any,
    *,
    test: tuple[Any, Any],
    sizes: Sequence[int] = SIZES,
    regressor: str = "sklearn",
    seed: int = 0,
    partition: LatentPartition | None = None,
    factor_kinds: FactorKinds = None,
) -> DownstreamResult:
    """How well a classifier predicts a factor from n codes: test accuracy, mean over factors.

    `downstream_linear_n` and `downstream_boosted_n` for each n of `sizes`, missing where there are
    fewer rows; `downstream_…_efficiency` is the accuracy on the fewest codes over that on the most
    (1: few suffice). A partition adds `downstream_linear_n_group`: the classifier sees one group,
    the one with the highest training accuracy, so that it is high where one group tells a factor.

    disentanglement_lib's linear classifier chooses its L2 strength by ten-fold cross-validation,
    which folds without all values cannot do at 100 codes; here it is 1 on standardised codes.

    Args:
        latents: (n, D); the classifiers are trained on random rows of them.
        factors: (n, F) integers.
        test: (latents (m, D), factors (m, F)).
        regressor: trees of the boosted classifier: `sklearn` (published; minutes at 10 000 codes)
            or `lightgbm`, whose scores are named `downstream_boosted_fast_…`.
        seed: of the rows and the trees.
        factor_kinds: one kind for all factors or one each, see `core.inputs.FACTOR_KINDS`.

    Raises:
        ArgumentError: bad tables, partition, regressor, seed or sizes; lightgbm is not installed.
    """
    fast, seed = classifiers.check_trees(regressor, seed)
    if not sizes:
        raise ArgumentError("sizes must name at least one number of codes, got none")
    asked = sorted({integer("sizes", size, 2) for size in sizes})
    if test is None:
        raise ArgumentError("test must be a pair (latents, factors), got None")
    sample = labelled_sample(latents, factors, test, min_rows=2, factor_kinds=factor_kinds)
    groups = unit_sets(partition, sample.latents.shape[1]).get("_group")
    order = np.random.default_rng(seed).permutation(len(sample.latents))
    found = tuple(size for size in asked if size <= len(order))
    scores: Scores = {}
    accuracies: dict[str, Array] = {}
    for kind, name in (("linear", "linear"), (regressor, f"boosted{fast}")):
        table = np.array([_accuracies(kind, sample, order[:size], seed) for size in found])
        accuracies[kind] = table
        of_kind = _scores(f"downstream_{name}", asked, found, table)
        low, high = (of_kind[f"downstream_{name}_{size}"] for size in (asked[0], asked[-1]))
        scores |= of_kind
        if len(asked) > 1:
            ratio = None if low is None or not high else low / high
            scores[f"downstream_{name}_efficiency"] = ratio
    by_group = None
    if groups is not None:
        by_group = np.array([_by_best_group(sample, order[:size], groups) for size in found])
        scores |= _scores("downstream_linear", asked, found, by_group, suffix="_group")
    versions = [classifiers.version(kind) for kind in accuracies]
    return DownstreamResult(
        scores=scores,
        protocol=sample.protocol() | {"sizes": asked, "seed": seed, "classifiers": versions},
        sizes=found,
        accuracies=accuracies,
        accuracies_group=by_group,
    )


def _scores(
    prefix: str, asked: Sequence[int], found: Sequence[int], table: Array, suffix: str = ""
) -> Scores:
    """Means over factors by size; None for the sizes that there were too few rows for."""
    means = {size: float(row.mean()) for size, row in zip(found, table, strict=True)}
    return {f"{prefix}_{size}{suffix}": means.get(size) for size in asked}


def _accuracies(kind: str, sample: LabelledSample, rows: Codes, seed: int) -> list[float]:
    """Test accuracy of each factor from all latents of some rows."""
    x, y = sample.latents[rows], sample.factors[rows]
    guesses = classifiers.predict_all(kind, x, y, sample.test_latents, seed)
    truths = sample.test_factors.T
    return [float((g == t).mean()) for g, t in zip(guesses, truths, strict=True)]


def _by_best_group(
    sample: LabelledSample, rows: Codes, groups: Sequence[Sequence[int]]
) -> list[float]:
    """Test accuracy of each factor from the group with the highest training accuracy."""
    x, y = sample.latents[rows], sample.factors[rows]
    both = np.concatenate([x, sample.test_latents])
    best = []
    for f, truth in enumerate(sample.test_factors.T):
        guesses = [
            classifiers.predict("linear", x[:, dims], y[:, f], both[:, dims], 0)
            for dims in map(list, groups)
        ]
        trained = [float((guess[: len(x)] == y[:, f]).mean()) for guess in guesses]
        best.append(float((guesses[int(np.argmax(trained))][len(x) :] == truth).mean()))
    return best

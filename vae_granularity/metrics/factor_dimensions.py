"""How many latents a factor needs: the smallest set, grown greedily, that tells nearly all that the
whole code tells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vae_granularity.errors import integer, number
from vae_granularity.metrics.core import knn, logistic
from vae_granularity.metrics.core.inputs import Array, labelled_sample
from vae_granularity.metrics.core.result import MetricResult


@dataclass(frozen=True, eq=False, kw_only=True)
class FactorDimensionsResult(MetricResult):
    dimensions: tuple[int | None, ...]  # F; None where the whole code tells nothing
    chosen: tuple[tuple[int, ...], ...]  # F; latents in the order they were added
    information: Array  # (F,) InfoE of the whole code


def factor_dimensions(
    latents: Any,
    factors: Any,
    *,
    factor_names: Sequence[str] | None = None,
    share: float = 0.9,
    num_samples: int = 2_000,
    seed: int = 0,
    negligible: float = 0.02,
) -> FactorDimensionsResult:
    """Smallest number of latents, added greedily, that reaches `share` of the predictive
    information (InfoE) of all latents on a factor.

    Scores are named `factor_dimensions/<factor>`. A factor on which the whole code has less than
    `negligible` information has none.

    Args:
        latents: (n, D); factors: (n, F) integers; factor_names: of their F columns, None for the
            numbers.
        num_samples: a seeded subset of that many rows is used where n is larger: D fits a step and
            factor.

    Raises:
        ArgumentError: bad tables, share outside (0, 1], num_samples < 2.
    """
    share, negligible = (
        number("share", share, 0, 1, above=True),
        number("negligible", negligible, 0, 1),
    )
    num_samples, seed = integer("num_samples", num_samples, 2), integer("seed", seed, 0)
    full = labelled_sample(latents, factors)
    rows = np.random.default_rng(seed).permutation(len(full.latents))[:num_samples]
    sample = labelled_sample(full.latents[rows], full.factors[rows])
    x = knn.standardize(sample.latents)[0]
    information = np.array([logistic.predictive_information(x, y)[0] for y in sample.factors.T])
    chosen = tuple(
        _grow(x, y, share * whole) if whole >= negligible else ()
        for y, whole in zip(sample.factors.T, information, strict=True)
    )
    dimensions = tuple(len(dims) or None for dims in chosen)
    columns = [full.kept_factors[f] for f in sample.kept_factors]
    protocol = sample.protocol() | {
        "kept_factors": columns,
        "share": share,
        "negligible": negligible,
        "seed": seed,
        "classifier": logistic.version(),
    }
    names = [str(f) if factor_names is None else factor_names[f] for f in columns]
    scores = {
        f"factor_dimensions/{name}": None if d is None else float(d)
        for name, d in zip(names, dimensions, strict=True)
    }
    return FactorDimensionsResult(
        scores=scores,
        protocol=protocol,
        dimensions=dimensions,
        chosen=chosen,
        information=information,
    )


def _grow(x: Array, y: Any, target: float) -> tuple[int, ...]:
    """Latents in the order in which each adds most, until they reach the target: x (n, D), y
    (n,).
    """
    chosen: list[int] = []
    while len(chosen) < x.shape[1]:
        rest = [d for d in range(x.shape[1]) if d not in chosen]
        reached = [logistic.predictive_information(x[:, [*chosen, d]], y)[0] for d in rest]
        chosen.append(rest[int(np.argmax(reached))])
        if max(reached) >= target:
            break
    return tuple(chosen)

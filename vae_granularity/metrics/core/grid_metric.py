"""The thin torchmetrics form of scores that draw from a whole factor grid: the collected table is
what they index.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from vae_granularity.errors import ArgumentError
from vae_granularity.metrics.core.inputs import (
    Array,
    Codes,
    Encode,
    FactorSpace,
    as_factors,
    as_latents,
)
from vae_granularity.metrics.core.result import MetricResult
from vae_granularity.metrics.core.table_metric import TableMetric


class GridMetric(TableMetric):
    """Collects latents and factors of every point of `space`, in any order, and calls
    `function(encode, space)` on that table.
    """

    def __init__(self, space: FactorSpace, **options: Any) -> None:
        super().__init__(**options)
        self.space = space

    def result(self) -> MetricResult:
        """The pure function's result. Raises ArgumentError unless every point of the grid was
        collected.
        """
        return type(self).function(
            table_encoder(*self.table(), sizes=self.space.sizes), self.space, **self.options
        )


def table_encoder(latents: Any, factors: Any, *, sizes: tuple[int, ...]) -> Encode:
    """A function factors (n, F) to latents (n, D) that looks up a table of the whole grid: latents
    (N, D), factors (N, F).

    Raises:
        ArgumentError: factors outside `sizes`, or points of the grid that are missing.
    """
    z = as_latents(latents)
    f = as_factors(factors, len(z))
    if f.shape[1] != len(sizes) or (f < 0).any() or (f >= np.array(sizes)).any():
        raise ArgumentError(
            f"factors must be inside the grid of sizes {tuple(sizes)}, got {f.shape[1]} factors up to {f.max(0).tolist()}"
        )
    index = np.ravel_multi_index(tuple(f.T), sizes)
    seen = np.zeros(int(np.prod(sizes)), dtype=bool)
    seen[index] = True
    if not seen.all():
        raise ArgumentError(
            f"factors must cover the whole grid of {seen.size} points, got {int(seen.sum())} of them"
        )
    table: Array = np.empty((seen.size, z.shape[1]))
    table[index] = z

    def encode(points: Codes) -> Array:
        return table[np.ravel_multi_index(tuple(np.asarray(points).T), sizes)]

    return encode

"""The torchmetrics form of a pure metric: batches are collected, the function sees them once."""

import inspect
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities.data import dim_zero_cat

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


class TableMetric(Metric):
    """Collects the batches of a table over all processes and calls `function` on it.

    Options of the pure function and of `torchmetrics.Metric` are keyword arguments. `update(...,
    test=True)` fills the test part of the functions that have one. `compute` leaves out scores that
    are undefined; `result` has them as None, with matrices and protocol.
    """

    full_state_update = False
    is_differentiable = False
    higher_is_better = True

    function: ClassVar[Callable[..., MetricResult]]
    inputs: tuple[str, ...] = ("latents", "factors")

    def __init__(self, **options: Any) -> None:
        known = inspect.signature(type(self).function).parameters
        super().__init__(**{name: value for name, value in options.items() if name not in known})
        self.options = {name: value for name, value in options.items() if name in known}
        self.has_test = "test" in known
        for prefix in ("", "test_") if self.has_test else ("",):
            for name in self.inputs:
                self.add_state(prefix + name, [], dist_reduce_fx="cat")

    def update(self, *arrays: Any, test: bool = False) -> None:
        """Add a batch: one array a name in `inputs`, rows first.

        Raises:
            ArgumentError: not as many arrays as inputs, or a test part for a metric that has none.
        """
        name = type(self).__name__
        if len(arrays) != len(self.inputs):
            raise ArgumentError(
                f"update of {name} takes {', '.join(self.inputs)}, got {len(arrays)} arrays"
            )
        if test and not self.has_test:
            raise ArgumentError(f"test must be False for {name}, which has no test part, got True")
        for state, array in zip(self.inputs, arrays, strict=True):
            batch = torch.as_tensor(array).detach()
            getattr(self, f"test_{state}" if test else state).append(batch)

    def table(self, prefix: str = "") -> list[Tensor]:
        """Collected inputs: lists before, tensors after a distributed sync (torchmetrics#2005)."""
        return [dim_zero_cat(getattr(self, prefix + name)) for name in self.inputs]

    def result(self) -> MetricResult:
        """The pure function's result on everything collected so far."""
        options = dict(self.options)
        if self.has_test and self.metric_state["test_latents"] != []:
            options["test"] = tuple(self.table("test_"))
        return type(self).function(*self.table(), **options)

    def compute(self) -> dict[str, Tensor]:
        """Defined scores as float tensors."""
        scores = self.result().scores.items()
        return {name: torch.tensor(value) for name, value in scores if value is not None}


class GridMetric(TableMetric):
    """Collects latents and factors of every point of `space`, in any order, for scores to index."""

    def __init__(self, space: FactorSpace, **options: Any) -> None:
        super().__init__(**options)
        self.space = space

    def result(self) -> MetricResult:
        """The pure function's result. Raises ArgumentError unless the whole grid was collected."""
        encode = table_encoder(*self.table(), sizes=self.space.sizes)
        return type(self).function(encode, self.space, **self.options)


def collected(
    name: str,
    function: Callable[..., MetricResult],
    *inputs: str,
    of: type[TableMetric] = TableMetric,
) -> type[TableMetric]:
    """The class of that name: `function` over collected batches of its inputs."""
    what = {
        "__doc__": f"`{function.__name__}` over collected batches.",
        "function": staticmethod(function),
    }
    what |= {"inputs": inputs or TableMetric.inputs, "__module__": "vae_granularity.metrics"}
    return type(name, (of,), what)


def table_encoder(latents: Any, factors: Any, *, sizes: tuple[int, ...]) -> Encode:
    """A function factors (n, F) to latents (n, D) that looks up a table (N, D), (N, F) of the grid.

    Raises:
        ArgumentError: factors outside `sizes`, or points of the grid that are missing.

    >>> table_encoder([[0.5], [0.25]], [[1], [0]], sizes=(2,))([[1], [1]]).tolist()
    [[0.5], [0.5]]
    """
    z = as_latents(latents)
    f = as_factors(factors, len(z))
    if f.shape[1] != len(sizes) or (f < 0).any() or (f >= np.array(sizes)).any():
        raise ArgumentError(
            f"factors must be inside the grid of sizes {tuple(sizes)}, got {f.shape[1]} factors up"
            f" to {f.max(0).tolist()}"
        )
    index = np.ravel_multi_index(tuple(f.T), sizes)
    seen = np.zeros(int(np.prod(sizes)), dtype=bool)
    seen[index] = True
    if not seen.all():
        raise ArgumentError(
            f"factors must cover the whole grid of {seen.size} points, got {seen.sum()} of them"
        )
    table: Array = np.empty((seen.size, z.shape[1]))
    table[index] = z

    def encode(points: Codes) -> Array:
        return table[np.ravel_multi_index(tuple(np.asarray(points).T), sizes)]

    return encode

"""The thin torchmetrics form of a pure metric: batches are collected, the pure function sees the
whole table once.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities.data import dim_zero_cat

from vae_granularity.errors import ArgumentError
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
    inputs: ClassVar[tuple[str, ...]] = ("latents", "factors")

    def __init__(self, **options: Any) -> None:
        known = inspect.signature(type(self).function).parameters
        super().__init__(**{name: value for name, value in options.items() if name not in known})
        self.options = {name: value for name, value in options.items() if name in known}
        self.has_test = "test" in known
        for name in self.inputs:
            self.add_state(name, [], dist_reduce_fx="cat")
            if self.has_test:
                self.add_state(f"test_{name}", [], dist_reduce_fx="cat")

    def update(self, *arrays: Any, test: bool = False) -> None:
        """Add a batch: one array a name in `inputs`, rows first.

        Raises:
            ArgumentError: not as many arrays as inputs, or a test part for a metric that has none.
        """
        if len(arrays) != len(self.inputs):
            raise ArgumentError(
                f"update of {type(self).__name__} takes {', '.join(self.inputs)}, got {len(arrays)} arrays"
            )
        if test and not self.has_test:
            raise ArgumentError(
                f"test must be False for {type(self).__name__}, which has no test part, got True"
            )
        for name, array in zip(self.inputs, arrays, strict=True):
            getattr(self, f"test_{name}" if test else name).append(torch.as_tensor(array).detach())

    def table(self, prefix: str = "") -> list[Tensor]:
        """The collected inputs; a list before and a tensor after a distributed sync
        (torchmetrics#2005), both are accepted.
        """
        return [dim_zero_cat(getattr(self, prefix + name)) for name in self.inputs]

    def result(self) -> MetricResult:
        """The pure function's result on everything collected so far."""
        options = dict(self.options)
        if self.has_test and len(self.test_latents):
            options["test"] = tuple(self.table("test_"))
        return type(self).function(*self.table(), **options)

    def compute(self) -> dict[str, Tensor]:
        """Defined scores as float tensors."""
        return {
            name: torch.tensor(value)
            for name, value in self.result().scores.items()
            if value is not None
        }

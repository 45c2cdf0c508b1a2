"""What every metric returns: scores by name, their protocol, and the matrices behind them."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from vae_granularity.partition import LatentPartition

Scores = dict[str, float | None]


@dataclass(frozen=True, eq=False, kw_only=True)
class MetricResult:
    """Base of the metrics' results; each metric adds its matrices as named attributes.

    Attributes:
        scores: name to value; None is a score that is undefined for this input: missing, not 0.
        protocol: what the numbers depend on, JSON-serialisable; under `found`, what this input made
            of it (dead dimensions, fits that did not converge). Scores whose protocols differ in
            more than `seed` and `found` must not be averaged: see `runs.aggregate`.
        score_names: patterns (as of `fnmatch`) of all names that `scores` may have; no other metric
            has them, as a score has one protocol.
        needs: inputs that must exist for the scores to mean anything, beside the parameters.
    """

    scores: Scores
    protocol: dict[str, Any] = field(default_factory=dict)
    score_names: ClassVar[tuple[str, ...]] = ()
    needs: ClassVar[tuple[str, ...]] = ()

    def rescore(self, partition: LatentPartition) -> Scores:
        """Group scores under another partition from what is here; none if that takes a fit."""
        return {}


def result_class(metric: Callable[..., MetricResult]) -> type[MetricResult]:
    """What a metric, with or without bound options, is annotated to return.

    >>> from vae_granularity import metrics
    >>> result_class(functools.partial(metrics.mig, num_bins=10)).score_names
    ('mig',)
    """
    function = metric.func if isinstance(metric, functools.partial) else metric
    kind = inspect.signature(function, eval_str=True).return_annotation
    return kind if isinstance(kind, type) and issubclass(kind, MetricResult) else MetricResult

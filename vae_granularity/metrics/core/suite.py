"""Several metrics on one encoding: each gets the inputs that its parameters name, or is reported as
not applicable.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vae_granularity.errors import TOO_LITTLE
from vae_granularity.metrics.core.annotate_scores import Companions
from vae_granularity.metrics.core.harmonic_scores import group_headlines
from vae_granularity.metrics.core.inactive import inactive
from vae_granularity.metrics.core.inputs import NoGroupForm, TooLittleData
from vae_granularity.metrics.core.result import MetricResult, Scores
from vae_granularity.metrics.core.sampling import fresh_sample
from vae_granularity.metrics.irs import irs
from vae_granularity.metrics.modularity import modularity
from vae_granularity.partition import LatentPartition

# Scores that ask what the other factors do: labels that are not all factors cannot answer.
ALL_FACTORS = (irs,)


@dataclass(frozen=True)
class SuiteResult:
    """What a set of metrics found, and why some found nothing."""

    results: dict[str, MetricResult] = field(default_factory=dict)
    beside: dict[str, Scores] = field(
        default_factory=dict
    )  # metric to nulls, standard errors, scores under common partitions
    not_applicable: dict[str, str] = field(default_factory=dict)  # metric to reason
    inactive: tuple[int, ...] = ()  # dimensions that hold nothing, by the input `kl`

    def scores_of(self, metric: str) -> Scores:
        """What one metric gave, with what stands beside it."""
        return self.results[metric].scores | self.beside.get(metric, {})

    @property
    def scores(self) -> Scores:
        """All scores by name, with the harmonic means of group scores and their partners."""
        found = {
            name: value for metric in self.results for name, value in self.scores_of(metric).items()
        }
        return found | group_headlines(found)

    @property
    def protocol(self) -> dict[str, dict[str, object]]:
        """Protocol of each metric, and under `scores` the names that it holds for."""
        return {
            name: {**result.protocol, "scores": list(self.scores_of(name))}
            for name, result in self.results.items()
        }


def run_suite(
    metrics: Mapping[str, Callable[..., MetricResult]],
    inputs: Mapping[str, Any],
    partition: LatentPartition | None = None,
    *,
    companions: Companions | None = None,
    absent: Mapping[str, str] | None = None,
) -> SuiteResult:
    """Call every metric on the inputs that its parameters name; one that needs more of them than
    there is, is not applicable.

    Args:
        metrics: name to function, with its options bound (`functools.partial`).
        inputs: any of latents, factors, test, z, mu, logvar, encode, space …; what is absent or
            None does not exist for this data set.
        partition: given to the metrics that have a group form.
        companions: what to compute beside the scores; None for nothing.
        absent: input to the reason why it does not exist, for the report of what is not applicable.

    Raises:
        ArgumentError: what a metric says of an input that exists and is bad.
    """
    known = {
        name: value
        for name, value in {**inputs, "partition": partition}.items()
        if value is not None
    }
    kl = known.get("kl")
    quiet = () if kl is None else np.flatnonzero(inactive(kl, len(kl))).tolist()
    suite = SuiteResult(inactive=tuple(quiet))
    for name, metric in metrics.items():
        parameters = inspect.signature(metric).parameters
        lacking = [
            p.name for p in parameters.values() if p.default is p.empty and p.name not in known
        ]
        if not lacking and _function(metric) in ALL_FACTORS and "space" not in known:
            lacking = ["space"]
        if lacking:
            suite.not_applicable[name] = _reason(lacking, absent or {})
            continue
        given = {key: value for key, value in known.items() if key in parameters}
        if _function(metric) is modularity and "modularity_knn" in metrics:
            given.pop("partition", None)  # its group form is that metric, which is in the set
        try:
            result = _call(metric, given)
        except TooLittleData as error:
            suite.not_applicable[name] = f"{TOO_LITTLE}{error}"
            continue
        suite.results[name] = result
        if companions is not None:
            suite.beside[name] = companions.beside(metric, given, result, _fresh(known))
    return suite


def _fresh(known: Mapping[str, Any]) -> Callable[[int], Mapping[str, Any]] | None:
    """Seed to latents and factors drawn afresh from the grid, as many as there are; None without a
    grid.
    """
    if not {"encode", "space", "latents"} <= set(known):
        return None
    return functools.partial(fresh_sample, known["encode"], known["space"], len(known["latents"]))


def _call(metric: Callable[..., MetricResult], given: dict[str, Any]) -> MetricResult:
    """The metric's result; a partition that it has no form for is taken out of `given`."""
    try:
        return metric(**given)
    except NoGroupForm:
        given.pop("partition")
        return metric(**given)


def _function(metric: Callable[..., MetricResult]) -> Any:
    return metric.func if isinstance(metric, functools.partial) else metric


def _reason(lacking: list[str], absent: Mapping[str, str]) -> str:
    reasons = dict.fromkeys(absent[name] for name in lacking if name in absent)
    why = "; ".join(reasons) if reasons else "which this data set or model does not have"
    return f"needs {', '.join(lacking)}{': ' if reasons else ', '}{why}"

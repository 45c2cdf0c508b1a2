"""Several metrics on one encoding: each gets the inputs that its parameters name, or is reported as not applicable."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from vae_granularity.metrics.group_headline import group_headlines
from vae_granularity.metrics.inputs import NoGroupForm
from vae_granularity.metrics.result import MetricResult, Scores
from vae_granularity.partition import LatentPartition


@dataclass(frozen=True)
class SuiteResult:
    """What a set of metrics found, and why some found nothing."""

    results: dict[str, MetricResult] = field(default_factory=dict)
    not_applicable: dict[str, str] = field(default_factory=dict)  # metric to reason

    @property
    def scores(self) -> Scores:
        """All scores by name, with the harmonic means of group scores and their partners."""
        found = {name: value for result in self.results.values() for name, value in result.scores.items()}
        return found | group_headlines(found)

    @property
    def protocol(self) -> dict[str, object]:
        """Protocol of each metric."""
        return {name: result.protocol for name, result in self.results.items()}


def run_suite(
    metrics: Mapping[str, Callable[..., MetricResult]], inputs: Mapping[str, Any], partition: LatentPartition | None = None
) -> SuiteResult:
    """Call every metric on the inputs that its parameters name.

    Args:
        metrics: name to function, with its options bound (`functools.partial`).
        inputs: any of latents, factors, test, z, mu, logvar, encode, space; what is absent or None does not exist for this data set.
        partition: given to the metrics that have a group form.

    Raises:
        ArgumentError: what a metric says of an input that exists and is bad.
    """
    known = {name: value for name, value in {**inputs, "partition": partition}.items() if value is not None}
    suite = SuiteResult()
    for name, metric in metrics.items():
        parameters = inspect.signature(metric).parameters
        lacking = [p.name for p in parameters.values() if p.default is p.empty and p.name not in known]
        if lacking:
            suite.not_applicable[name] = f"needs {', '.join(lacking)}, which this data set or model does not have"
            continue
        given = {key: value for key, value in known.items() if key in parameters}
        try:
            suite.results[name] = metric(**given)
        except NoGroupForm:
            suite.results[name] = metric(**{key: value for key, value in given.items() if key != "partition"})
    return suite

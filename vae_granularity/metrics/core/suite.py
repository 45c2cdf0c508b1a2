"""Several metrics on one encoding: each gets the inputs that its parameters name."""

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from vae_granularity.errors import TOO_LITTLE, ArgumentError
from vae_granularity.metrics.core.annotate_scores import Companions
from vae_granularity.metrics.core.harmonic_scores import with_harmonic
from vae_granularity.metrics.core.inactive import inactive, indices
from vae_granularity.metrics.core.inputs import NoGroupForm, TooLittleData
from vae_granularity.metrics.core.result import MetricResult, Scores, result_class
from vae_granularity.metrics.core.sampling import fresh_sample
from vae_granularity.partition import LatentPartition


@dataclass(frozen=True)
class SuiteResult:
    """What a set of metrics found, and why some found nothing."""

    results: dict[str, MetricResult] = field(default_factory=dict)
    # Metric to nulls, standard errors, scores under common partitions.
    beside: dict[str, Scores] = field(default_factory=dict)
    not_applicable: dict[str, str] = field(default_factory=dict)  # metric to reason
    inactive: tuple[int, ...] = ()  # dimensions that hold nothing, by the input `kl`

    def scores_of(self, metric: str) -> Scores:
        """What one metric gave, with what stands beside it."""
        return self.results[metric].scores | self.beside.get(metric, {})

    @property
    def scores(self) -> Scores:
        """All scores by name, with the harmonic means of group scores and their partners."""
        found: Scores = {}
        for metric in self.results:
            found |= self.scores_of(metric)
        return with_harmonic(found)

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
    """Call every metric on the inputs that its parameters name; without them it is not applicable.

    Args:
        metrics: name to function, with its options bound (`functools.partial`).
        inputs: any of latents, factors, test, z, mu, logvar, encode, space …; what is absent or
            None does not exist for this data set.
        partition: given to the metrics that have a group form.
        companions: what to compute beside the scores; None for nothing.
        absent: input to the reason why it does not exist, for the report of what is not applicable.

    Raises:
        ArgumentError: what a metric says of an input that exists and is bad; two metrics give one
            score.
    """
    every = {**inputs, "partition": partition}
    known = {name: value for name, value in every.items() if value is not None}
    kl = known.get("kl")
    suite = SuiteResult(inactive=() if kl is None else tuple(indices(inactive(kl, len(kl)))))
    calls, owner = {}, {}
    for name, metric in metrics.items():
        parameters = inspect.signature(metric).parameters
        needed = [p.name for p in parameters.values() if p.default is p.empty]
        lacking = [p for p in needed if p not in known]
        lacking = lacking or [p for p in result_class(metric).needs if p not in known]
        if lacking:
            suite.not_applicable[name] = _reason(lacking, absent or {})
            continue
        calls[name] = {key: value for key, value in known.items() if key in parameters}
        try:
            suite.results[name] = _call(metric, calls[name])
        except TooLittleData as error:
            suite.not_applicable[name] = f"{TOO_LITTLE}{error}"
            continue
        for score in suite.results[name].scores:
            if score in owner:
                raise ArgumentError(
                    f"metrics must give each score once, got {score} from {owner[score]} and"
                    f" {name}; leave one of them out"
                )
            owner[score] = name
    if companions is not None:
        fresh = _fresh(known)
        for name, result in suite.results.items():
            suite.beside[name] = companions.annotate_scores(
                metrics[name], calls[name], result, fresh, owner
            )
    return suite


def _fresh(known: Mapping[str, Any]) -> Callable[[int], Mapping[str, Any]] | None:
    """Seed to as many latents and factors drawn afresh from the grid; None without a grid."""
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


def _reason(lacking: list[str], absent: Mapping[str, str]) -> str:
    reasons = dict.fromkeys(absent[name] for name in lacking if name in absent)
    why = "; ".join(reasons) if reasons else "which this data set or model does not have"
    return f"needs {', '.join(lacking)}{': ' if reasons else ', '}{why}"

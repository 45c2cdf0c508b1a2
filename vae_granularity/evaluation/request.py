"""Decide which metrics of a finished run must be computed.

What is asked of a measurement is recorded beside its numbers, under `asked`: an equal request is
not computed again. Loads no torch, since a sweep asks `unmeasured` of each of its finished points.
"""

import functools
from collections.abc import Collection, Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from vae_granularity.errors import TOO_LITTLE
from vae_granularity.evaluation.protocol import EvaluationProtocol
from vae_granularity.runs.identity import without_retired
from vae_granularity.runs.protocol import PROTOCOL_VERSION, VERSION, differences, version_of

# Packages whose version is part of a request: a metric may give other numbers with another one.
PACKAGES = ("vae-granularity", "scikit-learn", "lightgbm")
# Names, beside those of metrics, of what can be asked for.
TERMS = "terms"
FIGURES = "figures"
MODEL = "model"  # the figures of the model itself
Groups = list[list[int]]


def requests(
    metrics: Mapping[str, Any], protocol: EvaluationProtocol, groups: Groups
) -> dict[str, dict[str, Any]]:
    """Return the request of each metric, by name.

    It holds function, options, sizes and seed of the sample, the model's groups and versions.
    """
    common = {"partition": groups, **protocol.of_scores(), "versions": _versions()}
    return {name: {**_call(metric), **common} for name, metric in metrics.items()}


def asked_of_terms(protocol: EvaluationProtocol, groups: Groups) -> dict[str, Any]:
    """Return the request of the terms: what they depend on besides model and data."""
    return protocol.of_terms() | {"partition": groups}


def already_there(
    by_metric: Mapping[str, Mapping[str, Any]],
    before: Mapping[str, Any],
    drawn: Collection[str] | None = None,
) -> list[str]:
    """Return the metrics that need no computing under an earlier protocol.

    Either it answers their request, or they are not applicable to data and model. A metric that had
    too little data is computed again, unless the request is the same.

    Args:
        by_metric: request of each metric.
        before: protocol of the earlier results.
        drawn: metrics whose figures are there; None where none are asked for.
    """
    entries = before.get("metrics", {})
    reasons = before.get("not_applicable", {})
    answered = []
    for name, request in by_metric.items():
        entry = entries.get(name, {})
        lacks_figure = drawn is not None and bool(entry.get("scores")) and name not in drawn
        is_inapplicable = name in reasons and not reasons[name].startswith(TOO_LITTLE)
        is_same = _is_same(entry.get("asked"), request)
        if is_inapplicable or (is_same and not lacks_figure):
            answered.append(name)
    return answered


def kept(
    metrics: Mapping[str, Any],
    protocol: EvaluationProtocol,
    groups: Groups,
    before: Mapping[str, Any],
) -> list[str]:
    """Return `terms` and the metrics that earlier results hold under the same protocol.

    Of results of another version of the protocol nothing is kept.
    """
    recorded = before.get("protocol", {})
    if version_of(recorded) != PROTOCOL_VERSION:
        recorded = {}
    drawn = drawn_before(before) if protocol.draws_metrics else None
    names = already_there(requests(metrics, protocol, groups), recorded, drawn)
    terms_request = recorded.get(TERMS, {}).get("asked")
    if terms_request == asked_of_terms(protocol, groups):
        return [TERMS, *names]
    return names


def protocol_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the evaluation protocol that a config implies, for `protocol.differences`.

    For runs of which there is a config but no protocol, as on W&B.

    >>> protocol_of({"evaluation": {"null_draws": 5}})["terms"]["asked"]["num_samples"]
    1000

    Raises:
        ArgumentError: a key of `evaluation` is out of range.
    """
    config = without_retired(config)
    protocol = EvaluationProtocol(**_options(config["evaluation"]))
    by_metric = requests(config.get("metrics") or {}, protocol, [])
    metrics = {name: {"asked": request} for name, request in by_metric.items()}
    terms = {"asked": asked_of_terms(protocol, [])}
    return {VERSION: version_of(config), TERMS: terms, "metrics": metrics}


def drawn_before(results: Mapping[str, Any]) -> set[str]:
    """Return the metrics, and `model`, whose figures of the last weights are there."""
    protocol = results.get("protocol", {})
    if FIGURES in protocol:
        return set(protocol[FIGURES])
    # Older results do not record them: there they were drawn if the config asked for figures.
    if results.get("config", {}).get("evaluation", {}).get("figures", False):
        return {MODEL, *protocol.get("metrics", {})}
    return set()


def unmeasured(config: Mapping[str, Any], results: Mapping[str, Any]) -> list[str]:
    """Return what a resolved config asks for and the run's results lack: terms, figures, metrics.

    >>> config = {"evaluation": {"figures": False}, "metrics": {"mig": {"_target_": "m.mig"}}}
    >>> unmeasured(config, {})
    ['terms', 'mig']
    """
    if not config.get("evaluation"):
        return []
    protocol = EvaluationProtocol(**_options(config["evaluation"]))
    metrics = config.get("metrics") or {}
    # The groups are those of the trained model, which training may have changed.
    groups = results.get("protocol", {}).get("partition", [])
    names = [TERMS]
    if protocol.figures and MODEL not in drawn_before(results):
        names.append(FIGURES)
    names += metrics
    answered = kept(metrics, protocol, groups, results)
    return [name for name in names if name not in answered]


def _is_same(before: Mapping[str, Any] | None, request: Mapping[str, Any]) -> bool:
    """Return whether two requests are equal but for the module of the function.

    A config names the package that lists a metric, a partial function the module it lies in.
    """
    if before is None:
        return False
    return not differences([_by_short_name(before), _by_short_name(request)], ignored=())


def _by_short_name(request: Mapping[str, Any]) -> dict[str, Any]:
    return {**request, "function": str(request.get("function")).rpartition(".")[2]}


def _call(metric: Any) -> dict[str, Any]:
    """Return function and options of a config node, or of the partial function it makes."""
    if isinstance(metric, Mapping):
        return {"function": metric["_target_"], "options": _options(metric)}
    partial = metric if isinstance(metric, functools.partial) else functools.partial(metric)
    name = f"{partial.func.__module__}.{partial.func.__qualname__}"
    return {"function": name, "options": dict(partial.keywords)}


def _options(node: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in node.items() if not key.startswith("_")}


@functools.cache
def _versions() -> dict[str, str | None]:
    versions: dict[str, str | None] = dict.fromkeys(PACKAGES)
    for package in PACKAGES:
        with suppress(PackageNotFoundError):  # lightgbm is an extra
            versions[package] = version(package)
    return versions

"""What is asked of a run's measurement, as stored beside its numbers: equal requests are kept.

Loads no torch: a sweep asks `missing` of each of its finished points.
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

PACKAGES = ("vae-granularity", "scikit-learn", "lightgbm")
TERMS, FIGURES, MODEL = "terms", "figures", "model"  # what is asked beside metrics; its pictures
Groups = list[list[int]]


def requests(
    metrics: Mapping[str, Any], protocol: EvaluationProtocol, groups: Groups
) -> dict[str, dict[str, Any]]:
    """By metric: function, options, sizes and seed of the sample, the model's groups, versions."""
    common = {"partition": groups, **protocol.of_scores(), "versions": _versions()}
    return {name: {**_call(metric), **common} for name, metric in metrics.items()}


def asked_of_terms(protocol: EvaluationProtocol, groups: Groups) -> dict[str, Any]:
    """What the terms depend on besides model and data."""
    return protocol.of_terms() | {"partition": groups}


def already_there(
    asked: Mapping[str, Mapping[str, Any]],
    before: Mapping[str, Any],
    drawn: Collection[str] | None = None,
) -> list[str]:
    """The metrics that the protocol `before` answers, or that are not applicable to data and model.

    What had too little data is asked again, but not in the same words.

    Args:
        drawn: metrics whose figures are there; None where none are asked for.
    """
    entries = before.get("metrics", {})
    reasons = before.get("not_applicable", {})
    found = []
    for name, request in asked.items():
        entry = entries.get(name, {})
        undrawn = drawn is not None and bool(entry.get("scores")) and name not in drawn
        inapplicable = name in reasons and not reasons[name].startswith(TOO_LITTLE)
        if inapplicable or (_same(entry.get("asked"), request) and not undrawn):
            found.append(name)
    return found


def kept(
    metrics: Mapping[str, Any],
    protocol: EvaluationProtocol,
    groups: Groups,
    before: Mapping[str, Any],
) -> list[str]:
    """`terms` and the metrics that results.json `before` holds under the same protocol; of another
    version of it, nothing.
    """
    how = before.get("protocol", {})
    how = how if version_of(how) == PROTOCOL_VERSION else {}
    drawn = drawn_before(before) if protocol.draws_metrics else None
    same_terms = how.get(TERMS, {}).get("asked") == asked_of_terms(protocol, groups)
    found = already_there(requests(metrics, protocol, groups), how, drawn)
    return [TERMS, *found] if same_terms else found


def protocol_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """What results.json would say of how a resolved config measures, for `protocol.differences`.

    For runs of which there is a config but no protocol, as on W&B.

    >>> protocol_of({"evaluation": {"null_draws": 5}})["terms"]["asked"]["num_samples"]
    1000

    Raises:
        ArgumentError: a key of `evaluation` is out of range.
    """
    config = without_retired(config)
    protocol = EvaluationProtocol(**_options(config["evaluation"]))
    asked = requests(config.get("metrics") or {}, protocol, [])
    metrics = {name: {"asked": request} for name, request in asked.items()}
    terms = {"asked": asked_of_terms(protocol, [])}
    return {VERSION: version_of(config), TERMS: terms, "metrics": metrics}


def drawn_before(results: Mapping[str, Any]) -> set[str]:
    """Whose figures show the last weights: metrics, and `model`; all asked for in older results."""
    how, config = results.get("protocol", {}), results.get("config", {})
    pictured = config.get("evaluation", {}).get("figures", False)
    return set(how.get(FIGURES, [MODEL, *how.get("metrics", {})] if pictured else []))


def missing(config: Mapping[str, Any], results: Mapping[str, Any]) -> list[str]:
    """What a resolved config asks for and results.json of its run lacks: terms, figures, metrics.

    >>> asked = {"evaluation": {"figures": False}, "metrics": {"mig": {"_target_": "m.mig"}}}
    >>> missing(asked, {})
    ['terms', 'mig']
    """
    if not config.get("evaluation"):
        return []
    protocol = EvaluationProtocol(**_options(config["evaluation"]))
    metrics, groups = config.get("metrics") or {}, results.get("protocol", {}).get("partition", [])
    undrawn = protocol.figures and MODEL not in drawn_before(results)
    there = kept(metrics, protocol, groups, results)
    wanted = [TERMS, *([FIGURES] if undrawn else ()), *metrics]
    return [name for name in wanted if name not in there]


def _same(before: Mapping[str, Any] | None, request: Mapping[str, Any]) -> bool:
    """Equal in all but the module of the function: a config may name the package instead."""
    if before is None:
        return False
    names = [str(one.get("function")).rpartition(".")[2] for one in (before, request)]
    pair = zip((before, request), names, strict=True)
    return not differences([{**one, "function": name} for one, name in pair], ignored=())


def _call(metric: Any) -> dict[str, Any]:
    """Function and options of a config node, or of what it makes."""
    if isinstance(metric, Mapping):
        return {"function": metric["_target_"], "options": _options(metric)}
    partial = metric if isinstance(metric, functools.partial) else functools.partial(metric)
    name = f"{partial.func.__module__}.{partial.func.__qualname__}"
    return {"function": name, "options": dict(partial.keywords)}


def _options(node: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in node.items() if not key.startswith("_")}


@functools.cache
def _versions() -> dict[str, str | None]:
    found: dict[str, str | None] = dict.fromkeys(PACKAGES)
    for package in PACKAGES:
        with suppress(PackageNotFoundError):  # lightgbm is an extra
            found[package] = version(package)
    return found

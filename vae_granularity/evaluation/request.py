"""What is asked of each metric, as it is stored beside its scores: what was asked before in the
same words is not computed again.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from vae_granularity.evaluation.protocol import EvaluationProtocol
from vae_granularity.evaluation.scores import Metrics
from vae_granularity.metrics.core.suite import TOO_LITTLE
from vae_granularity.partition import LatentPartition

PACKAGES = ("vae-granularity", "scikit-learn", "lightgbm")


def requests(
    metrics: Metrics, protocol: EvaluationProtocol, partition: LatentPartition
) -> dict[str, dict[str, Any]]:
    """By metric: function, options, sizes and seed of the sample, the model's partition, versions
    of the packages behind it.
    """
    common = {
        "partition": [list(group) for group in partition.groups],
        **protocol.of_scores(),
        "versions": _versions(),
    }
    return {name: {**_call(metric), **common} for name, metric in metrics.items()}


def already_there(asked: Mapping[str, Mapping[str, Any]], before: Mapping[str, Any]) -> list[str]:
    """The metrics whose request equals the one in the protocol `before`, or which are not
    applicable to this data set and model.

    What had too little data is asked again: another sample or other options may do.
    """
    entries = before.get("metrics", {})
    missing = {
        name
        for name, reason in before.get("not_applicable", {}).items()
        if not reason.startswith(TOO_LITTLE)
    }
    return [
        name
        for name, request in asked.items()
        if entries.get(name, {}).get("asked") == request or name in missing
    ]


def _call(metric: Any) -> dict[str, Any]:
    function, options = (
        (metric.func, metric.keywords) if isinstance(metric, functools.partial) else (metric, {})
    )
    return {"function": f"{function.__module__}.{function.__qualname__}", "options": dict(options)}


def _versions() -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # lightgbm is an extra
            found[package] = None
    return found

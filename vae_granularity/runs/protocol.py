"""Decide whether two measurements are comparable, from the protocols in results.json."""

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from vae_granularity.runs.identity import flat

# Protocol fields ignored when comparing runs: what came out, what was drawn, the model's own
# partition, which factors depend in training (a config key says so), what else was installed (a
# metric that depends on a library names its version itself).
NOT_COMPARED = {"saturation", "scores", "partition", "partition_labels"}
NOT_COMPARED |= {"inactive_latents", "versions", "figures", "dependence"}
NOT_COMPARED_OVER_SEEDS = NOT_COMPARED | {"seed", "found"}

# Of the measurement itself: one higher whenever the same run and settings give another number.
# CHANGELOG says which, and why.
VERSION = "protocol_version"
PROTOCOL_VERSION = 3
MEASURE_AGAIN = "measure again: python -m vae_granularity.evaluate run=…"


def version_of(protocol: Mapping[str, Any]) -> int:
    """Return the version that a protocol was measured under: 1 where it states none.

    >>> version_of({}), version_of({"protocol_version": 2})
    (1, 2)
    """
    return int(protocol.get(VERSION, 1))


def without(node: Any, entries: Collection[str]) -> Any:
    """Return a protocol, or an entry of one, without some keys at any depth.

    >>> without({"seed": 1, "metrics": {"mig": {"seed": 2, "num_bins": 20}}}, ["seed"])
    {'metrics': {'mig': {'num_bins': 20}}}
    """
    if isinstance(node, Mapping):
        return {key: without(value, entries) for key, value in node.items() if key not in entries}
    return node


def differences(
    protocols: Iterable[Mapping[str, Any]], ignored: Collection[str] = NOT_COMPARED_OVER_SEEDS
) -> dict[str, list[Any]]:
    """Return the entries in which measurements differ, by dotted key; None stands for absent.

    None at all: the measurements are comparable. A metric that one of them lacks is no difference.

    >>> few, many = ({"metrics": {"mig": {"asked": {"null_draws": n}}}} for n in (5, 20))
    >>> differences([few, many, {"metrics": {"sap": {}}}])
    {'metrics.mig.asked.null_draws': [5, 20]}
    """
    compared = [{VERSION: 1} | without(protocol, ignored) for protocol in protocols]
    entries = [dict(flat(protocol)) for protocol in compared]
    keys: dict[str, None] = {}
    for entry in entries:
        keys.update(dict.fromkeys(entry))
    by_key: dict[str, dict[str, Any]] = {}
    for key in keys:
        if key.startswith("not_applicable."):
            continue
        for protocol, entry in zip(compared, entries, strict=True):
            if key in entry or _lacks(protocol, key):
                value = entry.get(key)
                by_key.setdefault(key, {})[json.dumps(value, sort_keys=True)] = value
    return {key: list(values.values()) for key, values in by_key.items() if len(values) > 1}


def _lacks(protocol: Mapping[str, Any], key: str) -> bool:
    """Return whether an absent entry belongs to the request for something that was measured."""
    top, *keys = key.split(".")
    if top == "metrics":
        return keys[0] in protocol.get(top, {}) and keys[1:2] == ["asked"]
    return top != "terms" or keys[:1] == ["asked"]

"""Are two measurements comparable? What of the protocol in results.json decides. Loads nothing."""

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from vae_granularity.runs.identity import flat

# Protocol fields ignored when comparing runs: what came out, what was drawn, the model's own
# partition, which factors depend in training (a config key says so), what else was installed (a
# metric that depends on a library names its version itself).
BESIDES = {"saturation", "scores", "partition", "partition_labels"}
BESIDES |= {"inactive_latents", "versions", "figures", "dependence"}
BY_CHANCE = BESIDES | {"seed", "found"}

# Of the measurement itself: one higher whenever the same run and settings give another number.
# CHANGELOG says which, and why.
VERSION = "protocol_version"
PROTOCOL_VERSION = 3
MEASURE_AGAIN = "measure again: python -m vae_granularity.evaluate run=…"


def version_of(protocol: Mapping[str, Any]) -> int:
    """The version that a protocol was measured under; the first ones did not say: 1.

    >>> version_of({}), version_of({"protocol_version": 2})
    (1, 2)
    """
    return int(protocol.get(VERSION, 1))


def without(node: Any, entries: Collection[str]) -> Any:
    """A protocol, or a part of one, without some entries at any depth.

    >>> without({"seed": 1, "metrics": {"mig": {"seed": 2, "num_bins": 20}}}, BY_CHANCE)
    {'metrics': {'mig': {'num_bins': 20}}}
    """
    if isinstance(node, Mapping):
        return {key: without(value, entries) for key, value in node.items() if key not in entries}
    return node


def differences(
    protocols: Iterable[Mapping[str, Any]], ignored: Collection[str] = BY_CHANCE
) -> dict[str, list[Any]]:
    """The entries in which measurements differ, by dotted key, with their values (None: absent).

    None at all: the measurements are comparable. A metric that one of them lacks is no difference.

    >>> few, many = ({"metrics": {"mig": {"asked": {"null_draws": n}}}} for n in (5, 20))
    >>> differences([few, many, {"metrics": {"sap": {}}}])
    {'metrics.mig.asked.null_draws': [5, 20]}
    """
    given = [{VERSION: 1} | without(protocol, ignored) for protocol in protocols]
    entries = [dict(flat(protocol)) for protocol in given]
    found: dict[str, dict[str, Any]] = {}
    for key in dict.fromkeys(key for entry in entries for key in entry):
        if key.startswith("not_applicable."):
            continue
        for protocol, entry in zip(given, entries, strict=True):
            if key in entry or _lacks(protocol, key):
                value = entry.get(key)
                found.setdefault(key, {})[json.dumps(value, sort_keys=True)] = value
    return {key: list(values.values()) for key, values in found.items() if len(values) > 1}


def _lacks(protocol: Mapping[str, Any], key: str) -> bool:
    """Whether an absent entry was part of the request for something that was measured."""
    part, *rest = key.split(".")
    if part == "metrics":
        return rest[0] in protocol.get(part, {}) and rest[1:2] == ["asked"]
    return part != "terms" or rest[:1] == ["asked"]

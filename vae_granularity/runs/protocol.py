"""Which entries of the protocol in results.json may differ between runs that were measured alike,
and the version of the code that measured. Loads nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

# Not how something was measured: what came out, the model's own partition, what else was installed
# (a metric that depends on a library names its version itself).
BESIDES = frozenset({"saturation", "scores", "partition", "partition_labels", "versions"})
BY_CHANCE = BESIDES | {"seed", "found"}

# Of the measurement itself: one higher whenever the same run and settings give another number.
# CHANGELOG says which, and why.
VERSION = "protocol_version"
PROTOCOL_VERSION = 2
MEASURE_AGAIN = "measure again: python -m vae_granularity.evaluate run=…"


def version_of(protocol: Mapping[str, Any]) -> int:
    """The version that a protocol was measured under; 1 where it does not say, as the first ones
    did not.
    """
    return int(protocol.get(VERSION, 1))


def without(node: Any, entries: Collection[str]) -> Any:
    """A protocol, or a part of one, without some entries at any depth."""
    if isinstance(node, dict):
        return {key: without(value, entries) for key, value in node.items() if key not in entries}
    return node

"""Which entries of the protocol in results.json may differ between runs that were measured alike.
Loads nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

# Not how something was measured: what came out, the model's own partition, what else was installed
# (a metric that depends on a library names its version itself).
BESIDES = frozenset(
    {"saturation", "scores", "partition", "partition_labels", "versions", "figures"}
)
BY_CHANCE = BESIDES | {"seed", "found"}


def without(node: Any, entries: Collection[str]) -> Any:
    """A protocol, or a part of one, without some entries at any depth."""
    if isinstance(node, dict):
        return {key: without(value, entries) for key, value in node.items() if key not in entries}
    return node

"""Which runs may stand in one figure: those of one data source, likelihood, split and protocol,
unless told otherwise.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import orjson
import pandas as pd

from vae_granularity.errors import ArgumentError
from vae_granularity.runs.protocol import MEASURE_AGAIN, VERSION

KINDS = ("source", "likelihood", "split", "protocol")
SHOWN = 3  # values named in a message


def check_comparable(table: pd.DataFrame, mix: Collection[str] = ()) -> dict[str, str]:
    """What the runs of each data set differ in although they should not, as kind to a sentence, for
    those that `mix` allows.

    Raises:
        ArgumentError: they differ in a kind that `mix` does not name, or `mix` names what there is
            not, or they differ in the version of the protocol, which nothing allows.
    """
    unknown = [kind for kind in mix if kind not in KINDS]
    if unknown:
        raise ArgumentError(f"mix must be a list of {', '.join(KINDS)}, got {unknown[0]!r}")
    found: dict[str, str] = {}
    for name, runs in table.groupby("data.name", observed=True):
        versions = sorted(runs[VERSION].unique())
        if len(versions) > 1:
            got = " and ".join(f"{version:g}" for version in versions)
            raise ArgumentError(
                f"the runs on {name} must be measured under one {VERSION}, got {got};"
                f" {MEASURE_AGAIN}, or choose with +where.{VERSION}={versions[-1]:g}"
            )
        for kind, what in _differences(runs).items():
            sentence = f"the runs on {name} differ in {what}"
            if kind not in mix:
                raise ArgumentError(
                    f"{sentence}; numbers that were measured in different ways do not compare. Choose with +where.KEY=VALUE, "
                    f"or put up with it with mix=[{kind}]"
                )
            found[kind] = f"{found[kind]}; {sentence}" if kind in found else sentence
    return found


def _differences(runs: pd.DataFrame) -> dict[str, str]:
    found = {}
    for kind, column in (
        ("source", "data.source"),
        ("likelihood", "likelihood"),
        ("split", "split"),
    ):
        counts = runs[column].value_counts()
        counts = counts[counts > 0]
        if len(counts) > 1:
            found[kind] = f"{column}: {_counted(counts)}"
    if "split" not in found:
        per_seed = (
            runs.dropna(subset=["split_of_seed"])
            .groupby("seed", observed=True)["split_of_seed"]
            .nunique()
        )
        if (per_seed > 1).any():
            found["split"] = (
                f"split: seed {per_seed.idxmax():g} holds out different images in different runs"
            )
    protocols = [orjson.loads(text) for text in runs["protocol"].dropna().unique()]
    difference = protocol_difference(protocols)
    if difference:
        found["protocol"] = f"protocol: {difference}"
    return found


def protocol_difference(protocols: list[Mapping[str, Any]]) -> str | None:
    """The first entry in which protocols differ, with its values; what a metric or the terms of a
    model lack is no difference.
    """
    entries = [dict(_entries(protocol)) for protocol in protocols]
    values: dict[str, dict[str, int]] = {}
    for key in dict.fromkeys(key for found in entries for key in found):
        for found in entries:
            if key in found:
                values.setdefault(key, {})[
                    orjson.dumps(found[key], option=orjson.OPT_SORT_KEYS).decode()
                ] = 1
            elif key.startswith("terms.asked.") or not key.startswith(("metrics.", "terms.")):
                values.setdefault(key, {})["missing"] = 1
    differing = {key: found for key, found in values.items() if len(found) > 1}
    if not differing:
        return None
    key, found = next(iter(differing.items()))
    more = f" and {len(differing) - 1} more" if len(differing) > 1 else ""
    return f"{key}: {' | '.join(list(found)[:SHOWN])}{more}"


def _entries(node: Mapping[str, Any], at: str = "") -> Iterator[tuple[str, Any]]:
    """The single values of a protocol, as `terms.asked.num_images`; not what was not applicable,
    for which there is no number.
    """
    for key, value in node.items():
        if f"{at}{key}" == "not_applicable":
            continue
        if isinstance(value, Mapping):
            yield from _entries(value, f"{at}{key}.")
        else:
            yield f"{at}{key}", value


def _counted(counts: pd.Series) -> str:
    parts = [f"{value} ({count} runs)" for value, count in counts.head(SHOWN).items()]
    return ", ".join(parts) + (f" and {len(counts) - SHOWN} more" if len(counts) > SHOWN else "")

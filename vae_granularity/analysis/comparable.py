"""The runs that an analysis is about: those asked for, refused where numbers do not compare."""

import difflib
from collections.abc import Collection, Mapping
from typing import Any

import orjson
import pandas as pd

from vae_granularity.analysis.page.labels import word
from vae_granularity.errors import ArgumentError
from vae_granularity.runs.protocol import MEASURE_AGAIN, VERSION, differences

KINDS = ("dataset", "source", "likelihood", "split", "protocol")
SHOWN = 3  # values named in a message


def check_comparable(table: pd.DataFrame, allowed: Collection[str] = ()) -> dict[str, str]:
    """What the runs differ in although they should not, as kind to a sentence, if `allowed` has it.

    Data sets differ in name or variant; source, likelihood, split and protocol are compared within
    each data set.

    Raises:
        ArgumentError: they differ in a kind of `KINDS` that `allowed` does not name, or those of a
            data set in the version of the protocol, which nothing allows.
    """
    found: dict[str, str] = {}
    names = dataset_names(table)
    if names.nunique() > 1:
        found["dataset"] = f"the runs differ in data set: {_counted(names.value_counts())}"
    for name, runs in table.groupby(names):
        versions = sorted(runs[VERSION].unique())
        if len(versions) > 1:
            got = " and ".join(f"{version:g}" for version in versions)
            raise ArgumentError(
                f"the runs on {name} must be measured under one {VERSION}, got {got};"
                f" {MEASURE_AGAIN}, or choose with +where.{VERSION}={versions[-1]:g}"
            )
        for kind, what in _differences(runs).items():
            before = f"{found[kind]}; " if kind in found else ""
            found[kind] = f"{before}the runs on {name} differ in {what}"
    refused = [kind for kind in found if kind not in allowed]
    if refused:
        raise ArgumentError(
            f"{'; '.join(found[kind] for kind in refused)}; numbers that were measured in different"
            f" ways do not compare: choose runs with +where.KEY=VALUE, or allow it with "
            f"allow_mixed=[{','.join(dict.fromkeys((*allowed, *refused)))}]"
        )
    return found


def dataset_names(table: pd.DataFrame) -> pd.Series:
    """Name and variant of each run's data set, such as `mpi3d real`."""
    names = table["data.name"].astype(object)
    if "dataset.variant" not in table:
        return names
    variants = table["dataset.variant"].astype(object)
    return names + variants.map(lambda variant: f" {word(variant)}", "ignore").fillna("")


def _differences(runs: pd.DataFrame) -> dict[str, str]:
    found = {}
    columns = {"source": "data.source", "likelihood": "likelihood", "split": "split"}
    for kind, column in columns.items():
        counts = runs[column].value_counts()
        if (counts > 0).sum() > 1:
            found[kind] = f"{column}: {_counted(counts[counts > 0])}"
    if "split" not in found:
        known = runs.dropna(subset=["split_of_seed"])
        per_seed = known.groupby("seed", observed=True)["split_of_seed"].nunique()
        if (per_seed > 1).any():
            seed = f"seed {per_seed.idxmax():g}"
            found["split"] = f"split: {seed} holds out different images in different runs"
    differing = differences(map(orjson.loads, runs["protocol"].unique()))
    if differing:
        key, values = next(iter(differing.items()))
        texts = [orjson.dumps(value).decode() for value in values[:SHOWN]]
        more = f" and {len(differing) - 1} more" if len(differing) > 1 else ""
        found["protocol"] = f"protocol: {key}: {' | '.join(texts)}{more}"
    return found


def _counted(counts: pd.Series) -> str:
    parts = [f"{value} ({count} runs)" for value, count in counts.head(SHOWN).items()]
    return ", ".join(parts) + (f" and {len(counts) - SHOWN} more" if len(counts) > SHOWN else "")


def keep_where(table: pd.DataFrame, where: Mapping[str, Any]) -> pd.DataFrame:
    """The rows whose columns have the given values (None: where the value is missing).

    Raises:
        ArgumentError: no such column, or no row is left.

    >>> len(keep_where(pd.DataFrame({"net.width": [0.5, 1.0, 1.0]}), {"net.width": 1}))
    2
    """
    for name, value in where.items():
        check_column(table, f"where.{name}", name)
        words = table[name].astype(object).map(word, na_action="ignore")
        same = words.isna() if value is None else words == word(value)
        if not same.any():
            accepted = f"a value that a run has ({', '.join(sorted(words.dropna().unique())[:10])})"
            raise ArgumentError(f"where.{name} must be {accepted}, got {value!r}")
        table = table[same]
    return table.reset_index(drop=True)


def check_column(table: pd.DataFrame, argument: str, name: str) -> None:
    """Raises:
    ArgumentError: the table has no such column, or nothing stands in it.
    """
    if name not in table:
        close = difflib.get_close_matches(name, list(table.columns), n=3, cutoff=0.4)
        meant = f"; did you mean {' or '.join(map(repr, close))}?" if close else ""
        raise ArgumentError(f"{argument} must be a column of the runs, got {name!r}{meant}")
    if table[name].isna().all():
        missing = f"which is missing in all {len(table)} runs"
        raise ArgumentError(f"{argument} must be a column with a value, got {name!r}, {missing}")

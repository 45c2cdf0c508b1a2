"""Choose the runs of an analysis, and refuse runs whose numbers are not comparable."""

import difflib
from collections.abc import Collection, Mapping
from typing import Any

import orjson
import pandas as pd

from vae_granularity.analysis.labels import word
from vae_granularity.errors import ArgumentError
from vae_granularity.runs.protocol import MEASURE_AGAIN, VERSION, differences

KINDS = ("dataset", "source", "likelihood", "split", "protocol")
MAX_SHOWN = 3  # values named in a message


def check_comparable(table: pd.DataFrame, allowed: Collection[str] = ()) -> dict[str, str]:
    """Check that runs are comparable; return the allowed differences, as kind to a sentence.

    Data sets differ in name or variant; source, likelihood, split and protocol are compared within
    each data set.

    Raises:
        ArgumentError: they differ in a kind of `KINDS` that `allowed` does not name, or those of a
            data set in the version of the protocol, which nothing allows.
    """
    sentences: dict[str, str] = {}
    names = dataset_names(table)
    if names.nunique() > 1:
        sentences["dataset"] = f"the runs differ in data set: {_counted(names.value_counts())}"
    for name, runs in table.groupby(names):
        # A new version gives the same run another number, so nothing allows to mix two.
        versions = sorted(runs[VERSION].unique())
        if len(versions) > 1:
            got = " and ".join(f"{version:g}" for version in versions)
            raise ArgumentError(
                f"the runs on {name} must be measured under one {VERSION}, got {got};"
                f" {MEASURE_AGAIN}, or choose with +where.{VERSION}={versions[-1]:g}"
            )
        for kind, difference in _differences(runs).items():
            before = f"{sentences[kind]}; " if kind in sentences else ""
            sentences[kind] = f"{before}the runs on {name} differ in {difference}"
    refused = [kind for kind in sentences if kind not in allowed]
    if refused:
        raise ArgumentError(
            f"{'; '.join(sentences[kind] for kind in refused)}; these runs are not comparable: "
            "select some with +where.KEY=VALUE, or accept it with "
            f"allow_mixed=[{','.join(dict.fromkeys((*allowed, *refused)))}]"
        )
    return sentences


def dataset_names(table: pd.DataFrame) -> pd.Series:
    """Return name and variant of each run's data set, such as `mpi3d real`."""
    names = table["data.name"].astype(object)
    if "dataset.variant" not in table:
        return names
    variants = table["dataset.variant"].astype(object)
    return names + variants.map(lambda variant: f" {word(variant)}", "ignore").fillna("")


def _differences(runs: pd.DataFrame) -> dict[str, str]:
    """Return in what runs on one data set differ although they should not, as kind to words."""
    words_of_kind = {}
    columns = {"source": "data.source", "likelihood": "likelihood", "split": "split"}
    for kind, column in columns.items():
        counts = runs[column].value_counts()
        if (counts > 0).sum() > 1:
            words_of_kind[kind] = f"{column}: {_counted(counts[counts > 0])}"
    if "split" not in words_of_kind:
        # The sizes agree, but a seed may have drawn other images: runs record a digest of them.
        recorded = runs.dropna(subset=["split_of_seed"])
        per_seed = recorded.groupby("seed", observed=True)["split_of_seed"].nunique()
        if (per_seed > 1).any():
            seed = f"seed {per_seed.idxmax():g}"
            words_of_kind["split"] = f"split: {seed} holds out different images in different runs"
    protocols = differences(map(orjson.loads, runs["protocol"].unique()))
    if protocols:
        key, values = next(iter(protocols.items()))
        texts = [orjson.dumps(value).decode() for value in values[:MAX_SHOWN]]
        more = f" and {len(protocols) - 1} more" if len(protocols) > 1 else ""
        words_of_kind["protocol"] = f"protocol: {key}: {' | '.join(texts)}{more}"
    return words_of_kind


def _counted(counts: pd.Series) -> str:
    values = [f"{value} ({count} runs)" for value, count in counts.head(MAX_SHOWN).items()]
    more = f" and {len(counts) - MAX_SHOWN} more" if len(counts) > MAX_SHOWN else ""
    return ", ".join(values) + more


def keep_where(table: pd.DataFrame, where: Mapping[str, Any]) -> pd.DataFrame:
    """Return the rows whose columns have the given values (None: where the value is missing).

    Raises:
        ArgumentError: no such column, or no row remains.

    >>> len(keep_where(pd.DataFrame({"net.width": [0.5, 1.0, 1.0]}), {"net.width": 1}))
    2
    """
    for name, value in where.items():
        check_column(table, f"where.{name}", name)
        # As words, since `where` may say 4 of a column that holds 4.0 or "4".
        words = table[name].astype(object).map(word, na_action="ignore")
        same = words.isna() if value is None else words == word(value)
        if not same.any():
            raise ArgumentError(
                f"where.{name} must be a value that a run has "
                f"({', '.join(sorted(words.dropna().unique())[:10])}), got {value!r}"
            )
        table = table[same]
    return table.reset_index(drop=True)


def check_column(table: pd.DataFrame, argument: str, name: str) -> None:
    """Check that the table has a column with at least one value.

    Raises:
        ArgumentError: it has not.
    """
    if name not in table:
        close = difflib.get_close_matches(name, list(table.columns), n=3, cutoff=0.4)
        suggestion = f"; did you mean {' or '.join(map(repr, close))}?" if close else ""
        raise ArgumentError(f"{argument} must be a column of the runs, got {name!r}{suggestion}")
    if table[name].isna().all():
        raise ArgumentError(
            f"{argument} must be a column with a value, got {name!r}, "
            f"which is missing in all {len(table)} runs"
        )

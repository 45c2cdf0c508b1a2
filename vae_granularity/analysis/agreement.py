"""Model selection without labels: unsupervised disentanglement ranking over the seeds of each
point.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from vae_granularity.analysis.codes import Codes
from vae_granularity.metrics.udr import udr
from vae_granularity.partition import LatentPartition

SCORES = ("udr", "udr_group", "udr_null_group", "udr_null_sd_group", "udr_lift_group")


def udr_scores(
    table: pd.DataFrame, parameters: Sequence[str], codes: Sequence[Codes]
) -> pd.DataFrame:
    """`scores/udr`, `scores/udr_group` and its null of each run (its agreement with the other seeds
    of its point), indexed as the table.

    Spearman form. Groups are those of the point's own granularity. Missing for a point with one
    model, and by groups where there is one, or an explicit partition takes the granularity's place.
    """
    by_run = {code.run: code for code in codes}
    found = pd.DataFrame(np.nan, index=table.index, columns=[f"scores/{name}" for name in SCORES])
    keys = [table[name] for name in parameters] or [pd.Series(0, index=table.index)]
    for _, runs in table.groupby(keys, observed=True, dropna=False):
        members = [by_run[index] for index in runs.index if index in by_run]
        if len(members) < 2:
            continue
        kl = np.stack([member.kl for member in members])
        result = udr(
            [member.mu for member in members],
            kl=kl if np.isfinite(kl).all() else None,
            partition=_partition(runs, members[0]),
        )
        for member, scores in zip(members, result.of_models, strict=True):
            for name, value in scores.items():
                found.loc[member.run, f"scores/{name}"] = np.nan if value is None else value
    return found


def _partition(runs: pd.DataFrame, member: Codes) -> LatentPartition | None:
    granularity = runs["model.granularity"].iloc[0] if "model.granularity" in runs else np.nan
    explicit = "model.partition" in runs and runs["model.partition"].notna().any()
    if explicit or not isinstance(granularity, (int, float)) or granularity != granularity:
        return None
    return LatentPartition.from_granularity(member.mu.shape[1], int(granularity))

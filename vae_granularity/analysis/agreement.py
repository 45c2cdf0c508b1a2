"""Score how far the models of a point agree over seeds (UDR)."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from vae_granularity.analysis.codes import Codes
from vae_granularity.analysis.points import point_keys
from vae_granularity.metrics.udr import udr

SCORES = ("udr", "udr_group", "udr_null_group", "udr_null_sd_group", "udr_lift_group")


def udr_scores(
    table: pd.DataFrame, parameters: Sequence[str], codes: Sequence[Codes]
) -> pd.DataFrame:
    """Return `scores/udr`, `scores/udr_group` and its null, from the other seeds of each point.

    A row a run; Spearman form. Missing for a point with one model, and by groups where there is one
    group or the seeds learned groups of their own.
    """
    by_run = {code.run: code for code in codes}
    columns = [f"scores/{name}" for name in SCORES]
    udr_table = pd.DataFrame(np.nan, index=table.index, columns=columns)
    points = table.groupby(point_keys(table, parameters), observed=True, dropna=False)
    for _, runs in points:
        members = [by_run[index] for index in runs.index if index in by_run]
        if len(members) < 2:
            continue
        kl = np.stack([member.kl for member in members])
        result = udr(
            [member.mu for member in members],
            kl=kl if np.isfinite(kl).all() else None,
            partition=members[0].partition,
        )
        for member, scores in zip(members, result.of_models, strict=True):
            for name, value in scores.items():
                udr_table.loc[member.run, f"scores/{name}"] = np.nan if value is None else value
    return udr_table

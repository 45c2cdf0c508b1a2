"""The claim on features: does the granularity at which a factor separates grow with the factor's
complexity?
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from vae_granularity.errors import ArgumentError
from vae_granularity.metrics.core.confidence import Interval, interval
from vae_granularity.metrics.granularity_profile import complexity_correlation

ENOUGH = 0.5  # share of the factors that must separate somewhere: else the ranks say only which factors never do


@dataclass(frozen=True)
class Correlation:
    """Spearman's rank correlation over factors between complexity and the smallest γ at which a
    model separates the factor.
    """

    partition: str
    interval: Interval | None  # over seeds; None where no seed has ranks
    seeds: int  # with ranks
    without: int  # seeds in which every factor separates at the same γ, or none does
    separated: int  # factors, settings and seeds together, that separate at some γ
    of: int

    @property
    def sentence(self) -> str:
        """In words."""
        often = f"{self.separated} of {self.of} factors (all settings and seeds together) separate at some γ"
        if self.interval is None:
            return f"Under {self.partition}: no rank correlation, since in no seed the factors separate at different γ; {often}."
        found = f"rank correlation {self.interval.mean:+.2f}"
        if self.interval.low is not None and self.interval.high is not None:
            found += f" (95 % interval over {self.seeds} seeds {self.interval.low:+.2f} to {self.interval.high:+.2f})"
            found += f"; {self._verdict(self.interval.low)}"
        else:
            found += " of the only seed with ranks; one seed gives no interval"
        without = f"; {self.without} seeds have no ranks" if self.without else ""
        return f"Under {self.partition}: {found}{without}; {often}."

    def _verdict(self, low: float) -> str:
        if self.separated < ENOUGH * self.of:
            return "the claim cannot be judged: most factors separate at no γ tried, and all of those rank as needing more"
        return (
            "the claim is borne out"
            if low > 0
            else "the claim is not borne out: the interval holds 0 or less"
        )


def separating(table: pd.DataFrame, profile: pd.DataFrame, others: Sequence[str]) -> pd.DataFrame:
    """For each partition, setting of the other parameters, seed and factor the smallest γ whose
    model separates the factor (`first`, missing where none does), and the largest γ tried
    (`tried`).

    Args:
        table: the runs; profile: rows of `profile_rows`; others: swept parameters but γ.
    """
    keys = ["seed", *others]
    joined = profile.join(table[["model.granularity", *keys]], on="run")
    joined["first"] = joined["model.granularity"].where(joined["separated"])
    groups = joined.groupby(["partition", *keys, "factor"], observed=True, dropna=False)
    return groups.agg(first=("first", "min"), tried=("model.granularity", "max")).reset_index()


def correlations(
    first: pd.DataFrame, complexity: Mapping[str, float], others: Sequence[str]
) -> list[Correlation]:
    """One correlation a partition. A seed's value is the mean over the settings of the other
    parameters in which its factors have ranks; a factor that never separates ranks above all that
    do."""
    found = []
    for partition, rows in first.groupby("partition", observed=True):
        per_seed: dict[float, list[float]] = {}
        keys = [rows["seed"], *(rows[name] for name in others)]
        for key, group in rows.groupby(keys, observed=True, dropna=False):
            known = group[group["factor"].isin(list(complexity))]
            values = known["first"].fillna(known["tried"] + 1).to_numpy()[None]
            ratio = [complexity[factor] for factor in known["factor"]]
            per_seed.setdefault(key[0], [])
            try:
                per_seed[key[0]].append(complexity_correlation(ratio, values).mean)
            except ArgumentError:  # every factor at the same γ: no ranks
                continue
        means = [float(np.mean(values)) for values in per_seed.values() if values]
        found.append(
            Correlation(
                str(partition),
                interval(means) if means else None,
                len(means),
                len(per_seed) - len(means),
                int(rows["first"].notna().sum()),
                len(rows),
            )
        )
    return found

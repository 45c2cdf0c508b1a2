"""The claim on features: does the granularity at which a factor separates grow with the factor's
complexity?
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from vae_granularity.analysis.page.labels import seeds_label
from vae_granularity.metrics.core.rank_test import RankTest, rank_test

# Share of the factors that must separate somewhere: else the ranks say only which never do.
ENOUGH = 0.5
LEVEL = 0.05  # of the one-sided permutation test


@dataclass(frozen=True)
class Correlation:
    """Spearman's rank correlation over factors between complexity and the smallest γ at which a
    model separates the factor, averaged over seeds and settings. The factors are the sample.
    """

    partition: str
    test: RankTest | None  # None with fewer than two factors of known complexity
    seeds: int
    separated: int  # factors, settings and seeds together, that separate at some γ
    of: int

    @property
    def sentence(self) -> str:
        """In words."""
        often = f"{self.separated} of {self.of} factors (all settings and seeds together) separate"
        return f"Under {self.partition}: {self._found}; {often} at some γ."

    @property
    def _found(self) -> str:
        test = self.test
        if test is None or test.rho is None:
            return "no rank correlation, since the factors do not differ in complexity or in γ"
        claim = f"is {'' if test.p <= LEVEL else 'not '}borne out at the {LEVEL:.0%} level"
        if self.separated < ENOUGH * self.of:
            why = "most factors separate at no γ tried, and all of those rank as needing more"
            claim = f"cannot be judged: {why}"
        elif test.least_p > LEVEL:
            why = f"no order of these {test.count} factors reaches {LEVEL:.0%}"
            claim = f"cannot be judged: {why}"
        return (
            f"rank correlation {test.rho:+.2f} over {test.count} factors, γ averaged over "
            f"{seeds_label(self.seeds)} (p = {test.p:.2g}, one-sided, factors permuted); "
            f"the claim {claim}"
        )


def separating(table: pd.DataFrame, profile: pd.DataFrame, others: Sequence[str]) -> pd.DataFrame:
    """For each partition, setting of the other parameters, seed and factor the smallest γ whose
    model separates the factor (`first`, missing where none does), and the largest γ tried
    (`tried`).

    Seeds that have fewer γ than others of their setting, as those that are added where an optimum
    is contested, cannot say where a factor separates first: they are left out.

    Args:
        table: the runs; profile: rows of `profile_rows`; others: swept parameters but γ.
    """
    keys = ["seed", *others]
    joined = profile.join(table[["model.granularity", *keys]], on="run")
    joined["first"] = joined["model.granularity"].where(joined["separated"])
    groups = joined.groupby(["partition", *keys, "factor"], observed=True, dropna=False)
    gamma = "model.granularity"
    found = groups.agg(first=("first", "min"), tried=(gamma, "max"), values=(gamma, "nunique"))
    found = found.reset_index()
    settings = [found[name] for name in others] or [pd.Series(0, index=found.index)]
    most = found.groupby(settings, observed=True, dropna=False)["values"].transform("max")
    return found[found["values"] == most].drop(columns="values")


def correlations(first: pd.DataFrame, complexity: Mapping[str, float]) -> list[Correlation]:
    """One correlation a partition. A factor that never separates counts as one more than the
    largest γ tried, so it ranks above all that do.
    """
    found = []
    for partition, rows in first.groupby("partition", observed=True):
        reached = rows["first"].fillna(rows["tried"] + 1)
        mean = reached.groupby(rows["factor"].astype(str)).mean()
        known = mean[mean.index.isin(list(complexity))]
        ratios = [complexity[factor] for factor in known.index]
        test = rank_test(ratios, known) if len(known) > 1 else None
        separated = int(rows["first"].notna().sum())
        found.append(
            Correlation(str(partition), test, rows["seed"].nunique(), separated, len(rows))
        )
    return found

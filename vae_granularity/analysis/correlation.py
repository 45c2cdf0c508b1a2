"""The claim on features: does the granularity at which a factor separates grow with the factor's
complexity?
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

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
        often = (
            f"{self.separated} of {self.of} factors (all settings and seeds together) "
            "separate at some γ"
        )
        return f"Under {self.partition}: {self._found}; {often}."

    @property
    def _found(self) -> str:
        if self.test is None or self.test.rho is None:
            return "no rank correlation, since the factors do not differ in complexity or in γ"
        seeds = f"{self.seeds} seed{'s' if self.seeds > 1 else ''}"
        return (
            f"rank correlation {self.test.rho:+.2f} over {self.test.count} factors, γ averaged "
            f"over {seeds} (p = {self.test.p:.2g}, one-sided, factors permuted); "
            f"{self._verdict(self.test)}"
        )

    def _verdict(self, test: RankTest) -> str:
        unknown = "the claim cannot be judged: "
        if self.separated < ENOUGH * self.of:
            return (
                f"{unknown}most factors separate at no γ tried, and all of those rank as needing "
                "more"
            )
        if test.least_p > LEVEL:
            return f"{unknown}no order of these {test.count} factors reaches {LEVEL:.0%}"
        borne = "borne out" if test.p <= LEVEL else "not borne out"
        return f"the claim is {borne} at the {LEVEL:.0%} level"


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
        found.append(
            Correlation(
                str(partition),
                rank_test(ratios, known) if len(known) > 1 else None,
                rows["seed"].nunique(),
                int(rows["first"].notna().sum()),
                len(rows),
            )
        )
    return found

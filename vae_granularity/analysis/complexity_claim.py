"""Test the claim on features: complex factors need a larger granularity to separate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from vae_granularity.analysis.labels import seeds_label
from vae_granularity.analysis.points import point_keys
from vae_granularity.metrics.core.rank_test import RankTest, rank_test

# Share of the factors that must separate somewhere: else the ranks say only which never do.
MIN_SEPARATED = 0.5
LEVEL = 0.05  # of the one-sided permutation test
GAMMA = "model.granularity"


@dataclass(frozen=True)
class ClaimTest:
    """Spearman's rank correlation over factors between complexity and separation threshold.

    The threshold is the smallest γ at which a model separates the factor, averaged over seeds and
    settings. The factors are the sample.
    """

    partition: str
    test: RankTest | None  # None with fewer than two factors of known complexity
    seeds: int
    separated: int  # factors, settings and seeds together, that separate at some γ
    of: int

    @property
    def sentence(self) -> str:
        """Return the result in words."""
        return (
            f"Under {self.partition}: {self._result}; {self.separated} of {self.of} factors "
            "(all settings and seeds together) separate at some γ."
        )

    @property
    def _result(self) -> str:
        test = self.test
        if test is None or test.rho is None:
            return "no rank correlation, since the factors do not differ in complexity or in γ"
        if self.separated < MIN_SEPARATED * self.of:
            claim = (
                "cannot be judged: most factors separate at no γ tried, "
                "and all of those rank as needing more"
            )
        elif test.least_p > LEVEL:
            claim = f"cannot be judged: no order of these {test.count} factors reaches {LEVEL:.0%}"
        else:
            claim = f"is {'' if test.p <= LEVEL else 'not '}borne out at the {LEVEL:.0%} level"
        return (
            f"rank correlation {test.rho:+.2f} over {test.count} factors, γ averaged over "
            f"{seeds_label(self.seeds)} (p = {test.p:.2g}, one-sided, factors permuted); "
            f"the claim {claim}"
        )


def separation_thresholds(
    table: pd.DataFrame, profile: pd.DataFrame, others: Sequence[str]
) -> pd.DataFrame:
    """Return the smallest γ whose model separates a factor (`first`), and the largest γ tried.

    A row for each partition, setting of the other parameters, seed and factor; `first` is missing
    where none does, `tried` is the largest γ. Seeds that have fewer γ than others of their setting,
    as those that are added where an optimum is contested, cannot say where a factor separates
    first: they are left out.

    Args:
        table: the runs.
        profile: rows of `profile_rows`.
        others: swept parameters but γ.
    """
    keys = ["seed", *others]
    joined = profile.join(table[[GAMMA, *keys]], on="run")
    joined["first"] = joined[GAMMA].where(joined["separated"])
    groups = joined.groupby(["partition", *keys, "factor"], observed=True, dropna=False)
    thresholds = groups.agg(first=("first", "min"), tried=(GAMMA, "max"), values=(GAMMA, "nunique"))
    thresholds = thresholds.reset_index()
    by_setting = thresholds.groupby(point_keys(thresholds, others), observed=True, dropna=False)
    complete = thresholds["values"] == by_setting["values"].transform("max")
    return thresholds[complete].drop(columns="values")


def claim_tests(thresholds: pd.DataFrame, complexity: Mapping[str, float]) -> list[ClaimTest]:
    """Return one test a partition, of rows of `separation_thresholds`.

    A factor that never separates counts as one more than the largest γ tried, so it ranks above
    all that do.
    """
    tests = []
    for partition, rows in thresholds.groupby("partition", observed=True):
        reached = rows["first"].fillna(rows["tried"] + 1)
        means = reached.groupby(rows["factor"].astype(str)).mean()
        means = means[means.index.isin(list(complexity))]
        ratios = [complexity[factor] for factor in means.index]
        tests.append(
            ClaimTest(
                str(partition),
                rank_test(ratios, means) if len(means) > 1 else None,
                seeds=rows["seed"].nunique(),
                separated=int(rows["first"].notna().sum()),
                of=len(rows),
            )
        )
    return tests

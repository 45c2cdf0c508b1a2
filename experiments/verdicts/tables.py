"""Tables of the simulated verdicts and of the claim on features, old rule and new.

python experiments/verdicts/tables.py > experiments/verdicts/results.md
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from surfaces import KINDS, TIES, TRUE

RESULTS = Path(__file__).parent / "results"
CELL = ["kind", "grid", "seeds", "noise"]
CONDITIONS = ("complete", "points missing", "runs missing", "unequal seeds")
CONDITIONS += ("rho 0.2", "rho 0.5", "rho 0.8")


def rates(file: str) -> pd.DataFrame:
    """One row a cell: share of true verdicts, of false ones, and the most frequent false one."""
    table = pd.read_csv(RESULTS / file)
    cell = [*CELL, "condition"] if "condition" in table else CELL
    said = table.drop(columns=[*cell, "simulations", "not enough runs"])
    shares = said.div(table["simulations"], axis=0)
    is_true = pd.DataFrame(
        [[v in TRUE[k] for v in said] for k in table["kind"]], columns=said.columns
    )
    false = shares.mask(is_true, 0.0)
    worst, true = false.idxmax(axis=1).where(false.max(axis=1) > 0, ""), shares.where(is_true, 0.0)
    found = {"true": true.sum(axis=1), "false": false.sum(axis=1), "each": false.max(axis=1)}
    return table[cell].assign(**found, worst=worst)


def hard() -> None:
    """Print false and true verdicts of incomplete grids, equal peaks and shared seeds."""
    table = rates("hard.csv")
    print("\n## Incomplete grids, equal peaks, shared seeds: false verdicts, all together\n")
    print("Largest share over the cells (seeds, noise), and the mean.\n")
    print(f"| kind | grid | {' | '.join(CONDITIONS)} |\n| --- | --- |{' --- |' * len(CONDITIONS)}")
    for (kind, grid), rows in table.groupby(["kind", "grid"], sort=False):
        cells = []
        for condition in CONDITIONS:
            false = rows.loc[rows["condition"] == condition, "false"]
            cells.append(f"{false.max():.1%} ({false.mean():.1%})" if len(false) else "-")
        print(f"| {kind} | {grid} | {' | '.join(cells)} |")
    print("\n## The same: true verdicts by seeds, noise 3/4\n")
    print(f"| kind | seeds | {' | '.join(CONDITIONS[1:])} |\n| --- | --- |{' --- |' * 6}")
    plain = table[~table["kind"].isin([*TIES, "flat", "half flat"]) & (table["noise"] == "3/4")]
    for (kind, seeds), rows in plain.groupby(["kind", "seeds"], sort=False):
        power = rows.set_index("condition")["true"]
        cells = [f"{power[one]:.0%}" if one in power else "-" for one in CONDITIONS[1:]]
        print(f"| {kind} | {seeds} | {' | '.join(cells)} |")


def best() -> None:
    """Print how often the interval of the best point covers its mean."""
    table = pd.read_csv(RESULTS / "best.csv")
    print("\n## The best of many: coverage of its 95 % interval\n")
    print("The smaller of equal means and means that are apart by one spread.\n")
    print("| noise | points | seeds | Student | with the pick | width | failed seed seen: said |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for (noise, points, seeds), rows in table.groupby(["noise", "points", "seeds"], sort=False):
        shown = f"{rows['far'].sum()} of {rows['failed'].sum()}" if noise == "failed" else ""
        print(
            f"| {noise} | {points} | {seeds} | {rows['student'].min():.1%} | "
            f"{rows['pick'].min():.1%} | {rows['width'].mean():.1f} | {shown} |"
        )


def main() -> None:
    old, new = rates("verdicts_independent.csv"), rates("verdicts.csv")
    print("# Simulated verdicts\n")
    print("Share of the simulations of a kind, over noises (1 and 1/2) and numbers of seeds;")
    print("`largest` is the worst cell for one verdict that is false there. Before: rows")
    print("resampled each on its own, no parallel paths (all noises; 300 simulations).\n")
    print("| kind | grid | false, before | largest, before | false | largest | which |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for kind, grids in KINDS.items():
        for grid in grids:
            a, b = (t[(t["kind"] == kind) & (t["grid"] == grid)] for t in (old, new))
            worst = b.loc[b["each"].idxmax()]
            before = f"{a['false'].mean():.1%} | {a['each'].max():.1%}" if len(a) else "- | -"
            print(
                f"| {kind} | {grid} | {before} | "
                f"{b['false'].mean():.1%} | {b['each'].max():.1%} | {worst['worst']} |"
            )
    print("\n## Power: share of the simulations that get a true verdict, by noise\n")
    noises = ["1", "1/2"]
    heads = [f"{noise}, {rule}" for noise in noises for rule in ("before", "now")]
    print(f"| kind | grid | seeds | {' | '.join(heads)} |\n| --- | --- | --- |{' --- |' * 4}")
    powers = old.set_index(CELL)["true"]
    for (kind, grid, seeds), rows in new[new["kind"].map(lambda k: bool(TRUE[k]))].groupby(
        ["kind", "grid", "seeds"], sort=False
    ):
        power = rows.set_index("noise")["true"]
        cells = [f"{powers[kind, grid, seeds, noise]:.0%} | {power[noise]:.0%}" for noise in noises]
        print(f"| {kind} | {grid} | {seeds} | {' | '.join(cells)} |")
    hard()
    best()
    print("\n## The claim on features: share of the simulations in which it is borne out\n")
    print("| relation | factors | seeds | before (interval over seeds) | now (permuted factors) |")
    print("| --- | --- | --- | --- | --- |")
    keys = ["relation", "factors", "seeds"]
    tables = [
        pd.read_csv(RESULTS / name).set_index(keys) for name in ("claim_old.csv", "claim.csv")
    ]
    before, now = (table["borne out"] / table["simulations"] for table in tables)
    for key, share in now.items():
        print("| " + " | ".join(map(str, key)) + f" | {before[key]:.1%} | {share:.1%} |")


if __name__ == "__main__":
    main()

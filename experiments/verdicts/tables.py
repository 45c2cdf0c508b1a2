"""Tables of the simulated verdicts and of the claim on features, old rule and new.

python experiments/verdicts/tables.py > experiments/verdicts/results.md
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from surfaces import KINDS, TRUE

RESULTS = Path(__file__).parent / "results"
CELL = ["kind", "grid", "seeds", "noise"]


def rates(file: str) -> pd.DataFrame:
    """One row a cell: share of true verdicts, of false ones, and the most frequent false one."""
    table = pd.read_csv(RESULTS / file)
    said = table.drop(columns=[*CELL, "simulations", "not enough runs"])
    shares = said.div(table["simulations"], axis=0)
    is_true = pd.DataFrame(
        [[v in TRUE[k] for v in said] for k in table["kind"]], columns=said.columns
    )
    false = shares.mask(is_true, 0.0)
    worst, true = false.idxmax(axis=1).where(false.max(axis=1) > 0, ""), shares.where(is_true, 0.0)
    found = {"true": true.sum(axis=1), "false": false.sum(axis=1), "each": false.max(axis=1)}
    return table[CELL].assign(**found, worst=worst)


def main() -> None:
    old, new = rates("verdicts_old.csv"), rates("verdicts.csv")
    print(
        "# Simulated verdicts\n\nShare of the simulations of a kind, over all noises and numbers of"
    )
    print("seeds; `largest` is the worst cell for one verdict that is false there.\n")
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
    noises = list(dict.fromkeys(["2", "1", "1/2", "1/4", "tails"]))
    print(f"| kind | grid | seeds | {' | '.join(noises)} |\n| --- | --- | --- |{' --- |' * 5}")
    for (kind, grid, seeds), rows in new[new["kind"].map(lambda k: bool(TRUE[k]))].groupby(
        ["kind", "grid", "seeds"], sort=False
    ):
        power = rows.set_index("noise")["true"]
        print(
            f"| {kind} | {grid} | {seeds} | " + " | ".join(f"{power[n]:.0%}" for n in noises) + " |"
        )
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

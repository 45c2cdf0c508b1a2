"""The table and the figure of the simulation: python experiments/deciding/table.py"""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

HERE = Path(__file__).parent


def lines(found: pd.DataFrame) -> list[str]:
    """Markdown: a row a cell."""
    head = "| truth | grid | noise | runs, of the full grid's | true: full | true | uncorrected |"
    head += " false: full | false | uncorrected | looks |"
    rows = [head, "| --- " * 11 + "|"]
    for _, row in found.iterrows():
        n = row["simulations"]
        shares = [
            f"{row[f'{way}: {what}'] / n:.0%}"
            for what in ("true", "false")
            for way in ("full", "corrected", "uncorrected")
        ]
        used, full = row["corrected: runs"], row["full grid"]
        cells = [
            row["kind"],
            row["grid"],
            row["noise"],
            f"{used:.0f} of {full} ({used / full:.0%})",
        ]
        rows.append(f"| {' | '.join([*cells, *shares])} | {row['corrected: looks']:.1f} |")
    return rows


def kept(found: pd.DataFrame) -> list[str]:
    """Markdown: what leaving hopeless points out changes."""
    rows = ["| truth | grid | noise | true, left out | true, kept | false | never contradicted |"]
    rows.append("| --- " * 7 + "|")
    for _, row in found[found["all points kept: runs"] > 0].iterrows():
        n = row["simulations"]
        ways = ("corrected", "all points kept")
        true = [f"{row[f'{way}: true'] / n:.0%}" for way in ways]
        false = ", ".join(f"{row[f'{way}: false'] / n:.0%}" for way in ways)
        same = f"{row['never contradicted by keeping all points'] / n:.0%}"
        cells = [row["kind"], row["grid"], row["noise"], *true, false, same]
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def draw(found: pd.DataFrame, file: Path) -> None:
    """Share of the full grid's runs and of true verdicts, by truth."""
    found = found[~found["kind"].str.contains("flat|:")].reset_index()
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 0.32 * len(found) + 1.2), sharey=True)
    names = [f"{r['kind']} {r['grid']}, {r['noise']}" for _, r in found.iterrows()]
    places = range(len(found))
    left.barh(places, found["corrected: runs"] / found["full grid"], color="#4477aa")
    left.axvline(1 / 3, color="#bb5566", lw=1.2)
    left.text(1 / 3, -0.8, " a third", color="#bb5566", ha="left", va="center", fontsize=8)
    left.set(xlabel="runs, share of the full grid with ten seeds", xlim=(0, 0.44))
    left.set_yticks(list(places), names)
    left.invert_yaxis()
    for way, mark, label in (
        ("full", "o", "full grid, ten seeds"),
        ("corrected", "D", "deciding, at most a third of the runs"),
    ):
        shares = found[f"{way}: true"] / found["simulations"]
        right.plot(shares, places, mark, label=label, ms=5 if mark == "D" else 8, alpha=0.8)
    right.set(xlabel="share of simulations with the true verdict", xlim=(0, 1.04))
    right.legend(fontsize=8, loc="lower left")
    figure.tight_layout()
    figure.savefig(file, dpi=120)


def main() -> None:
    found = pd.read_csv(HERE / "results.csv")
    text = ["# Simulated deciding sweeps", "", *lines(found), "", "## Hopeless points", ""]
    text += kept(found)
    (HERE / "results.md").write_text("\n".join(text) + "\n")
    draw(found, HERE / "simulation.png")


if __name__ == "__main__":
    main()

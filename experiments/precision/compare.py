"""Means over seeds with 95 % intervals, and paired differences, of the runs of run.sh: python
experiments/precision/compare.py FOLDER
"""

import sys
from pathlib import Path

from vae_granularity.runs.aggregate import over_runs
from vae_granularity.runs.interval import Interval, interval
from vae_granularity.runs.table import read_results, run_directories

HERE = Path(__file__).parent
NAMES = ("val/elbo", "val/reconstruction", "val/kl", "val/between_group_tc", "val/within_group_tc")
NAMES += ("mig", "irs_group", "modularity_knn_group", "gaussian_tc_group")
PRECISIONS = ("32-true", "bf16-mixed")


def main(folder: Path) -> None:
    runs = [read_results(path) for path in run_directories(folder)]
    of = {
        p: sorted(
            (r for r in runs if r["config"]["trainer"]["precision"] == p),
            key=lambda r: r["config"]["seed"],
        )
        for p in PRECISIONS
    }
    seeds = {p: [r["config"]["seed"] for r in of[p]] for p in PRECISIONS}
    assert seeds["32-true"] == seeds["bf16-mixed"], seeds
    lines = [f"# bf16 against float32 on dSprites (rendered), seeds {seeds['32-true']}", ""]
    lines += ["| | float32 | bf16 | bf16 - float32, paired |", "| --- | --- | --- | --- |"]
    for name in NAMES:
        means = [over_runs(of[p], name) for p in PRECISIONS]
        values = [[(r["terms"] | r["scores"])[name] for r in of[p]] for p in PRECISIONS]
        paired = interval([b - a for a, b in zip(*values, strict=True)])
        lines.append(f"| {name} | " + " | ".join(map(_text, (*means, paired))) + " |")
    (HERE / "results.md").write_text("\n".join(lines) + "\n")


def _text(found: Interval | None) -> str:
    return "missing" if found is None else f"{found.mean:.3g} [{found.low:.3g}, {found.high:.3g}]"


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""Table of a folder of runs with fixed and adaptive partitions: python
experiments/adaptive/table.py FOLDER
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SCORES = ("modularity_knn_group", "gaussian_tc_group")


def main(folder: Path) -> None:
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for path in folder.glob("*/results.json"):
        found = json.loads(path.read_text())
        model = found["config"]["model"]
        rule = model["partition"]
        kind = (
            "fixed"
            if rule is None
            else "adaptive, γ = 2"
            if rule == "adaptive"
            else "adaptive, free"
        )
        weight = (
            "-"
            if "within_group_weight" not in model
            else "0"
            if model["within_group_weight"] == 0
            else "-β/2"
        )
        groups[found["run"]["model"], f"{model['beta']:g}", weight, kind].append(found)
    lines = ["# Partitions that regroup, on blocks", "", "One value a seed (0, 1, 2).", ""]
    lines += [
        f"| model | β | inside weight | partition | ELBO | {' | '.join(SCORES)} | last groups |",
        "| --- |" + " --- |" * 7,
    ]
    for key, runs in sorted(groups.items()):
        runs.sort(key=lambda found: found["config"]["seed"])
        last = [
            " ".join("".join(map(str, group)) for group in found["run"]["partitions"][-1][1])
            for found in runs
        ]
        cells = [", ".join(f"{found['terms']['val/elbo']:.1f}" for found in runs)]
        cells += [
            ", ".join(
                "missing" if (v := found["scores"][name]) is None else f"{v:.2f}" for found in runs
            )
            for name in SCORES
        ]
        lines.append("| " + " | ".join([*key, *cells, "; ".join(last)]) + " |")
    (HERE / "results.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""Table and picture of a folder of finished runs, one run a model: python
experiments/models/table.py FOLDER
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from PIL import Image

HERE = Path(__file__).parent
TERMS = ("elbo", "reconstruction", "kl", "between_group_tc", "within_group_tc")
SCORES = ("mig", "sap", "modularity", "active_variance")
GROUP_SCORES = ("modularity_knn_group", "gaussian_tc_group", "irs_group")


def main(folder: Path) -> None:
    runs = [
        (path.parent, json.loads(path.read_text()))
        for path in sorted(folder.glob("*/results.json"))
    ]
    columns = (
        [f"val/{name}" for name in TERMS],
        [name for name in (*SCORES, *GROUP_SCORES) if any(name in r["scores"] for _, r in runs)],
    )
    head = ["model", "γ", *TERMS, *columns[1]]
    lines = [
        "# Every model, 2 000 steps on dSprites (rendered), one seed",
        "",
        "Terms in nats on held-out images.",
        "",
    ]
    lines += ["| " + " | ".join(head) + " |", "| --- |" + " --- |" * (len(head) - 1)]
    for _, found in runs:
        values = [found["terms"].get(name) for name in columns[0]] + [
            found["scores"].get(name) for name in columns[1]
        ]
        cells = [
            found["run"]["model"],
            str(found["config"]["model"]["granularity"]),
            *map(_number, values),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    (HERE / "results.md").write_text("\n".join(lines) + "\n")
    picture(runs).savefig(HERE / "traversals.png", dpi=110)


def _number(value: float | None) -> str:
    return "missing" if value is None else f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def picture(runs: list[tuple[Path, dict[str, Any]]]) -> Figure:
    """The traversals of all runs in one figure."""
    columns = 4
    rows = math.ceil(len(runs) / columns)
    figure = Figure(figsize=(4 * columns, 4 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel in panels:
        panel.axis("off")
    for panel, (directory, found) in zip(panels, runs, strict=False):
        panel.imshow(Image.open(directory / "figures" / "traversals.png"))
        panel.set_title(found["run"]["title"], fontsize=10)
    return figure


if __name__ == "__main__":
    main(Path(sys.argv[1]))

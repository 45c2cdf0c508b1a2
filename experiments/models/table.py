"""Table and picture of runs, one a model: python experiments/models/table.py FOLDER"""

import math
import sys
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from vae_granularity import read_runs

HERE = Path(__file__).parent
TERMS = ("elbo", "reconstruction", "kl", "between_group_tc", "within_group_tc")
SCORES = ("mig", "sap", "modularity", "active_variance")
GROUP_SCORES = ("modularity_knn_group", "gaussian_tc_group", "irs_group")


def main(folder: str) -> None:
    runs = read_runs(folder)
    scores = [name for name in (*SCORES, *GROUP_SCORES) if f"scores/{name}" in runs]
    names = [*(f"val/{name}" for name in TERMS), *(f"scores/{name}" for name in scores)]
    head = ["model", "γ", *TERMS, *scores]
    lines = [
        "# Every model, 2 000 steps on dSprites (rendered), one seed",
        "",
        "Terms in nats on held-out images.",
        "",
    ]
    lines += ["| " + " | ".join(head) + " |", "| --- |" + " --- |" * (len(head) - 1)]
    for _, run in runs.iterrows():
        cells = [run["model"], str(run["model.granularity"]), *map(_number, run[names])]
        lines.append("| " + " | ".join(cells) + " |")
    (HERE / "results.md").write_text("\n".join(lines) + "\n")
    picture(runs).savefig(HERE / "traversals.png", dpi=110)


def _number(value: float) -> str:
    return "missing" if math.isnan(value) else f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def picture(runs: pd.DataFrame) -> Figure:
    """The traversals of all runs in one figure."""
    columns = 4
    rows = math.ceil(len(runs) / columns)
    figure = Figure(figsize=(4 * columns, 4 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel in panels:
        panel.axis("off")
    for panel, (_, run) in zip(panels, runs.iterrows(), strict=False):
        panel.imshow(Image.open(Path(run["path"]) / "figures" / "traversals.png"))
        panel.set_title(run["run.title"], fontsize=10)
    return figure


if __name__ == "__main__":
    main(sys.argv[1])

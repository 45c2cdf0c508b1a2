"""`python experiments/sweep_blocks/table.py runs/sweep_blocks`: held-out ELBO and MIG over seeds,
as a table.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas as pd


def table(folder: Path) -> str:
    """Markdown: one row a beta, one column a granularity; ELBO (nats) and MIG of the finished runs
    in the folder.
    """
    found = [json.loads(path.read_text()) for path in folder.glob("*/results.json")]
    rows = pd.DataFrame(
        {
            "beta": run["config"]["model"]["beta"],
            "granularity": run["config"]["model"]["granularity"],
            "elbo": run["terms"]["val/elbo"],
            "mig": run["scores"]["mig"],
        }
        for run in found
    )
    groups = rows.groupby(["beta", "granularity"])
    cells = groups.apply(
        lambda g: (
            f"{g.elbo.mean():.2f} ± {g.elbo.std():.2f}, {g.mig.mean():.2f} ± {g.mig.std():.2f} ({len(g)})"
        )
    )
    wide = cells.unstack()
    lines = [
        "| β | " + " | ".join(f"γ = {g}" for g in wide.columns) + " |",
        "| --- " * (len(wide.columns) + 1) + "|",
    ]
    return "\n".join(
        [
            *lines,
            *(
                f"| {beta:g} | " + " | ".join(row) + " |"
                for beta, row in zip(wide.index, wide.values, strict=True)
            ),
        ]
    )


if __name__ == "__main__":
    print(table(Path(sys.argv[1])))

"""Training curves of a few runs, from their metrics.csv."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vae_granularity.analysis.page.labels import with_unit
from vae_granularity.data.files.plain import read_plain

TITLES = {
    **{f"val/{term}": with_unit(f"val/{term}") for term in ("elbo", "reconstruction", "kl")},
    **{
        f"val/{term}": with_unit(f"val/{term}")
        for term in ("mutual_information", "between_group_tc", "within_group_tc", "dimension_kl")
    },
    "train/elbo": "ELBO of training batches (nats)",
}
MOST = 200  # points of a curve


def curves(runs: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The curves of runs, each with `granularity` and `path`; None where no run has a curve of two
    or more points.
    """
    found = [
        {"name": f"γ = {run['granularity']}", "lines": _lines(Path(run["path"]) / "metrics.csv")}
        for run in runs
    ]
    there = {key for run in found for key in run["lines"]}
    if not there:
        return None
    return {"titles": {k: TITLES[k] for k in TITLES if k in there}, "runs": found}


def _lines(file: Path) -> dict[str, tuple[list[int], list[float]]]:
    try:
        table = pd.read_csv(BytesIO(read_plain(file)))
    except (OSError, ValueError):  # no CSV was kept, or it is damaged: a page without these curves
        return {}
    found = {}
    for key in TITLES:
        if key not in table or "step" not in table:
            continue
        values = pd.to_numeric(table[key], errors="coerce")
        known = np.flatnonzero(np.isfinite(values))
        if len(known) < 2:
            continue
        kept = known[np.unique(np.linspace(0, len(known) - 1, MOST).round().astype(int))]
        steps = pd.to_numeric(table["step"], errors="coerce").iloc[kept]
        found[key] = (steps.tolist(), [float(f"{v:.5g}") for v in values.iloc[kept]])
    return found

"""Where two factors sit in the codes of a folder of runs: overlap.csv, and the table of the README.

python overlap.py RUNS overlap.csv
"""

import sys

import numpy as np
import pandas as pd

from vae_granularity import load_run, metrics, read_runs
from vae_granularity.evaluation.encoding import encode_table

HUES, CONTROL = ("floor_hue", "wall_hue"), ("floor_hue", "object_hue")
NUM_CODES = 4_000
KEPT = ("val/elbo", "val/elbo_correlated", "scores/mig", "scores/mig_correlated")


def overlap(mi: np.ndarray, first: int, second: int) -> float:
    """Common part of two factors' shares of information over units (U, F): 0 apart, 1 alike."""
    a, b = mi[:, first] / mi[:, first].sum(), mi[:, second] / mi[:, second].sum()
    return float(np.minimum(a, b).sum())


def row(path: str) -> dict[str, float]:
    """Overlaps of a run, over single dimensions and over contiguous pairs of them."""
    run = load_run(path)
    data = run.datamodule
    data.setup()
    indices = np.random.default_rng(0).choice(data.space.size, NUM_CODES, replace=False)
    codes = encode_table(run.model.eval(), data, indices, 256).mu
    mi = metrics.mig(codes, data.labels(indices)).mi_matrix
    pairs = mi.reshape(mi.shape[0] // 2, 2, -1).sum(1)  # information of a pair, if added up
    found = {}
    for name, (first, second) in (("hues", HUES), ("control", CONTROL)):
        at = [data.label_names.index(factor) for factor in (first, second)]
        found |= {f"{name}_dims": overlap(mi, *at), f"{name}_pairs": overlap(pairs, *at)}
    return found | {"info_hues": float(mi[:, :2].max(0).mean())}


def main() -> None:
    runs, out = sys.argv[1:]
    table = read_runs(runs)
    table["dependent"] = table["dataset.correlation"].notna()
    found = pd.DataFrame([row(path) for path in table["path"]])
    named = table[["dependent", "model.granularity", "seed"]]
    kept = table.reindex(columns=[*KEPT])
    every = pd.concat([named, kept, found], axis=1).sort_values(list(named))
    every.round(4).to_csv(out, index=False)
    means = every.groupby(["dependent", "model.granularity"]).mean().drop(columns="seed")
    print(means.round(3).to_string())
    print(every.groupby(["dependent", "model.granularity"]).std().round(3).to_string())


if __name__ == "__main__":
    main()

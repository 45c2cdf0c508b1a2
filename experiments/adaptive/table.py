"""Runs with fixed and adaptive partitions: python experiments/adaptive/table.py FOLDER"""

import sys
from pathlib import Path

import pandas as pd

from vae_granularity import read_runs

HERE = Path(__file__).parent
SCORES = ("modularity_knn_group", "gaussian_tc_group")
KEYS = ["model", "model.beta", "weight", "kind"]


def main(folder: str) -> None:
    runs = read_runs(folder).sort_values("seed")
    runs["kind"] = runs.apply(_kind, axis=1)
    runs["weight"] = ["-" if w != w else f"{w:g}" if w == 0 else "-β/2" for w in _weights(runs)]
    lines = ["# Partitions that regroup, on blocks", "", "One value a seed (0, 1, 2).", ""]
    head = ["model", "β", "inside weight", "partition", "ELBO", *SCORES, "last groups"]
    lines += [f"| {' | '.join(head)} |", "| --- |" + " --- |" * 7]
    for (model, beta, weight, kind), group in runs.groupby(KEYS):
        cells = [", ".join(f"{value:.1f}" for value in group["val/elbo"])]
        cells += [", ".join(map(_score, group[f"scores/{name}"])) for name in SCORES]
        cells += ["; ".join(map(_groups, group["run.partitions"]))]
        lines.append(f"| {' | '.join([model, f'{beta:g}', weight, kind, *cells])} |")
    (HERE / "results.md").write_text("\n".join(lines) + "\n")


def _kind(run: pd.Series) -> str:
    """A partition that regroups is a word, or options with a `schedule`."""
    if run.get("model.partition") == "adaptive":
        return "adaptive, γ = 2"
    return "fixed" if run.get("model.partition.schedule") is None else "adaptive, free"


def _weights(runs: pd.DataFrame) -> list[float]:
    """nan for a model that has no such weight; the default of one that has is -β/2."""
    has = runs["model"] == "stcvae"
    weights = runs.get("model.within_group_weight", pd.Series(dtype=float)).reindex(runs.index)
    return [
        float("nan") if not h else -1.0 if w != w else w for h, w in zip(has, weights, strict=True)
    ]


def _score(value: float) -> str:
    return "missing" if value != value else f"{value:.2f}"


def _groups(partitions: tuple) -> str:
    return " ".join("".join(map(str, group)) for group in partitions[-1][1])


if __name__ == "__main__":
    main(sys.argv[1])

"""How right are estimates of what a group holds of a factor? Old and new ones on known codes.

    PYTHONPATH=. OMP_NUM_THREADS=1 python experiments/estimators/table.py [ROWS CODE ...]

Writes results_<rows>_<code>.csv beside this file, for the codes named by their first word (all of
them and 2 000 rows, then the four of the acceptance table and 10 000 rows, where none is), and from
all such files results.md. Costs depend on the machine and on what else it does.
"""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from codes import ACCEPTED, INDEPENDENT, NAMES, make

from vae_granularity import LatentPartition, metrics
from vae_granularity.metrics.core import inputs, knn, unit_information
from vae_granularity.metrics.granularity_profile import HOLDS

FOLDER = Path(__file__).parent
GRANULARITIES = (1, 2, 3, 5, 10)
SIZES, SIGMAS, SEEDS = (10, 40), (0.1, 0.5), (0, 1, 2)
SLOW_ROWS = 2_000  # up to here on three seeds, and with the estimates that were not taken on one
TOLERANCE = 0.1


def joint_knn(z: np.ndarray, f: np.ndarray) -> float:
    """The old estimate: nearest neighbours of the joint vector."""
    return knn.mutual_information(knn.standardize(z)[0], f, 10)


def greedy_knn(z: np.ndarray, f: np.ndarray) -> float:
    """The largest over nested subsets, grown while they gain, less the same on a dealt factor."""
    dealt = np.random.default_rng(0).permutation(f)
    return max(0.0, _grown(knn.standardize(z)[0], f) - _grown(knn.standardize(z)[0], dealt))


def _grown(z: np.ndarray, f: np.ndarray) -> float:
    chosen: list[int] = []
    best = 0.0
    while len(chosen) < z.shape[1]:
        rest = [d for d in range(z.shape[1]) if d not in chosen]
        found = [knn.mutual_information(z[:, [*chosen, d]], f, 10) for d in rest]
        if max(found) <= best:
            break
        best, chosen = max(found), [*chosen, rest[int(np.argmax(found))]]
    return best


def boosted_trees(z: np.ndarray, f: np.ndarray) -> float:
    """Entropy less the log-loss of gradient-boosted trees, cross-fitted on halves."""
    from lightgbm import LGBMClassifier

    half = np.arange(len(f)) % 2 == 0
    losses = []
    for train in (half, ~half):
        model = LGBMClassifier(
            n_estimators=30, num_leaves=7, learning_rate=0.2, n_jobs=1, verbose=-1
        )
        p = model.fit(z[train], f[train]).predict_proba(z[~train])
        losses.append(-np.log(np.maximum(p[np.arange(len(p)), f[~train]], 1e-12)).mean())
    return max(0.0, float(np.log(len(np.unique(f))) - np.mean(losses)))


def new(z: np.ndarray, f: np.ndarray) -> float:
    """The estimate of every k-NN group score."""
    group = [tuple(range(z.shape[1]))]
    return float(
        unit_information.mutual_information_matrix(inputs.labelled_sample(z, f), group)[0, 0]
    )


SLOW: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "greedy k-NN": greedy_knn,
    "boosted trees": boosted_trees,
}
MIXTURE = ("mixture (old)", "mixture, own left out", "mixture, new")


def cells(name: str, rows: int) -> Iterator[dict[str, Any]]:
    """Every estimate of one code, as dictionaries."""
    for size, sigma, granularity, seed in product(
        SIZES, SIGMAS, GRANULARITIES, SEEDS if rows <= SLOW_ROWS else SEEDS[:1]
    ):
        code = make(name, size, sigma, granularity, rows, seed)
        if code is None:
            continue
        noise = np.random.default_rng(100 + seed).normal(size=code.mean.shape)
        z, f = code.mean + sigma * noise, code.factor
        key = {"code": name, "K": size, "sigma": sigma, "gamma": granularity, "rows": rows}
        key |= {"seed": seed, "truth": code.share}
        tried = SLOW if rows <= SLOW_ROWS and seed == 0 and size == SIZES[0] else {}
        old = {"joint k-NN (old)": joint_knn} if rows <= SLOW_ROWS else {}
        for estimator, estimate in {**old, "new": new, **tried}.items():
            start = time.perf_counter()
            share = estimate(z, f) / np.log(size)
            seconds = time.perf_counter() - start
            yield key | {"estimator": estimator, "share": share, "ms": 1000 * seconds}
        if rows <= SLOW_ROWS and seed == 0:
            start = time.perf_counter()
            found = metrics.mig_entropy(
                z,
                code.mean,
                np.full(z.shape, 2 * np.log(sigma)),
                f,
                partition=LatentPartition.from_sizes([granularity]),
            )
            seconds = time.perf_counter() - start
            lower, upper = found.bounds_group[:, 0, 0]
            shares = (upper, lower, found.mi_matrix_group[0, 0])
            for estimator, nats in zip(MIXTURE, shares, strict=True):
                share = nats / found.factor_entropy[0]
                yield key | {"estimator": estimator, "share": share, "ms": 1000 * seconds}


def write(name: str, rows: int) -> None:
    """The file of one code."""
    found = [
        {k: f"{v:.4g}" if isinstance(v, float) else v for k, v in cell.items()}
        for cell in cells(name, rows)
    ]
    path = FOLDER / f"results_{rows}_{first_word(name)}.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(found[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(found)


def first_word(name: str) -> str:
    """What a code is called on the command line."""
    return name.split()[0].rstrip(":")


def report() -> str:
    """Worst errors and costs by code, estimator and γ; and what thresholds have to lie between."""
    import pandas as pd

    table = pd.concat(map(pd.read_csv, sorted(FOLDER.glob("results_*.csv"))))
    table["error"] = (table["share"] - table["truth"]).abs()
    parts = []
    for rows, of_rows in table.groupby("rows"):
        worst = of_rows.pivot_table(
            index=["code", "estimator"], columns="gamma", values="error", aggfunc="max"
        )
        missing = of_rows["share"].isna().groupby([of_rows["code"], of_rows["estimator"]]).mean()
        lines = ["| code | estimator | " + " | ".join(f"γ={g}" for g in worst) + " | missing |"]
        lines.append("|---" * (len(worst.columns) + 3) + "|")
        for (code, estimator), row in worst.iterrows():
            numbers = ["" if np.isnan(x) else f"{'**' * (x > TOLERANCE)}{x:.2f}" for x in row]
            numbers = [f"{x}**" if x.startswith("**") else x for x in numbers]
            share = missing[code, estimator]
            lines.append(f"| {code} | {estimator} | {' | '.join(numbers)} | {share:.0%} |")
        cost = of_rows.pivot_table(
            index="estimator", columns="gamma", values="ms", aggfunc="median"
        )
        lines += ["", f"Median cost in ms at {rows} rows (a group and a factor):", ""]
        lines += ["| estimator | " + " | ".join(f"γ={g}" for g in cost) + " |"]
        lines += ["|---" * (len(cost.columns) + 1) + "|"]
        for estimator, row in cost.iterrows():
            lines.append(f"| {estimator} | {' | '.join(f'{x:.0f}' for x in row)} |")
        parts.append(f"## {rows} rows: largest error of the share\n\n" + "\n".join(lines))
    ours = table[table["estimator"] == "new"]
    thresholds = [
        "| γ | largest share of code b | smallest share of code a | HOLDS |",
        "|---|---|---|---|",
    ]
    for granularity, of in ours.groupby("gamma"):
        none = of.loc[of["code"] == INDEPENDENT, "share"].max()
        some = of.loc[of["code"] == ACCEPTED[0], "share"].min()
        thresholds.append(f"| {granularity} | {none:.3f} | {some:.3f} | {HOLDS} |")
    parts.append("## What the threshold lies between\n\n" + "\n".join(thresholds))
    return "# Results\n\n" + "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    if sys.argv[1:]:
        asked = [(n, int(sys.argv[1])) for n in NAMES if first_word(n) in sys.argv[2:]]
    else:
        asked = [*((n, 2_000) for n in NAMES), *((n, 10_000) for n in ACCEPTED)]
    for code_name, number in asked:
        write(code_name, number)
    (FOLDER / "results.md").write_text(report())

"""Cost of the metrics against plain reference-style implementations, and how far the fast trees
agree with the published ones.

    OMP_NUM_THREADS=1 python experiments/benchmarks/metrics.py [--dci-points 1000]

10 000 training and 5 000 test points of dSprites' factors, 10 latents that mix them sparsely and
noisily, one thread. The references are plain loops: a histogram and scikit-learn's mutual
information for each pair; one draw, one look-up and one variance for each FactorVAE vote, from the
same table. Both parties run in turn, medians of `ROUNDS` rounds; the rest is timed once after a
warm-up on few points. Times are processor seconds of the one process, so that other work on the
machine disturbs them little; what runs in other processes (the published trees, the peak of memory)
is wall time. The published trees are timed at fewer points, since 10 000 take minutes: a plain
loop, ours serial and ours on two processes, twice in turn, the best of each (a busy second core
would hide the gain); their agreement with the fast ones is over the golden codes in tests/golden
(800/400 points). Memory is the peak of a fresh process. Results go to results/metrics.json and .md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from machine import RESULTS, about, heading_of
from sklearn.metrics import mutual_info_score

from vae_granularity import LatentPartition, metrics
from vae_granularity.data.factors import FactorSpace
from vae_granularity.metrics.core.histogram import discretize, mutual_information

HERE = Path(__file__).parent
GOLDEN = HERE.parents[1] / "tests" / "golden"
SPACE = FactorSpace(("shape", "scale", "orientation", "pos_x", "pos_y"), (3, 6, 40, 32, 32))
TRAIN, TEST, DIM, ROUNDS = 10_000, 5_000, 10, 5
PAIRS = LatentPartition.from_granularity(DIM, 2)


def grid_codes() -> np.ndarray:
    """Latents (N, 10) float32 of every point of the grid."""
    rng = np.random.default_rng(0)
    scaled = 2 * SPACE.factors(np.arange(SPACE.size)) / (np.array(SPACE.sizes) - 1) - 1
    mixing = rng.normal(size=(len(SPACE.sizes), DIM)) * (rng.random((len(SPACE.sizes), DIM)) < 0.4)
    return (scaled @ mixing + 0.3 * rng.normal(size=(SPACE.size, DIM))).astype(np.float32)


def plain_mutual_information(latents: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """(n, D), (n, F) to (D, F): every pair on its own."""
    matrix = np.zeros((latents.shape[1], factors.shape[1]))
    bins = [np.digitize(column, np.histogram(column, 20)[1][:-1]) for column in latents.T]
    for d, column in enumerate(bins):
        for f in range(factors.shape[1]):
            matrix[d, f] = mutual_info_score(column, factors[:, f])
    return matrix


def plain_factor_vae(
    encode: Callable[[np.ndarray], np.ndarray], rng: np.random.RandomState
) -> float:
    """Every vote on its own: 64 draws factor by factor, a look-up, a variance."""
    spread = np.var(encode(SPACE.sample(TRAIN, rng)), axis=0, ddof=1)
    kept = np.sqrt(spread) >= 0.05
    votes, right = np.zeros((len(SPACE.sizes), int(kept.sum())), dtype=int), 0
    for i in range(TRAIN + TEST):
        held = rng.randint(len(SPACE.sizes))
        rows = SPACE.sample(64, rng)
        rows[:, held] = rows[0, held]
        choice = np.argmin(np.var(encode(rows), axis=0, ddof=1)[kept] / spread[kept])
        if i < TRAIN:
            votes[held, choice] += 1
        else:
            right += votes[:, choice].argmax() == held
    return right / TEST


def seconds(
    call: Callable[[], Any], clock: Callable[[], float] = time.process_time
) -> tuple[float, Any]:
    """Processor seconds of a call in this process (`time.perf_counter`: wall seconds), and what it
    returned.
    """
    start = clock()
    result = call()
    return clock() - start, result


def in_turn(plain: Callable[[], Any], ours: Callable[[], Any]) -> dict[str, float]:
    """Medians over rounds in which both run, plain first."""
    ours()
    rounds = [(seconds(plain)[0], seconds(ours)[0]) for _ in range(ROUNDS)]
    times = [median(column) for column in zip(*rounds, strict=True)]
    return {"plain_s": times[0], "ours_s": times[1], "times_faster": times[0] / times[1]}


def published(
    z: np.ndarray, f: np.ndarray, test: tuple[np.ndarray, np.ndarray], encode: Any
) -> dict[str, Callable[[], Any]]:
    """The published scores but DCI and posterior entropies."""
    return {
        "mig": lambda: metrics.mig(z, f),
        "sap": lambda: metrics.sap(z, f, test=test),
        "modularity": lambda: metrics.modularity(z, f),
        "explicitness": lambda: metrics.explicitness(z, f, test=test),
        "irs": lambda: metrics.irs(z, f),
        "infomec": lambda: metrics.infomec(z, f),
        "unsupervised": lambda: metrics.unsupervised(z),
        "active_units": lambda: metrics.active_units(z, np.full_like(z, -1.0)),
        "factor_vae": lambda: metrics.factor_vae_score(encode, SPACE),
        "beta_vae": lambda: metrics.beta_vae_score(encode, SPACE),
    }


def others(
    z: np.ndarray, f: np.ndarray, test: tuple[np.ndarray, np.ndarray], encode: Any
) -> dict[str, Callable[[], Any]]:
    """Everything else in the suite, by group where there is a group form."""
    noise = np.random.default_rng(1).normal(size=z.shape)
    return {
        "sap by groups of 2": lambda: metrics.sap(z, f, test=test, partition=PAIRS),
        "modularity_knn by groups of 2": lambda: metrics.modularity_knn(z, f, partition=PAIRS),
        "infomec by groups of 2": lambda: metrics.infomec(z, f, partition=PAIRS),
        "factor_vae by groups of 2": lambda: metrics.factor_vae_score(
            encode, SPACE, partition=PAIRS
        ),
        "unit_profile by groups of 2": lambda: metrics.unit_profile(z, f, partition=PAIRS),
        "group_null (20 deals, 2 000 points)": lambda: metrics.group_null(z, f, partition=PAIRS),
        "factor_dimensions (2 000 points)": lambda: metrics.factor_dimensions(z, f),
        "udr of 4 models, 1 000 points": lambda: metrics.udr(
            [z[:1000], -z[:1000], z[:1000, ::-1], noise[:1000]]
        ),
        "mig_entropy, 2 000 samples of 10 000 posteriors": lambda: metrics.mig_entropy(
            z + 0.3 * noise,
            z,
            np.full_like(z, 2 * np.log(0.3)),
            f,
            partition=PAIRS,
            num_samples=2000,
        ),
    }


def agreement() -> list[dict[str, Any]]:
    """Scores of the fast trees against the reference's, on the golden codes of 800/400 points."""
    codes, trees = np.load(GOLDEN / "metrics.npz"), np.load(GOLDEN / "dci.npz")
    rows = []
    for case in sorted({key.rsplit("/dci/", 1)[0] for key in trees.files}):
        z, f = (
            codes[f"{case}/latents"].astype(np.float64),
            codes[f"{case.split('/')[0]}/factors"].astype(np.int64),
        )
        found = metrics.dci(
            z[:800], f[:800], test=(z[2000:2400], f[2000:2400]), regressor="lightgbm", n_jobs=1
        ).scores
        row: dict[str, Any] = {"code": case}
        for score in ("disentanglement", "completeness"):
            row[score] = {
                "published": float(trees[f"{case}/dci/{score}"]),
                "fast": found[f"dci_fast_{score}"],
            }
        rows.append(row)
    return rows


def published_trees(
    z: np.ndarray, f: np.ndarray, test: tuple[np.ndarray, np.ndarray], points: int
) -> dict[str, Any]:
    """GradientBoostingClassifier: scikit-learn's own loop, ours serial, ours on two processes."""
    from sklearn.ensemble import GradientBoostingClassifier

    train, held_out = (z[:points], f[:points]), (test[0][: points // 2], test[1][: points // 2])

    def plain() -> None:
        for column, test_column in zip(train[1].T, held_out[1].T, strict=True):
            trees = GradientBoostingClassifier(random_state=0).fit(train[0], column)
            trees.score(train[0], column), trees.score(held_out[0], test_column)

    spent: dict[str, list[float]] = {"plain": [], "ours_1": [], "ours_2": []}
    scores = set()
    for _ in range(2):
        spent["plain"].append(seconds(plain, time.perf_counter)[0])
        for jobs in (1, 2):
            time_taken, found = seconds(
                lambda jobs=jobs: metrics.dci(*train, test=held_out, n_jobs=jobs), time.perf_counter
            )
            spent[f"ours_{jobs}"].append(time_taken)
            scores.add(found.scores["dci_disentanglement"])
    assert len(scores) == 1, f"the score depends on the number of processes: {scores}"
    best = {f"{name}_s": min(times) for name, times in spent.items()}
    return {
        "points": points,
        **best,
        "times_faster_on_2": best["ours_1_s"] / best["ours_2_s"],
        "all_s": spent,
    }


MEMORY = """
import numpy as np
from vae_granularity import metrics
from vae_granularity.data.factors import FactorSpace

def peak():
    lines = open("/proc/self/status")
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

space = FactorSpace(tuple("abcde"), (3, 6, 40, 32, 32))
f = space.factors(np.arange(space.size))
mu = np.random.default_rng(0).normal(size=(len(f), 10))
before = peak()
metrics.mig_entropy(mu + 0.1, mu, np.full_like(mu, -4.6), f, num_samples=200)
print(before, peak())
"""


def memory_of_entropies() -> dict[str, float]:
    """Peak resident memory, MB, of posterior entropies under all 737 280 posteriors of dSprites."""
    command = [sys.executable, "-c", MEMORY]
    spent, run = seconds(
        lambda: subprocess.run(command, capture_output=True, text=True, check=True),
        time.perf_counter,
    )
    before, peak = (int(word) / 1024 for word in run.stdout.split())
    return {
        "inputs_mb": before,
        "peak_mb": peak,
        "seconds": spent,
        "samples": 200,
        "posteriors": SPACE.size,
    }


def table(result: dict[str, Any]) -> str:
    """The Markdown beside the JSON."""
    total, fast = sum(result["published"].values()), result["dci_fast"]
    t, m = result["published_trees"], result["memory"]
    lines = [
        "# Metrics",
        "",
        *heading_of(result),
        f"Load after: {result['load_after']:.2f}. Protocol: the script's first lines.",
        "",
        "| against a plain loop | plain, s | ours, s | times faster |",
        "| --- | --- | --- | --- |",
    ]
    for name, r in result["against_plain"].items():
        lines.append(
            f"| {name} | {r['plain_s']:.3f} | {r['ours_s']:.4f} | {r['times_faster']:.1f} |"
        )
    lines += ["", "| published score | s |", "| --- | --- |"]
    lines += [f"| {name} | {value:.2f} |" for name, value in result["published"].items()]
    lines += [
        f"| **all of them** | **{total:.2f}** |",
        f"| dci_fast | {fast:.2f} |",
        f"| **with dci_fast** | **{total + fast:.2f}** |",
    ]
    lines += ["", "| the rest | s |", "| --- | --- |"]
    lines += [f"| {name} | {value:.2f} |" for name, value in result["others"].items()]
    lines += [
        "",
        f"Published DCI at {t['points']} / {t['points'] // 2} points: fits and both accuracies in "
        f"a plain loop {t['plain_s']:.1f} s;",
        f"ours {t['ours_1_s']:.1f} s serial and {t['ours_2_s']:.1f} s on two processes",
        f"({t['times_faster_on_2']:.2f} times faster than serial, "
        f"{t['plain_s'] / t['ours_2_s']:.2f} times than the plain loop).",
        "",
        f"mig_entropy under all {m['posteriors']} posteriors ({m['samples']} samples, "
        f"{m['seconds']:.0f} s): peak {m['peak_mb']:.0f} MB,",
        f"of which {m['inputs_mb']:.0f} MB are imports and inputs.",
        "",
        "Fast trees against the published ones (disentanglement / completeness):",
        "",
        "| code | published | fast | difference |",
        "| --- | --- | --- | --- |",
    ]
    for row in result["agreement"]:
        p, q = (
            [row[score][kind] for score in ("disentanglement", "completeness")]
            for kind in ("published", "fast")
        )
        lines.append(
            f"| {row['code']} | {p[0]:.3f} / {p[1]:.3f} | {q[0]:.3f} / {q[1]:.3f} | "
            f"{q[0] - p[0]:+.3f} / {q[1] - p[1]:+.3f} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--dci-points", type=int, default=1000, help="training points of the published DCI"
    )
    options = parser.parse_args()
    if os.environ.get("OMP_NUM_THREADS") != "1":
        raise SystemExit("set OMP_NUM_THREADS=1: the timings are those of one thread")
    torch.set_num_threads(1)
    script = "OMP_NUM_THREADS=1 python experiments/benchmarks/metrics.py"
    command = f"{script} --dci-points {options.dci_points}"
    facts = about(command, "numpy", "scipy", "scikit-learn", "lightgbm")
    codes = grid_codes()
    points = np.random.default_rng(2).permutation(SPACE.size)[: TRAIN + TEST]
    latents, factors = codes[points].astype(np.float64), SPACE.factors(points)
    z, f, test = latents[:TRAIN], factors[:TRAIN], (latents[TRAIN:], factors[TRAIN:])

    def encode(rows: np.ndarray) -> np.ndarray:
        return codes[np.ravel_multi_index(tuple(rows.T), SPACE.sizes)]

    few = (z[:300], f[:300], (test[0][:300], test[1][:300]), encode)
    for call in (published(*few) | others(*few)).values():
        call()  # imports and first calls are not the cost of a metric
    np.testing.assert_allclose(
        plain_mutual_information(z, f), mutual_information(discretize(z), f), atol=1e-10
    )
    result: dict[str, Any] = {
        **facts,
        "against_plain": {
            "MI matrix": in_turn(
                lambda: plain_mutual_information(z, f), lambda: mutual_information(discretize(z), f)
            ),
            "FactorVAE": in_turn(
                lambda: plain_factor_vae(encode, np.random.RandomState(0)),
                lambda: metrics.factor_vae_score(encode, SPACE),
            ),
        },
        "published": {
            name: seconds(call)[0] for name, call in published(z, f, test, encode).items()
        },
        "dci_fast": seconds(lambda: metrics.dci(z, f, test=test, regressor="lightgbm", n_jobs=1))[
            0
        ],
        "others": {name: seconds(call)[0] for name, call in others(z, f, test, encode).items()},
        "memory": memory_of_entropies(),
        "agreement": agreement(),
        "published_trees": published_trees(z, f, test, options.dci_points),
    }
    result["load_after"] = round(os.getloadavg()[0], 2)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "metrics.json").write_text(json.dumps(result, indent=1) + "\n")
    (RESULTS / "metrics.md").write_text(table(result))
    print(table(result))


if __name__ == "__main__":
    main()

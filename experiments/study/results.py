"""Tables and figures of the study from the runs that are done."""

import json
import os
import shutil
import subprocess
import sys
from itertools import combinations, product
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from plan import DATA, PARTITIONS, UNITS
from scipy.stats import ttest_ind

from vae_granularity import load_run, read_runs
from vae_granularity.analysis.complexity_claim import claim_tests, separation_thresholds
from vae_granularity.analysis.features import complexity_of
from vae_granularity.runs.identity import RESULTS, checkpoints

PROFILE = "profile.csv"  # of a piece: which factor has which unit in which model
COMPLEXITY = "complexity.json"  # of a piece: of each factor of its data
LEAST_UNITS = 8, 32  # the claim on features is asked again where networks can hold the factors
STILL = 0.1  # nats: an ELBO that moves by less over the last fifth of a run has converged


def write_results(folder: Path, out: Path) -> None:
    """Every table and figure of README.md that the runs in `folder` have come to."""
    surfaces = done(folder, "capacity")
    for piece in surfaces:
        shapes(piece, out)
    if surfaces:
        runs = {piece.name: read_runs(piece) for piece in surfaces}
        moves = pd.concat([moved(piece) for piece in surfaces])
        moves.to_csv(out / "convergence.csv", index=False, float_format="%.4g")
        draw_convergence(moves, out / "convergence.png")
        draw_surfaces(runs, out / "surfaces.png")
        longer = [lengthened(piece, runs) for piece in done(folder, "longer")]
        if longer:
            pd.concat(longer).to_csv(out / "longer.csv", index=False, float_format="%.4g")
    features = [table for piece in surfaces if (table := claim(piece)) is not None]
    if features:
        pd.concat(features).to_csv(out / "features.csv", index=False, float_format="%.4g")
    for kind in ("dependent", "published"):
        tables = [read_runs(piece).assign(piece=piece.name) for piece in done(folder, kind)]
        if tables:
            means(pd.concat(tables)).to_csv(out / f"{kind}.csv", float_format="%.4g")
        if tables and kind == "dependent":
            pairs(pd.concat(tables)).to_csv(out / "pairs.csv", index=False, float_format="%.4g")
    counts = {
        piece.name: len(list(piece.glob(f"*/{RESULTS}")))
        for piece in sorted(folder.iterdir())
        if piece.is_dir()
    }
    (out / "runs.json").write_text(json.dumps(counts, indent=1) + "\n")
    print(f"{sum(counts.values())} runs: {out}")


def done(folder: Path, kind: str) -> list[Path]:
    """Folders of the pieces of a kind that hold a finished run."""
    return [p for p in sorted(folder.glob(f"{kind}_*")) if next(p.glob(f"*/{RESULTS}"), None)]


def shapes(piece: Path, out: Path) -> None:
    """Verdicts, points and figures of a surface, over capacity and over β; where its models are at
    hand, what they know of each factor.
    """
    models = next((path for run in piece.iterdir() for path in checkpoints(run)), None)
    swept = read_runs(piece)[["net.width", "model.beta"]].nunique()
    for x in (x for x in ("net.width", "model.beta") if swept[x] > 1):
        name = f"{piece.name}_{x.rpartition('.')[2]}"
        analysis = piece / "analysis" / x
        command = [sys.executable, "-m", "vae_granularity.analyze", f"runs={piece}"]
        wanted = f"profile={str(x == 'net.width' and models is not None).lower()}"
        subprocess.run(
            [*command, f"x={x}", "y=model.granularity", "figures=7", wanted, f"out={analysis}"],
            check=True,
            env={**os.environ, "MPLBACKEND": "agg"},
        )
        for table in ("points", "verdicts"):
            shutil.copy(analysis / f"{table}.csv", out / f"{name}_{table}.csv")
        for file in sorted((analysis / "figures").glob("*.png")):
            shutil.copy(file, out / f"{name}_{file.name}")
        if (analysis / PROFILE).exists():
            shutil.copy(analysis / PROFILE, piece / PROFILE)
    if models is not None and not (piece / COMPLEXITY).exists():
        data = load_run(models.parents[1]).datamodule
        data.setup()
        (piece / COMPLEXITY).write_text(json.dumps(complexity_of(data), indent=1) + "\n")


def moved(piece: Path) -> pd.DataFrame:
    """How far the held-out ELBO of each run moved over its last fifth."""
    runs = read_runs(piece)
    last = []
    for path in runs["path"]:
        curve = pd.read_csv(Path(path) / "metrics.csv")["val/elbo"].dropna().to_numpy()
        last.append(curve[-1] - curve[-2] if len(curve) > 1 else np.nan)
    keys = ["net.width", "model.beta", "model.granularity", "seed"]
    return runs[keys].assign(piece=piece.name, moved=last)


def draw_convergence(moves: pd.DataFrame, file: Path) -> None:
    """How far the ELBO moved, by width, every run a dot."""
    figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for (name, beta), part in moves.groupby(["piece", "model.beta"]):
        label = f"{name.removeprefix('capacity_').replace('_', ', ')}, β = {beta:g}"
        distance = part["moved"].abs().clip(lower=1e-3)
        (line,) = axes[0].plot(part["net.width"] * UNITS, distance, ".", alpha=0.4)
        shares = (part["moved"].abs() < STILL).groupby(part["net.width"]).mean()
        axes[1].plot(shares.index * UNITS, shares, "o-", color=line.get_color(), label=label)
    axes[0].axhline(STILL, color="black", lw=0.8)
    axes[0].set(xscale="log", yscale="log", ylabel="|change of the ELBO|, nats")
    axes[1].set(xscale="log", ylim=(-0.03, 1.03), ylabel=f"share of runs below {STILL} nat")
    axes[1].legend(fontsize=7)
    for one in axes:
        one.set_xlabel("hidden units")
    figure.suptitle("Held-out ELBO over the last fifth of a run", fontsize=11)
    figure.savefig(file, dpi=120)
    plt.close(figure)


def draw_surfaces(runs: dict[str, pd.DataFrame], file: Path) -> None:
    """ELBO over width and γ for each data set and β, the best γ of each width marked."""
    names = [f"capacity_{data}_free" for data in DATA if f"capacity_{data}_free" in runs]
    betas = sorted({beta for name in names for beta in runs[name]["model.beta"]})
    figure, all_axes = plt.subplots(
        len(names),
        len(betas),
        figsize=(4.2 * len(betas), 3.6 * len(names)),
        squeeze=False,
        layout="constrained",
    )
    for row, name in zip(all_axes, names, strict=True):
        for axes, beta in zip(row, betas, strict=True):
            table = runs[name][runs[name]["model.beta"] == beta]
            if table.empty:
                axes.axis("off")
                continue
            grid = table.pivot_table(
                index="model.granularity", columns="net.width", values="val/elbo"
            )
            image = axes.imshow(grid, origin="lower", aspect="auto", cmap="viridis")
            middle = (image.norm.vmin + image.norm.vmax) / 2
            for (y, x), value in np.ndenumerate(grid.to_numpy()):
                if np.isfinite(value):
                    colour = "white" if value < middle else "black"
                    place = {"ha": "center", "va": "center", "fontsize": 7, "color": colour}
                    axes.text(x, y, f"{value:.0f}", **place)
            best = [grid.index.get_loc(grid[column].idxmax()) for column in grid]
            axes.plot(range(len(best)), best, "o-", mfc="none", ms=14, color="crimson")
            axes.set_xticks(range(grid.shape[1]), [f"{width * UNITS:.0f}" for width in grid])
            axes.set_yticks(range(len(grid)), [f"{g:.0f}" for g in grid.index])
            title = name.split("_")[1].replace("dsprites", "dSprites (rendered)")
            seeds = table.groupby(["net.width", "model.granularity"]).size()
            counts = "–".join(str(count) for count in sorted({seeds.min(), seeds.max()}))
            axes.set_title(f"{title}, β = {beta:g}, {counts} seeds")
            axes.set(xlabel="hidden units", ylabel="γ")
            figure.colorbar(image, ax=axes, label="ELBO, nats")
    figure.suptitle("Held-out ELBO over capacity and granularity; rings: the best γ of each width")
    figure.savefig(file, dpi=110)
    plt.close(figure)


def lengthened(piece: Path, runs: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """By how much twice the length raises the ELBO of the same point and seed."""
    keys = ["net.width", "model.beta", "model.granularity", "seed"]
    ends = read_runs(piece)[[*keys, "val/elbo"]]
    before = runs[piece.name.replace("longer", "capacity")][[*keys, "val/elbo"]]
    both = ends.merge(before, on=keys, suffixes=("", " before"))
    return both.assign(piece=piece.name, gained=both["val/elbo"] - both["val/elbo before"])


def claim(piece: Path) -> pd.DataFrame | None:
    """Does the γ that separates a factor grow with its complexity? A row a partition, β and
    least width."""
    files = piece / PROFILE, piece / COMPLEXITY
    if not all(file.exists() for file in files):
        return None
    profile, complexity = pd.read_csv(files[0]), json.loads(files[1].read_text())
    runs = read_runs(piece)
    runs.index = runs["run.name"]
    profile["run"] = profile["key"].str.split().str[0]
    rows = []
    for least, beta in product(LEAST_UNITS, sorted(runs["model.beta"].unique())):
        table = runs[(runs["model.beta"] == beta) & (runs["net.width"] * UNITS >= least)]
        part = profile[profile["run"].isin(table.index)]
        for found in claim_tests(separation_thresholds(table, part, ["net.width"]), complexity):
            rho, p = (found.test.rho, found.test.p) if found.test else (None, None)
            rows.append(
                {
                    "piece": piece.name,
                    "units at least": least,
                    "model.beta": beta,
                    "partition": found.partition,
                    "rho": rho,
                    "p": p,
                    "separated": found.separated,
                    "of": found.of,
                    "sentence": found.sentence,
                }
            )
    return pd.DataFrame(rows)


def means(runs: pd.DataFrame) -> pd.DataFrame:
    """Mean, standard deviation and number of seeds of the ELBO and each score, by piece."""
    numbers = [c for c in runs if c.startswith("scores/") or c in ("val/elbo", "val/kl")]
    kept = [c for c in numbers if c.count("/") == 1 and runs[c].notna().any()]
    groups = runs.groupby("piece")[kept]
    return groups.mean().join(groups.std(), rsuffix=" sd").join(groups.size().rename("seeds"))


def pairs(runs: pd.DataFrame) -> pd.DataFrame:
    """Welch tests between the partitions of each strength, Holm over the comparisons of one."""
    rows = []
    strengths = sorted({piece.split("_")[1] for piece in runs["piece"]})
    numbers = [c for c in ("val/elbo", "scores/mig", "scores/infom_group") if c in runs]
    for strength in strengths:
        of = {name: runs[runs["piece"] == f"dependent_{strength}_{name}"] for name in PARTITIONS}
        for number in numbers:
            family = []
            for first, second in combinations([n for n in PARTITIONS if len(of[n]) > 1], 2):
                a, b = of[first][number].dropna(), of[second][number].dropna()
                if len(a) > 1 and len(b) > 1:
                    test = ttest_ind(a, b, equal_var=False)
                    rows.append(
                        {
                            "strength": strength,
                            "number": number,
                            "first": first,
                            "second": second,
                            "difference": a.mean() - b.mean(),
                            "p": test.pvalue,
                        }
                    )
                    family.append(rows[-1])
            for row, p in zip(family, holm([row["p"] for row in family]), strict=True):
                row["p_holm"] = p
    return pd.DataFrame(rows)


def holm(values: list[float]) -> list[float]:
    """Holm's step-down p values.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(values)
    stepped = np.asarray(values)[order] * np.arange(len(values), 0, -1)
    found = np.empty(len(values))
    found[order] = np.minimum(np.maximum.accumulate(stepped), 1.0)
    return [float(p) for p in found]

"""The study's runs and what is read off them, piece by piece.

    python experiments/study/study.py run SCALE [FOLDER]       # starts or continues the runs
    python experiments/study/study.py figures SCALE [FOLDER]   # tables and figures of them

SCALE is quick, workstation or gpu. A piece is one sweep and one folder below FOLDER
(runs/study_SCALE); what is done is not done again. README.md says what is asked, and what will
count as an answer.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from vae_granularity import read_runs
from vae_granularity.runs.identity import RESULTS

HERE = Path(__file__).parent
SCALES = ("quick", "workstation", "gpu")
GRID = "dataset.factor_sizes=[1,3,3,10,8,8]"  # 5 760 images
DSPRITES = ("dataset=dsprites", "dataset.source=rendered", "dataset.image_size=32", GRID)
KINDS = "dataset.kinds=[gaussian,gaussian,ring,spiral,sphere,torus]"
BLOCKS = ("dataset=blocks", "dataset.num_blocks=6", "dataset.block_dim=[1,1,2,2,3,3]", KINDS)
SIGMA = "likelihood.sigma=0.3"
DATA = {"dsprites": DSPRITES, "blocks": (*BLOCKS, SIGMA)}
MODEL = ("model=stcvae", "net=mlp", "model.latent_dim=12", "trainer=quick", "logger=csv")
MEASURED = ("evaluation.figures=false", "metrics=[active_units,mig,infomec]")
WEIGHTS = {"free": "0", "rewarded": "null", "penalised": "1"}  # of the TC inside groups
# Steps, widths (times 256 units), granularities, betas, weights, seeds.
CAPACITY = {
    "quick": (300, "0.0625,0.25,1", "1,3,12", (64,), ("free",), "0,1"),
    "workstation": (
        20_000,
        "0.03125,0.0625,0.125,0.25,0.5,1,2",
        "1,2,3,4,6,12",
        (64, 16, 4),
        tuple(WEIGHTS),
        "0,1,2",
    ),
}
STRENGTHS = {"none": "null", "weak": "0.4", "medium": "0.2", "strong": "0.1"}
PARTITIONS = {
    "single": "model.granularity=1",
    "pair": "model.partition=[2,1,1,1,1,1,1,1,1,1,1]",
    "pairs": "model.granularity=2",
    "triple": "model.partition=[3,1,1,1,1,1,1,1,1,1]",
}
PUBLISHED = (("betavae", 4), ("betatcvae", 4), ("betatcvae", 6))
SCORES = "metrics=[mig,dci,sap,factor_vae,beta_vae]"


def pieces(scale: str) -> Iterator[tuple[str, list[str]]]:
    """Name and overrides of each sweep, in the order of what is asked first."""
    short = scale == "quick"
    plan = CAPACITY["quick" if short else "workstation"]
    steps, widths, granularities, betas, weights, seeds = plan
    length = (f"trainer.max_steps={steps}", f"evaluation.every={steps // 5}")
    for weight in weights:
        for beta in betas:
            for data, options in DATA.items():
                yield (
                    f"capacity_{data}_b{beta}_{weight}",
                    [
                        *(*MODEL, *MEASURED, *options, *length, f"model.beta={beta}"),
                        f"model.within_group_weight={WEIGHTS[weight]}",
                        *(f"net.width={widths}", f"model.granularity={granularities}"),
                        *(f"seed={seeds}", "hydra/launcher=population"),
                    ],
                )
    for strength, sigma in STRENGTHS.items():
        if short and strength in ("weak", "medium"):
            continue
        pair = f"[{{factors: [position_x, position_y], sigma: {sigma}}}]"
        for name, partition in PARTITIONS.items():
            yield (
                f"dependent_{strength}_{name}",
                [
                    *(*MODEL, *MEASURED, *DSPRITES, *length, "net.width=1", partition),
                    *("model.beta=16", "model.within_group_weight=0"),
                    f"dataset.correlation={'null' if sigma == 'null' else pair}",
                    f"seed={'0' if short else '0,1,2,3,4'}",
                    "hydra/launcher=population",
                ],
            )
    many = 60 if short else 300_000
    for model, beta in PUBLISHED:
        yield (
            f"published_{model}_b{beta}",
            [
                *(f"model={model}", f"model.beta={beta}", "dataset=dsprites"),
                *("dataset.source=rendered", "net=conv64", "model.latent_dim=10", "logger=csv"),
                *(f"trainer.max_steps={many}", "trainer.precision=bf16-mixed"),
                f"evaluation.every={20 if short else 100_000}",
                *("evaluation.figures=false", "metrics=[mig,sap]" if short else SCORES),
                *(["dataset.factor_sizes=[1,3,3,10,8,8]", "evaluation=quick"] if short else []),
                f"seed={'0' if short else '0,1,2'}",
            ],
        )


def run(scale: str, folder: Path) -> None:
    """Start or continue every piece."""
    for name, overrides in pieces(scale):
        command = [sys.executable, "-m", "vae_granularity.train", "-m", *overrides]
        print(f"piece {name}", flush=True)
        subprocess.run([*command, f"paths.output_dir={folder / name}"], check=True)


def done(folder: Path, prefix: str) -> list[Path]:
    """Folders of the pieces of a kind that hold a finished run."""
    return [p for p in sorted(folder.glob(f"{prefix}_*")) if next(p.glob(f"*/{RESULTS}"), None)]


def figures(scale: str, folder: Path) -> None:
    """Write results/SCALE: verdicts and figures of each slice, and tables of the rest."""
    out = HERE / "results" / scale
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    convergence, verdicts = [], []
    for piece in done(folder, "capacity"):
        analysis = folder / piece.name / "analysis"
        subprocess.run(
            [
                *(sys.executable, "-m", "vae_granularity.analyze", f"runs={piece}"),
                *("x=net.width", "y=model.granularity", "figures=1"),
            ],
            check=True,
            env={**os.environ, "MPLBACKEND": "agg"},
        )
        for file in sorted((analysis / "figures").glob("*.png")):
            shutil.copy(file, out / f"{piece.name}_{file.name}")
        shutil.copy(analysis / "points.csv", out / f"{piece.name}.csv")
        verdicts.append(pd.read_csv(analysis / "verdicts.csv").assign(piece=piece.name))
        convergence.append(_convergence(piece))
    if verdicts:
        pd.concat(verdicts).to_csv(out / "verdicts.csv", index=False)
        moves = pd.concat(convergence)
        moves.to_csv(out / "convergence.csv", index=False)
        _draw_convergence(moves, out / "convergence.png")
    for kind in ("dependent", "published"):
        tables = [read_runs(piece).assign(piece=piece.name) for piece in done(folder, kind)]
        if tables:
            _table(pd.concat(tables), out / f"{kind}.csv")
    counts = {name: len(list((folder / name).glob(f"*/{RESULTS}"))) for name, _ in pieces(scale)}
    (out / "runs.json").write_text(json.dumps(counts, indent=1) + "\n")
    print(f"done: {out}")


def _convergence(piece: Path) -> pd.DataFrame:
    """How far the held-out ELBO moved over the last fifth of each run."""
    rows = []
    for file in sorted(piece.glob(f"*/{RESULTS}")):
        curve = pd.read_csv(file.parent / "metrics.csv")[["step", "val/elbo"]].dropna()
        last = curve["val/elbo"].to_numpy()[-2:]
        config = json.loads(file.read_text())["config"]
        rows.append(
            {
                "piece": piece.name,
                "net.width": config["net"]["width"],
                "model.granularity": config["model"]["granularity"],
                "seed": config["seed"],
                "moved": float(last[-1] - last[0]) if len(last) == 2 else np.nan,
            }
        )
    return pd.DataFrame(rows)


def _draw_convergence(moves: pd.DataFrame, file: Path) -> None:
    """Share of runs whose ELBO moved by less than 0.1 nat over the last fifth, by width."""
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for name, part in moves.groupby("piece"):
        shares = (part["moved"].abs() < 0.1).groupby(part["net.width"]).mean()
        axes.plot(shares.index * 256, shares, "o-", label=name.removeprefix("capacity_"))
    axes.set(xscale="log", xlabel="hidden units", ylim=(-0.03, 1.03))
    axes.set_ylabel("share of runs that moved < 0.1 nat")
    axes.set_title("Convergence: held-out ELBO over the last fifth of the run", fontsize=10)
    axes.legend(fontsize=7)
    figure.savefig(file, dpi=150)


def _table(runs: pd.DataFrame, file: Path) -> None:
    """Mean, standard deviation and number of seeds of the ELBO and each score, by piece."""
    numbers = [c for c in runs if c.startswith("scores/") or c in ("val/elbo", "val/kl")]
    kept = [c for c in numbers if c.count("/") == 1 and runs[c].notna().any()]
    groups = runs.groupby("piece")[kept]
    table = groups.mean().join(groups.std(), rsuffix=" sd").join(groups.size().rename("seeds"))
    table.round(4).to_csv(file)


if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] not in ("run", "figures") or sys.argv[2] not in SCALES:
        sys.exit(__doc__)
    place = Path(sys.argv[3] if len(sys.argv) > 3 else f"runs/study_{sys.argv[2]}")
    {"run": run, "figures": figures}[sys.argv[1]](sys.argv[2], place.resolve())

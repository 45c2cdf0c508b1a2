"""The study's runs and what is read off them, piece by piece.

    python experiments/study/study.py run SCALE [FOLDER [PIECE]]  # starts or continues the runs
    python experiments/study/study.py keep SCALE [FOLDER]         # what is done, into an archive
    python experiments/study/study.py figures SCALE [FOLDER]      # tables and figures of it

SCALE is quick, workstation or gpu. A piece is one folder below FOLDER (runs/study_SCALE); PIECE is
how the names of the wanted ones begin. What is done, here or in the archive, is not done again.
README.md says what is asked, and what will count as an answer.
"""

import json
import math
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from vae_granularity import read_runs
from vae_granularity.runs.identity import CONFIG, RESULTS

HERE = Path(__file__).parent
PROFILE = "profile.csv"  # of a piece: which factor has which unit in which model
KEPT = (CONFIG, "metrics.csv", RESULTS)  # of a run, beside the archive; RESULTS makes it done
GRID = "dataset.factor_sizes=[1,3,3,10,8,8]"  # 5 760 images
DSPRITES = ("dataset=dsprites", "dataset.source=rendered", "dataset.image_size=32", GRID)
KINDS = "dataset.kinds=[gaussian,gaussian,ring,spiral,sphere,torus]"
BLOCKS = ("dataset=blocks", "dataset.num_blocks=6", "dataset.block_dim=[1,1,2,2,3,3]", KINDS)
DATA = {"blocks": (*BLOCKS, "likelihood.sigma=0.3"), "dsprites": DSPRITES}
MODEL = ("model=stcvae", "net=mlp", "model.latent_dim=12", "trainer=quick", "logger=csv")
MEASURED = ("evaluation.figures=false", "metrics=[active_units,mig]", "callbacks.terms.every=500")
PACKED = ("hydra/launcher=population", "hydra.launcher.how=compiled", "trainer.accelerator=cpu")
WEIGHTS = {"free": "0", "rewarded": "null", "penalised": "1"}  # of the TC inside groups
SAFE = 2  # largest γ whose posteriors a rewarded TC leaves alone (experiments/stability)
UNITS = 256  # of a hidden layer at net.width=1
STRENGTHS = {"none": "null", "weak": "0.4", "medium": "0.2", "strong": "0.1"}
PARTITIONS = {
    "single": "model.granularity=1",
    "pair": "model.partition=[2,1,1,1,1,1,1,1,1,1,1]",
    "pairs": "model.granularity=2",
    "triple": "model.partition=[3,1,1,1,1,1,1,1,1,1]",
}
PUBLISHED = (("betavae", 4), ("betatcvae", 4), ("betatcvae", 6))
SCORES = "metrics=[mig,dci,sap,factor_vae,beta_vae]"
MOST_SEEDS = 10  # of a point that competes for an optimum


class Scale(NamedTuple):
    """How much of the plan is run, and how long."""

    steps: int
    units: tuple[int, ...]
    granularities: tuple[int, ...]
    betas: tuple[int, ...]
    weights: tuple[str, ...]
    seeds: int
    strengths: tuple[str, ...]
    published: int  # steps


QUICK = Scale(300, (16, 64, 256), (1, 3, 12), (64,), ("free",), 2, ("none", "strong"), 60)
WHOLE = Scale(
    10_000,
    (16, 64, 32, 128, 8, 256, 512),
    (1, 2, 3, 4, 6, 12),
    (64, 16, 4),
    tuple(WEIGHTS),
    3,
    tuple(STRENGTHS),
    300_000,
)
SCALES = {"quick": QUICK, "workstation": WHOLE, "gpu": WHOLE._replace(steps=30_000, seeds=10)}


def pieces(scale: Scale, folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Name and overrides of each sweep, in the order of what is asked first.

    What competes for an optimum is read off the runs in `folder` as its turn comes.
    """
    yield from surfaces(scale, "free")
    yield from more_seeds(scale, folder)
    yield from dependent(scale)
    yield from twice_as_long(scale)
    yield from published(scale)
    for weight in scale.weights[1:]:
        yield from surfaces(scale, weight)


def surfaces(scale: Scale, weight: str) -> Iterator[tuple[str, list[str]]]:
    """Both surfaces over capacity and granularity at each β, a width at a time: one pack."""
    safe = [g for g in scale.granularities if weight != "rewarded" or g <= SAFE]
    for beta in scale.betas:
        for data in DATA:
            for units in scale.units:
                yield capacity(scale, data, weight, units, safe, [beta])


def capacity(
    scale: Scale,
    data: str,
    weight: str,
    units: int,
    granularities: Iterable[int],
    betas: Iterable[int],
    seeds: Iterable[int] | None = None,
) -> tuple[str, list[str]]:
    """Runs of one width: models of one shape."""
    return f"capacity_{data}_{weight}", [
        *(*MODEL, *MEASURED, *PACKED, *DATA[data], *length(scale.steps)),
        f"model.within_group_weight={WEIGHTS[weight]}",
        f"net.width={units / UNITS:g}",
        f"model.granularity={_listed(granularities)}",
        f"model.beta={_listed(betas)}",
        f"seed={_listed(range(scale.seeds) if seeds is None else seeds)}",
    ]


def _listed(values: Iterable[int]) -> str:
    return ",".join(map(str, values))


def length(steps: int) -> tuple[str, ...]:
    """So many steps, over which the learning rate falls to 0, measured five times."""
    rate = f"optimizer.lr={{schedule: cosine, start: 1e-3, end: 0, steps: {steps}}}"
    return f"trainer.max_steps={steps}", f"evaluation.every={steps // 5}", rate


def dependent(scale: Scale) -> Iterator[tuple[str, list[str]]]:
    """Two factors that depend on each other in training, by strength and partition."""
    for strength in scale.strengths:
        sigma = STRENGTHS[strength]
        pair = f"[{{factors: [position_x, position_y], sigma: {sigma}}}]"
        for name, partition in PARTITIONS.items():
            yield (
                f"dependent_{strength}_{name}",
                [
                    *(*MODEL, *MEASURED, *PACKED, *DSPRITES, *length(scale.steps), "net.width=0.5"),
                    *("metrics=[active_units,mig,infomec]", "evaluation.null_draws=2"),
                    *("model.beta=16", "model.within_group_weight=0", partition),
                    f"dataset.correlation={'null' if sigma == 'null' else pair}",
                    f"seed={_listed(range(max(2, 2 * scale.seeds - 1)))}",
                ],
            )


def twice_as_long(scale: Scale) -> Iterator[tuple[str, list[str]]]:
    """Some points of the surfaces again with twice the steps: does a longer run end higher?"""
    for data in DATA:
        for units in (64, 256):
            few = (scale.granularities[0], scale.granularities[2]), scale.betas[:2], range(2)
            longer = scale._replace(steps=2 * scale.steps)
            name, overrides = capacity(longer, data, "free", units, *few)
            yield name.replace("capacity", "longer"), overrides


def published(scale: Scale) -> Iterator[tuple[str, list[str]]]:
    """The set-ups of published tables, a seed at a time."""
    short = scale is QUICK
    for seed in range(1 if short else scale.seeds):
        for model, beta in PUBLISHED:
            yield (
                f"published_{model}_b{beta}",
                [
                    *(f"model={model}", f"model.beta={beta}", "dataset=dsprites"),
                    *("dataset.source=rendered", "net=conv64", "model.latent_dim=10", "logger=csv"),
                    *(f"trainer.max_steps={scale.published}", "trainer.precision=bf16-mixed"),
                    f"evaluation.every={scale.published // 3}",
                    *("evaluation.figures=false", "metrics=[mig,sap]" if short else SCORES),
                    *([GRID, "evaluation=quick"] if short else []),
                    f"seed={seed}",
                ],
            )


def contested(table: pd.DataFrame) -> list[int]:
    """Values of γ that compete for the optimum of one width and β, by the rule of README.md.

    Args:
        table: the runs of that width and β, with `model.granularity` and `val/elbo`.
    """
    groups = table.groupby("model.granularity")["val/elbo"]
    means, errors = groups.mean(), groups.sem().fillna(0.0)
    order, best = list(means.index), means.idxmax()
    behind = means[best] - means
    found = {g for g in order if behind[g] <= 2 * math.hypot(errors[g], errors[best])}
    at = order.index(best)
    return sorted(found | set(order[max(0, at - 1) : at + 2]))


def more_seeds(scale: Scale, folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Further seeds of the points that compete, once the first seeds are done."""
    if scale is QUICK:
        return
    for data in DATA:
        place = folder / f"capacity_{data}_free"
        if not next(place.glob(f"*/{RESULTS}"), None):
            continue
        table = read_runs(place)
        first = table[table["seed"] < scale.seeds]
        for (width, beta), rows in first.groupby(["net.width", "model.beta"]):
            if len(rows) < scale.seeds * len(scale.granularities):
                continue
            values = contested(rows)
            seeds = range(scale.seeds, MOST_SEEDS)
            yield capacity(scale, data, "free", round(width * UNITS), values, [int(beta)], seeds)


def run(scale: str, folder: Path, only: str = "") -> None:
    """Start or continue every piece whose name begins with `only`."""
    restore(scale, folder)
    for name, overrides in pieces(SCALES[scale], folder):
        if name.startswith(only):
            command = [sys.executable, "-m", "vae_granularity.train", "-m", *overrides]
            print(f"piece {name}", flush=True)
            subprocess.run([*command, f"paths.output_dir={folder / name}"], check=True)


def keep(scale: str, folder: Path) -> None:
    """Put what is done into the archive beside this file: all that the figures are drawn from."""
    restore(scale, folder)  # what another machine had done stays in it
    archive = _archive(scale)
    archive.parent.mkdir(exist_ok=True)
    files = [
        file
        for results in sorted(folder.glob(f"*/*/{RESULTS}"))
        for file in (results.parent / name for name in KEPT)
    ]
    files += sorted(folder.glob(f"*/{PROFILE}"))
    with tarfile.open(f"{archive}.part", "w:xz", preset=9) as tar:
        for file in files:
            tar.add(file, str(file.relative_to(folder)))
    os.replace(f"{archive}.part", archive)
    print(f"{archive}: {len(files)} files, {archive.stat().st_size / 1e6:.1f} MB")


def restore(scale: str, folder: Path) -> None:
    """Take what the archive holds and the folder does not: those runs are done."""
    folder.mkdir(parents=True, exist_ok=True)
    if _archive(scale).exists():
        with tarfile.open(_archive(scale)) as tar:
            absent = [member for member in tar if not (folder / member.name).exists()]
            tar.extractall(folder, members=absent, filter="data")


def _archive(scale: str) -> Path:
    return HERE / "runs" / f"{scale}.tar.xz"


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
    does = {"run": run, "keep": keep, "figures": figures}
    if len(sys.argv) < 3 or sys.argv[1] not in does or sys.argv[2] not in SCALES:
        sys.exit(__doc__)
    place = Path(sys.argv[3] if len(sys.argv) > 3 else f"runs/study_{sys.argv[2]}")
    does[sys.argv[1]](sys.argv[2], place.resolve(), *sys.argv[4:])

"""What the study runs: its scales, its pieces in the order of what is asked first, and the rule by
which contested points get more seeds.
"""

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from vae_granularity import read_runs
from vae_granularity.runs.identity import RESULTS

GRID = "dataset.factor_sizes=[1,3,3,10,8,8]"  # 5 760 images
DSPRITES = ("dataset=dsprites", "dataset.source=rendered", "dataset.image_size=32", GRID)
KINDS = "dataset.kinds=[gaussian,gaussian,ring,spiral,sphere,torus]"
BLOCKS = ("dataset=blocks", "dataset.num_blocks=6", "dataset.block_dim=[1,1,2,2,3,3]", KINDS)
DATA = {"blocks": (*BLOCKS, "likelihood.sigma=0.3"), "dsprites": DSPRITES}
MODEL = ("model=stcvae", "net=mlp", "model.latent_dim=12", "trainer=quick", "logger=csv")
MEASURED = ("evaluation.figures=false", "metrics=[active_units,mig]", "callbacks.terms.every=500")
PACKED = ("hydra/launcher=population", "trainer.accelerator=cpu")
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
    how: str = "compiled"  # populations; `auto` would try every width anew
    longer: tuple[int, ...] = (64, 256)  # units of what is run twice as long
    pack: bool = False  # one command for all β of a width
    evaluation: tuple[str, ...] = ()  # on how much


QUICK = Scale(
    *(100, (16, 64, 256), (1, 3, 12), (64, 16), ("free",), 2, ("none", "strong"), 60, "eager"),
    longer=(64,),
    pack=True,
    evaluation=("evaluation=quick", "evaluation.num_codes=1000", "evaluation.num_test_codes=500"),
)
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
    """Both surfaces over capacity and granularity, a β and a width at a time: one pack."""
    safe = [g for g in scale.granularities if weight != "rewarded" or g <= SAFE]
    for betas in [scale.betas] if scale.pack else [[beta] for beta in scale.betas]:
        for data in DATA:
            for units in scale.units:
                yield capacity(scale, data, weight, units, safe, betas)


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
        *(*MODEL, *MEASURED, *PACKED, *DATA[data], *length(scale)),
        f"model.within_group_weight={WEIGHTS[weight]}",
        f"net.width={units / UNITS:g}",
        f"model.granularity={_listed(granularities)}",
        f"model.beta={_listed(betas)}",
        f"seed={_listed(range(scale.seeds) if seeds is None else seeds)}",
    ]


def _listed(values: Iterable[int]) -> str:
    return ",".join(map(str, values))


def length(scale: Scale, measured: int = 5) -> tuple[str, ...]:
    """So many steps, over which the learning rate falls to 0, measured so many times."""
    steps, often = scale.steps, (*scale.evaluation, f"evaluation.every={scale.steps // measured}")
    rate = f"optimizer.lr={{schedule: cosine, start: 1e-3, end: 0, steps: {steps}}}"
    how = f"hydra.launcher.how={scale.how}"
    return f"trainer.max_steps={steps}", *often, rate, how


def dependent(scale: Scale) -> Iterator[tuple[str, list[str]]]:
    """Two factors that depend on each other in training, by strength and partition."""
    seeds = 2 if scale is QUICK else max(5, scale.seeds)
    for strength in scale.strengths:
        sigma = STRENGTHS[strength]
        pair = f"[{{factors: [pos_x, pos_y], sigma: {sigma}}}]"
        for name, partition in PARTITIONS.items():
            yield (
                f"dependent_{strength}_{name}",
                [
                    *(*MODEL, *MEASURED, *PACKED, *DSPRITES, *length(scale, 1), "net.width=0.5"),
                    *("metrics=[active_units,mig,infomec]", "evaluation.null_draws=2"),
                    *("model.beta=16", "model.within_group_weight=0", partition),
                    f"dataset.correlation={'null' if sigma == 'null' else pair}",
                    f"seed={_listed(range(seeds))}",
                ],
            )


def twice_as_long(scale: Scale) -> Iterator[tuple[str, list[str]]]:
    """Some points of the surfaces again with twice the steps: does a longer run end higher?"""
    for data in DATA:
        for units in scale.longer:
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
                    *(*scale.evaluation, f"evaluation.every={scale.published // 3}"),
                    *("evaluation.figures=false", "metrics=[mig,sap]" if short else SCORES),
                    *([GRID] if short else []),
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

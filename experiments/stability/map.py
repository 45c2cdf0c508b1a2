"""Where do the posteriors of beta-STCVAE collapse to points? A map over beta, granularity and
within-group weight.

    python experiments/stability/map.py run    # trains what is missing, one line of results.jsonl
                                               # each; can be stopped at any time
    python experiments/stability/map.py show   # results.md and map.png from results.jsonl

Protocol: MLP of width 128, D = 12, B = 64, Adam 1e-3, 1 000 steps, one seed; `blocks` as
configured, and a subset of rendered dSprites (every 128th image, 5 760 of them, averaged to 32x32,
Bernoulli). The within-group weight w is given in units of beta. Noted over the last 100 steps: the
ELBO (plain, of training batches, in nats), the KL, the smallest posterior sigma, and the saturation
of the total correlation inside groups, (TC - C) / log B a dimension beyond the first of a group,
with C = log N, the constant of `mws`: 1 is the bound of a batch.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from vae_granularity.data.blocks import Blocks
from vae_granularity.data.dsprites import DSprites
from vae_granularity.elbo import collapse_cost
from vae_granularity.likelihoods.bernoulli import Bernoulli
from vae_granularity.likelihoods.gaussian import Gaussian
from vae_granularity.models.base import Parts
from vae_granularity.models.stcvae import BetaSTCVAE
from vae_granularity.nets.mlp import MLP
from vae_granularity.partition import LatentPartition

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "results.jsonl"
POINT = 0.01  # sigma of one image in one dimension that is a point beside the prior's 1
BETAS, GRANULARITIES, INSIDE = (1.0, 4.0, 16.0, 64.0), (2, 4, 12), (0.0, -0.5, -1.0)
D, B, STEPS, LAST = 12, 64, 1000, 100


def points() -> Iterator[tuple[str, float, int, float]]:
    for dataset in ("blocks", "dsprites"):
        for beta in BETAS:
            yield dataset, beta, 1, 0.0
            for granularity in GRANULARITIES:
                for inside in INSIDE:
                    yield dataset, beta, granularity, inside


def images(dataset: str) -> torch.Tensor:
    """All training images, (N, ...) float32."""
    if dataset == "blocks":
        data = Blocks()
        data.setup()
        return data.images(data.train_indices)
    data = DSprites(source="rendered")
    data.setup()
    return torch.nn.functional.avg_pool2d(data.images(np.arange(0, data.factor_space.size, 128)), 2)


def train(
    x: torch.Tensor, dataset: str, beta: float, granularity: int, inside: float
) -> dict[str, float | str | int | None]:
    """One line of the results."""
    torch.manual_seed(0)
    likelihood = Gaussian() if dataset == "blocks" else Bernoulli()
    net = MLP(tuple(x.shape[1:]), D, width=0.5)
    model = BetaSTCVAE(
        Parts(net, likelihood, torch.optim.Adam, 0),
        beta,
        inside * beta,
        latent_dim=D,
        granularity=granularity,
    )
    model.dataset_size = len(x)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    order = torch.Generator().manual_seed(0)
    rows, sigmas, stopped = [], [], None
    for step in range(STEPS):
        out = model.train_batch(x[torch.randint(len(x), (B,), generator=order)], step)
        if not bool(out["loss"].isfinite()):
            stopped = step
            break
        optimizer.zero_grad()
        out["loss"].backward()
        optimizer.step()
        if step >= STEPS - LAST:
            rows.append(
                [
                    out["terms"][name].item()
                    for name in ("elbo", "kl", "within_group_tc", "between_group_tc")
                ]
            )
            sigmas.append(math.exp(0.5 * out["forward"].logvar.min().item()))
    line = {
        "dataset": dataset,
        "beta": beta,
        "granularity": granularity,
        "inside": inside,
        "stopped": stopped,
    }
    if stopped is None:
        elbo, kl, within, _ = np.mean(rows, axis=0)
        inner = sum(size - 1 for size in model.partition.sizes)
        saturation = (within / inner - math.log(len(x))) / math.log(B) if inner else None
        line |= {"elbo": elbo, "kl": kl, "sigma": min(sigmas), "saturation": saturation}
    return line


def run() -> None:
    torch.set_num_threads(1)
    lines = (
        [json.loads(line) for line in RESULTS.read_text().splitlines()] if RESULTS.exists() else []
    )
    done = {(line["dataset"], line["beta"], line["granularity"], line["inside"]) for line in lines}
    loaded: dict[str, torch.Tensor] = {}
    for point in points():
        if point in done:
            continue
        started = time.process_time()
        if point[0] not in loaded:
            loaded[point[0]] = images(point[0])
        line = train(loaded[point[0]], *point)
        with RESULTS.open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(f"{time.process_time() - started:5.1f} s", line, flush=True)


def show() -> None:
    lines = [json.loads(line) for line in RESULTS.read_text().splitlines()]
    text = [
        "# Where posteriors of beta-STCVAE collapse to points",
        "",
        __doc__.split("Protocol: ")[1].strip(),
        "",
    ]
    for dataset in ("blocks", "dsprites"):
        name = "blocks" if dataset == "blocks" else "dSprites (rendered), 32x32 subset"
        text += [
            f"## {name}",
            "",
            "Each cell: cost of points (`elbo.collapse_cost`); smallest sigma, saturation, ELBO.",
            "",
            _agreement(lines, dataset),
            "",
        ]
        text += [
            "| beta | gamma | " + " | ".join(f"w = {w:g} beta" for w in INSIDE) + " |",
            "| --- | --- |" + " --- |" * len(INSIDE),
        ]
        for beta in BETAS:
            for granularity in (1, *GRANULARITIES):
                cells = [
                    _cell(lines, dataset, beta, granularity, w)
                    for w in (INSIDE if granularity > 1 else (0.0,))
                ]
                text.append(
                    f"| {beta:g} | {granularity} | "
                    + " | ".join(cells + [""] * (len(INSIDE) - len(cells)))
                    + " |"
                )
        text.append("")
    (FOLDER / "results.md").write_text("\n".join(text))
    figure(lines).savefig(FOLDER / "map.png", dpi=130)


def _find(lines: list[dict], *point: object) -> dict | None:
    return next(
        (
            line
            for line in lines
            if (line["dataset"], line["beta"], line["granularity"], line["inside"]) == point
        ),
        None,
    )


def _cell(lines: list[dict], *point: object) -> str:
    line = _find(lines, *point)
    if line is None:
        return "not run"
    if line["stopped"] is not None:
        return f"NaN at step {line['stopped'] + 1}"
    saturation = "" if line["saturation"] is None else f"{line['saturation']:.2f}, "
    return f"{_cost(line):+g}; {line['sigma']:.4f}, {saturation}{line['elbo']:.0f}"


def _cost(line: dict) -> float:
    partition = LatentPartition.from_granularity(D, line["granularity"])
    weights = {"between_group_tc": line["beta"], "within_group_tc": line["inside"] * line["beta"]}
    return collapse_cost(partition, mutual_information=1.0, **weights)


def _agreement(lines: list[dict], dataset: str) -> str:
    """How often the sign of the cost and posteriors narrower than POINT go together."""
    found = [
        (_cost(line) < 0, line["stopped"] is not None or line["sigma"] < POINT)
        for line in lines
        if line["dataset"] == dataset
    ]
    both, neither = sum(a and b for a, b in found), sum(not a and not b for a, b in found)
    only_cost, only_points = sum(a and not b for a, b in found), sum(b and not a for a, b in found)
    return (
        f"Of {len(found)} points {both} have a negative cost and a smallest sigma below {POINT} "
        f"(or NaN), {neither} neither, "
        f"{only_cost} only the first, {only_points} only the second."
    )


def _sigma(line: dict) -> str:
    return (
        "NaN"
        if line["stopped"] is not None
        else "<0.001"
        if line["sigma"] < 0.001
        else f"{line['sigma']:.3f}"
    )


def figure(lines: list[dict]) -> Figure:
    """Smallest sigma over beta and gamma, a panel for each data set and weight."""
    picture = Figure(figsize=(11, 5.6), layout="constrained")
    axes = picture.subplots(2, len(INSIDE), sharex=True, sharey=True)
    for row, dataset in zip(axes, ("blocks", "dsprites"), strict=True):
        for panel, inside in zip(row, INSIDE, strict=True):
            values = np.full((len(GRANULARITIES), len(BETAS)), np.nan)
            for i, granularity in enumerate(GRANULARITIES):
                for j, beta in enumerate(BETAS):
                    line = _find(lines, dataset, beta, granularity, inside)
                    if line is not None and line["stopped"] is None:
                        values[i, j] = math.log10(line["sigma"])
                    text = "" if line is None else f"{_sigma(line)}\n({_cost(line):+g})"
                    colour = "black" if np.isnan(values[i, j]) or values[i, j] > -1.4 else "white"
                    panel.text(j, i, text, ha="center", va="center", fontsize=8, color=colour)
            shown = panel.imshow(
                values, origin="lower", cmap="cividis", vmin=-3, vmax=0, aspect="auto"
            )
            panel.set_title(
                f"{dataset if dataset == 'blocks' else 'dSprites (rendered)'}, w = {inside:g} β",
                fontsize=9,
            )
            panel.set_xticks(range(len(BETAS)), [f"{beta:g}" for beta in BETAS])
            panel.set_yticks(range(len(GRANULARITIES)), [str(g) for g in GRANULARITIES])
        row[0].set_ylabel("granularity γ")
    for panel in axes[-1]:
        panel.set_xlabel("β")
    picture.colorbar(shown, ax=axes, label="log10 of the smallest posterior σ")
    picture.suptitle(
        "β-STCVAE: smallest posterior σ after 1 000 steps (in brackets: cost of points; D = 12)",
        fontsize=11,
    )
    return picture


if __name__ == "__main__":
    {"run": run, "show": show}[sys.argv[1]]()

"""Draws the pictures of the README and of the page on granularity into docs/assets.

python docs/tools/figures.py          # from the mathematics, seconds
python docs/tools/figures.py trained  # the README's, from three runs of one to two minutes each
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from vae_granularity import LatentPartition
from vae_granularity.data.base import ImageDataModule
from vae_granularity.densities.gaussian import reparametrise
from vae_granularity.elbo import decompose, decompose_exact
from vae_granularity.metrics.unsupervised import gaussian_tc
from vae_granularity.models.base import LatentModel

ROOT = Path(__file__).parents[2]
ASSETS = ROOT / "docs" / "assets"
BETWEEN, WITHIN, GREY = "#3b6fb6", "#e08a2e", "#9aa0a6"
STYLE = {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}


def save(figure: Figure, name: str, dpi: int = 110) -> None:
    figure.savefig(ASSETS / name, dpi=dpi, facecolor="white", metadata={"Software": None})
    plt.close(figure)


def pairs_of_dimensions() -> Figure:
    """Which dependence an objective sees as between groups and which as inside, for four γ."""
    dim = 6
    figure, panels = plt.subplots(1, 4, figsize=(8.6, 2.7), layout="constrained")
    for panel, gamma in zip(panels, (1, 2, 3, 6), strict=True):
        partition = LatentPartition.from_granularity(latent_dim=dim, granularity=gamma)
        member = partition.membership().numpy()
        inside = member @ member.T > 0
        colours = np.where(inside[..., None], rgb(WITHIN), rgb(BETWEEN))
        colours[np.arange(dim), np.arange(dim)] = rgb("#e8eaed")
        panel.imshow(colours)
        panel.set_xticks(range(dim), [f"z{d}" for d in range(dim)], fontsize=7)
        panel.set_yticks(range(dim), [f"z{d}" for d in range(dim)], fontsize=7)
        panel.set_xticks(np.arange(dim) - 0.5, minor=True)
        panel.set_yticks(np.arange(dim) - 0.5, minor=True)
        panel.grid(which="minor", color="white", linewidth=2)
        panel.tick_params(which="both", length=0)
        panel.spines[:].set_visible(False)
        groups = partition.num_groups
        panel.set_title(f"γ = {gamma}: {groups} group{'s' if groups > 1 else ''}", fontsize=10)
    legend = [
        Patch(color=BETWEEN, label="dependence between groups (penalised, β)"),
        Patch(color=WITHIN, label="dependence inside a group (free, rewarded or penalised)"),
    ]
    figure.legend(handles=legend, loc="outside lower center", ncols=2, frameon=False)
    return figure


def rgb(colour: str) -> np.ndarray:
    return np.array([int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)])


def split_of_total_correlation() -> Figure:
    """One code of two correlated pairs: how its total correlation splits at each γ, in nats.

    Bars are estimates under the exact mixture, circles the closed form of the Gaussian it is.
    """
    dim, sigma, count = 4, 0.5, 20_000
    covariance = np.eye(dim)
    for first, correlation in ((0, 0.7), (2, 0.6)):
        covariance[first, first + 1] = covariance[first + 1, first] = correlation
    rng = np.random.default_rng(0)
    of_means = covariance - sigma**2 * np.eye(dim)  # so that q(z) has `covariance`
    mu = torch.from_numpy(rng.multivariate_normal(np.zeros(dim), of_means, size=count))
    logvar = torch.full_like(mu, 2 * math.log(sigma))
    drawn = torch.from_numpy(rng.integers(count, size=4000))
    z = reparametrise(mu[drawn], logvar[drawn], torch.from_numpy(rng.normal(size=(4000, dim))))
    gammas = (1, 2, 3, 4)
    between, inside, exact = [], [], []
    for gamma in gammas:
        partition = LatentPartition.from_granularity(latent_dim=dim, granularity=gamma)
        terms = decompose_exact(z, mu, logvar, partition=partition, component=drawn)
        between.append(terms.between_group_tc.mean().item())
        inside.append(terms.within_group_tc.sum(-1).mean().item())
        exact.append(gaussian_tc(covariance, partition.groups) or 0.0)
    figure, panel = plt.subplots(figsize=(5.2, 2.9), layout="constrained")
    places = np.arange(len(gammas))
    panel.bar(places, between, 0.6, color=BETWEEN, label="between groups")
    panel.bar(places, inside, 0.6, bottom=between, color=WITHIN, label="inside groups")
    marks = {"markerfacecolor": "white", "markeredgecolor": "black", "clip_on": False}
    panel.plot(places, exact, "o", label="closed form, between", **marks)
    panel.set_xticks(places, [f"γ = {gamma}" for gamma in gammas])
    panel.set(ylabel="total correlation, nats", ylim=(0, 1.3 * (between[0] + inside[0])))
    panel.legend(frameon=False, ncols=3, fontsize=8, loc="upper center")
    return figure


def estimators_by_batch() -> Figure:
    """What the minibatch estimators make of TC between groups as the batch grows."""
    count, dim, sigma = 2048, 10, 0.5
    generator = torch.Generator().manual_seed(0)
    mu = torch.randn(count, dim, generator=generator, dtype=torch.float64)
    logvar = torch.full_like(mu, 2 * math.log(sigma))
    z = reparametrise(mu, logvar, torch.randn(mu.shape, generator=generator, dtype=mu.dtype))
    partition = LatentPartition.from_granularity(latent_dim=dim, granularity=2)
    truth = decompose_exact(z, mu, logvar, partition=partition).between_group_tc.mean().item()
    batches = [16, 32, 64, 128, 256, 512, 1024, 2048]
    figure, panel = plt.subplots(figsize=(5.2, 3.0), layout="constrained")
    for name, colour in (("mws", BETWEEN), ("stratified", "#4a9b62"), ("mss", WITHIN)):
        means = []
        for batch in batches:
            parts = [slice(start, start + batch) for start in range(0, count, batch)][:16]
            found = [
                decompose(
                    z=z[part],
                    mu=mu[part],
                    logvar=logvar[part],
                    partition=partition,
                    dataset_size=count,
                    estimator=name,
                )
                .between_group_tc.mean()
                .item()
                for part in parts
            ]
            means.append(np.mean(found))
        if name == "mws":
            means = np.array(means) - (partition.num_groups - 1) * math.log(count)
        label = "mws - (G - 1) log N" if name == "mws" else name
        style = "s:" if name == "mss" else "o-"  # mss lies on stratified
        panel.plot(batches, means, style, color=colour, label=label, markersize=4, zorder=3)
    panel.axhline(truth, color="black", linewidth=1, linestyle="--", label="exact mixture")
    panel.set_xscale("log", base=2)
    panel.set_xticks(batches, [str(batch) for batch in batches])
    panel.set(xlabel="batch size B", ylabel="TC between groups, nats")
    panel.legend(frameon=False, fontsize=8)
    return figure


GAMMAS = (1, 2, 6)
MEANT = {
    1: "every dimension kept apart",
    2: "pairs kept apart, free inside",
    6: "one group, nothing kept apart",
}


def trained() -> Figure:
    """What the dimensions of three models draw that differ in γ alone."""
    figure = plt.figure(figsize=(10.4, 4.2), layout="constrained")
    columns = figure.subfigures(1, 3, wspace=0.04)
    for column, gamma in zip(columns, GAMMAS, strict=True):
        model, data, terms = run_of(gamma)
        panel = column.subplots()
        panel.set_title(f"γ = {gamma}: {MEANT[gamma]}", fontsize=11)
        draw_rows(panel, model, data.images(data.val_indices[:1]))
        between = terms["val/between_group_tc"]
        inside = terms["val/within_group_tc"]
        panel.set_xlabel(
            f"TC between groups {abs(between):.1f}, inside {abs(inside):.1f}, ELBO"
            f" {terms['val/elbo']:.0f} nats",
            fontsize=8.5,
        )
    return figure


def run_of(gamma: int) -> tuple[LatentModel, ImageDataModule, dict[str, float]]:
    """The model, data and terms of one of the three runs, which is trained if it is not there."""
    from vae_granularity import load_run
    from vae_granularity.training.config import compose
    from vae_granularity.training.run import train

    settings = [f"model.granularity={gamma}", f"paths.output_dir={ROOT / 'build' / 'figures'}"]
    run = load_run(train(compose("train", [*OPTIONS, *settings])))
    run.datamodule.setup()
    return run.model, run.datamodule, run.results["terms"]


OPTIONS = (
    "model=stcvae",
    "model.latent_dim=6",
    "model.beta=8",
    "model.within_group_weight=0",
    "dataset=dsprites",
    "dataset.source=rendered",
    "dataset.factor_sizes=[1,3,3,8,16,16]",
    "net=mlp",
    "trainer=quick",
    "trainer.max_steps=4000",
    "evaluation.every=4000",
    "compile=none",
    "logger=csv",
)


SIDE, GAP, APART = 64, 3, 24  # pixels of a picture, between pictures, between groups


@torch.no_grad()
def draw_rows(panel: Axes, model: LatentModel, image: torch.Tensor, steps: int = 7) -> None:
    """One row a dimension, from -2.2 to 2.2 around the code of an image; a bar joins a group."""
    mean, _ = model.encode(image)
    wide, top = steps * (SIDE + GAP) - GAP, 0
    rows, middles = [], []
    for group in model.partition.groups:
        start = top
        for d in group:
            z = mean.repeat(steps, 1)
            z[:, d] = torch.linspace(-2.2, 2.2, steps)
            cells = np.pad(model.decode(z)[:, 0].numpy(), ((0, 0), (0, GAP), (0, GAP)), "maximum")
            cells[:, SIDE:], cells[:, :, SIDE:] = 1, 1
            rows.append(np.concatenate(list(cells), axis=1)[:, :wide])
            middles.append(top + SIDE / 2)
            top += SIDE + GAP
        rows.append(np.ones((APART - GAP, wide)))
        colour = WITHIN if len(group) > 1 else BETWEEN
        panel.plot([-12, -12], [start, top - GAP], color=colour, linewidth=4, solid_capstyle="butt")
        top += APART - GAP
    panel.imshow(np.concatenate(rows), cmap="gray", vmin=0, vmax=1)
    panel.set_yticks(middles, [f"z{d}" for group in model.partition.groups for d in group])
    panel.set_xticks([])
    panel.tick_params(length=0)
    panel.spines[:].set_visible(False)
    panel.set_xlim(-18, wide)
    panel.set_ylim(6 * (SIDE + APART), 0)


def main() -> None:
    plt.rcParams |= STYLE
    if "trained" in sys.argv[1:]:
        save(trained(), "granularity.png")
        return
    save(pairs_of_dimensions(), "pairs.png")
    save(split_of_total_correlation(), "split.png")
    save(estimators_by_batch(), "estimators.png")


if __name__ == "__main__":
    main()

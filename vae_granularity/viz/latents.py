"""Draw the KL of each dimension, two-dimensional groups as points, and terms over training."""

from collections.abc import Mapping, Sequence
from itertools import chain

import numpy as np
from matplotlib.figure import Figure

from vae_granularity.viz.traversals import MARK, POINTS, name_axes, panels_figure

COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")
MANY = 12  # values up to which a factor's colours are distinct


def kl_figure(
    kl: np.ndarray, groups: Sequence[Sequence[int]], labels: Sequence[str], least: float, title: str
) -> Figure:
    """Draw a bar a dimension: its mean KL (D,) to the prior in nats, beside its group.

    Args:
        labels: of the groups.
        least: KL up to which a dimension counts as inactive.
    """
    order = list(chain.from_iterable(groups))
    figure = Figure(figsize=(max(7.5, 0.45 * len(order) + 1), 3.2), dpi=130, layout="constrained")
    axes = figure.subplots()
    left = 0.0
    ticks = []
    for g, (group, label) in enumerate(zip(groups, labels, strict=True)):
        x = left + np.arange(len(group))
        colour = COLOURS[g % len(COLOURS)]
        axes.bar(x, kl[list(group)], color=colour, width=0.85)
        axes.text(x.mean(), max(kl[list(group)]), label, ha="center", va="bottom", fontsize=7)
        ticks += x.tolist()
        left = x[-1] + 1.6
    axes.axhline(least, color="0.4", linewidth=0.8, linestyle=":")
    axes.set_xticks(ticks, [f"z{d}" for d in order])
    xlabel = f"latent dimension; inactive up to {least:g} nats (dotted)"
    name_axes(axes, xlabel, "mean KL to the prior, nats", ticks=8)
    axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title, fontsize=10)
    return figure


def scatter_figure(
    points: Sequence[np.ndarray],
    names: Sequence[tuple[str, str]],
    factors: Sequence[tuple[str, np.ndarray]],
    title: str,
) -> Figure:
    """Draw a panel a group of two dimensions: posterior means (n, 2), coloured by a factor.

    Args:
        names: of the two dimensions of each group.
        factors: name and values (n,) of the factor that colours each group.
    """
    figure, panels = panels_figure(len(points), title)
    for panel, z, (first, second), (factor, values) in zip(
        panels, points, names, factors, strict=True
    ):
        colours = "viridis" if len(np.unique(values)) <= MANY else "plasma"
        drawn = panel.scatter(*z.T, c=values, s=4, cmap=colours, linewidths=0)
        figure.colorbar(drawn, ax=panel, shrink=0.8).ax.tick_params(labelsize=6)
        name_axes(panel, f"{first}, mean of q(z|x)", second, f"colour: {factor}")
        panel.set_aspect("equal", adjustable="datalim")
    return figure


def curves_figure(
    curves: Mapping[str, Mapping[str, tuple[np.ndarray, np.ndarray]]], title: str
) -> Figure:
    """Draw a panel a term: for each of its lines, by name, steps (t,) and values (t,) in nats."""
    figure, panels = panels_figure(len(curves), title)
    for panel, (term, lines) in zip(panels, curves.items(), strict=True):
        for name, (steps, values) in lines.items():
            colour, marker = (MARK, "o") if name.startswith("held-out") else (POINTS, "")
            look = {"color": colour, "marker": marker, "markersize": 3, "linewidth": 1}
            panel.plot(steps, values, label=name, **look)
        # The first entries are so far off that nothing else would be seen.
        later = [values[len(values) // 10 :] for _, values in lines.values() if len(values)]
        low = min(values.min() for values in later)
        high = max(values.max() for values in later)
        margin = 0.06 * (high - low) or 1.0
        panel.set(ylim=(low - margin, high + margin))
        name_axes(panel, "step", "nats", term.replace("_", " "))
    panels[0].legend(fontsize=7)
    return figure

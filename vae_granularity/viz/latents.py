"""Draw the KL of each dimension, and terms over training."""

from collections.abc import Mapping, Sequence
from itertools import chain

import numpy as np
from matplotlib.figure import Figure

from vae_granularity.viz.traversals import MARK, POINTS, name_axes, panels_figure

COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")
# The two sources of a curve, as legends and panels name them.
HELD_OUT = "held-out, exact"
TRAINING = "training batches"


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


def curves_figure(
    curves: Mapping[str, Mapping[str, tuple[np.ndarray, np.ndarray]]], title: str
) -> Figure:
    """Draw a panel a title: for each of its lines, by name, steps (t,) and values (t,) in nats."""
    figure, panels = panels_figure(len(curves), title)
    for panel, (term, lines) in zip(panels, curves.items(), strict=True):
        for name, (steps, values) in lines.items():
            held_out = name == HELD_OUT
            panel.plot(
                steps,
                values,
                label=name,
                color=MARK if held_out else POINTS,
                marker="o" if held_out else "",
                markersize=3,
                linewidth=1,
            )
        # The first entries are so far off that nothing else would be seen.
        later = [values[len(values) // 10 :] for _, values in lines.values() if len(values)]
        low = min(values.min() for values in later)
        high = max(values.max() for values in later)
        margin = 0.06 * (high - low) or 1.0
        panel.set(ylim=(low - margin, high + margin))
        name_axes(panel, "step", "nats", term)
    panels[0].legend(fontsize=7)
    return figure

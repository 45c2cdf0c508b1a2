"""The factor-granularity profile as heat maps: factors by complexity, granularities of the models,
one map a common partition.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from vae_granularity.analysis.page import charts
from vae_granularity.analysis.page.labels import name_of, value_label

Chart = dict[str, Any]


@dataclass(frozen=True, eq=False)
class ProfileMap:
    """Means over seeds and settings, factors (F) by granularities (m)."""

    partition: str
    factors: list[str]  # by complexity, with its value
    granularities: list[str]
    share: np.ndarray  # (F, m) share of the factor's entropy in its best unit
    separated: np.ndarray  # (F, m) share of the models that separate the factor


def profile_maps(
    table: pd.DataFrame, profile: pd.DataFrame, complexity: Mapping[str, float]
) -> list[ProfileMap]:
    """One map a partition."""
    joined = profile.join(table["model.granularity"], on="run")
    maps = []
    for partition, rows in joined.groupby("partition", observed=True):
        means = (
            rows.groupby(["factor", "model.granularity"], observed=True)[["share", "separated"]]
            .mean()
            .unstack()
        )
        order = sorted(means.index, key=lambda factor: (complexity.get(factor, np.inf), factor))
        means = means.loc[order]
        names = [
            f"{factor} ({complexity[factor]:.1f})" if factor in complexity else str(factor)
            for factor in order
        ]
        granularities = [value_label("model.granularity", g) for g in means["share"].columns]
        maps.append(
            ProfileMap(
                str(partition),
                names,
                granularities,
                means["share"].to_numpy(),
                means["separated"].to_numpy(),
            )
        )
    return maps


def profile_chart(profile: ProfileMap, source: str) -> Chart:
    """Share of each factor's entropy in its best unit; in the cells, how many of the models
    separate the factor.
    """
    cells = [
        [f"{value:.0%}" if np.isfinite(value) else "" for value in row] for row in profile.separated
    ]
    heat = {
        "type": "heatmap",
        "x": profile.granularities,
        "y": profile.factors,
        "z": [
            [round(float(value), 4) if np.isfinite(value) else None for value in row]
            for row in profile.share
        ],
        "text": cells,
        "texttemplate": "%{text}",
        "hovertemplate": "%{y}, γ %{x}<br>share %{z:.2f}<br>separated in %{text} of the models<extra></extra>",
        "colorscale": charts.SCALE,
        "zmin": 0,
        "zmax": round(max(float(np.nanmax(profile.share)), 0.1), 2),
        "colorbar": {
            "title": {"text": "share of entropy in the best unit", "side": "right"},
            "thickness": 12,
            "outlinewidth": 0,
        },
        "xgap": 1,
        "ygap": 1,
    }
    layout = charts.layout(
        f"Under {profile.partition}, {source}", name_of("model.granularity"), "factor (complexity)"
    )
    for axis in ("xaxis", "yaxis"):
        layout[axis]["type"] = "category"
    return {"data": [heat], "layout": layout}

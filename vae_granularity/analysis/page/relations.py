"""How the numbers of runs hang together: one against another, rank correlations, all parameters."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from vae_granularity.analysis.page import charts
from vae_granularity.analysis.page.labels import is_missing, name_of, value_label, with_unit
from vae_granularity.analysis.points import ordered, spread_out

MAX_RUNS, MAX_NUMBERS, MIN_RUNS, MAX_LINES = 2000, 16, 4, 300
GAMMA = "model.granularity"
BANDS = 5  # of the optimised number, in parallel coordinates


def scatter(table: pd.DataFrame, value: str, numbers: Sequence[str]) -> dict[str, Any] | None:
    """The optimised number of each run and every other number, by γ; at most `MAX_RUNS` runs, drawn
    at random. None with too few runs.
    """
    known = table[table[value].notna()]
    others = [name for name in _varying(known, numbers) if name != value]
    if len(known) < MIN_RUNS or not others:
        return None
    shown = known.sample(min(MAX_RUNS, len(known)), random_state=0).sort_index()
    groups = [{"name": "", "rows": list(range(len(shown)))}]
    by = GAMMA in shown and 1 < shown[GAMMA].nunique() <= len(charts.PALETTE)
    if by:
        groups = [
            {"name": value_label(GAMMA, g), "rows": np.flatnonzero(shown[GAMMA] == g).tolist()}
            for g in ordered(shown[GAMMA].dropna())
        ]
    return {
        "title": with_unit(value),
        "value": _rounded(shown[value]),
        "numbers": {name: _rounded(shown[name]) for name in others},
        "names": shown["run.name"].astype(str).tolist(),
        "groups": groups,
        "by": name_of(GAMMA) if by else "",
        "left_out": len(known) - len(shown),
    }


def correlations(table: pd.DataFrame, value: str, numbers: Sequence[str]) -> charts.Chart | None:
    """Spearman's rank correlations of the numbers over the runs; None with too few runs or numbers.

    At most `MAX_NUMBERS`, those that go with the optimised number most.
    """
    names = _varying(table, [name for name in numbers if name != "run.seconds"])
    if len(table) < MIN_RUNS or value not in names or len(names) < 3:
        return None
    found = table[names].astype(np.float64).corr(method="spearman", min_periods=MIN_RUNS)
    chosen = found[value].abs().sort_values(ascending=False).index[:MAX_NUMBERS]
    matrix = found.loc[chosen, chosen].to_numpy()
    labels = [name_of(name) for name in chosen]
    return charts.matrix_chart(matrix, labels, "Rank correlation over runs (Spearman)")


def parallel(
    points: pd.DataFrame, parameters: Sequence[str], value: str, numbers: Sequence[str]
) -> charts.Chart | None:
    """Each point as a line over its parameters and numbers, coloured by fifths of the optimised
    number; None with fewer than two parameters. At most `MAX_LINES` points, the extremes kept.
    """
    known = points[points[value].notna()].sort_values(value)
    if len(parameters) < 2 or len(known) < BANDS:
        return None
    if len(known) > MAX_LINES:
        known = known.iloc[spread_out(len(known), MAX_LINES)]
    scores = [name for name in _varying(known, numbers) if name.startswith("scores/")]
    heights, axes = [], {}
    for name in (*parameters[:6], value, *scores[:3]):
        if name in parameters:
            values = ordered(known[name])
            places = {v: i / max(len(values) - 1, 1) for i, v in enumerate(values)}
            heights.append([places[None if is_missing(v) else v] for v in known[name]])
            axes[with_unit(name)] = (value_label(name, values[0]), value_label(name, values[-1]))
        else:
            low, high = float(known[name].min()), float(known[name].max())
            heights.append(((known[name] - low) / ((high - low) or 1)).tolist())
            axes[with_unit(name)] = (f"{low:.3g}", f"{high:.3g}")
    bands = np.minimum(np.arange(len(known)) * BANDS // len(known), BANDS - 1)
    title = f"All points; colour: fifths of the {name_of(value)}"
    return charts.parallel_chart(np.array(heights, float).T, bands, axes, title)


def _varying(table: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """Those that have two or more values in `MIN_RUNS` or more rows."""
    return [n for n in names if table[n].count() >= MIN_RUNS and table[n].nunique() > 1]


def _rounded(column: pd.Series) -> list[float | None]:
    return [float(f"{v:.4g}") if np.isfinite(v) else None for v in column.astype(np.float64)]

"""Names of parameters and numbers as a reader knows them, with units."""

from __future__ import annotations

import math
from typing import Any

from vae_granularity.analysis.columns import word

NAMES = {
    "net.width": "network width",
    "net.depth": "network depth",
    "run.num_parameters": "number of parameters",
    "model.granularity": "granularity γ",
    "model.beta": "β",
    "model.within_group_weight": "within-group weight",
    "model.latent_dim": "latent dimensions",
    "data.name": "data set",
    "run.seconds": "time of a run",
    "val/elbo": "held-out ELBO",
    "val/between_group_tc": "TC between groups",
    "val/within_group_tc": "TC within groups",
    "val/mutual_information": "mutual information I",
    "val/dimension_kl": "dimension-wise KL",
    "val/kl": "KL",
    "val/reconstruction": "reconstruction E log p(x|z)",
    "scores/udr": "UDR",
}
UNITS = {"run.seconds": "s"}


def name_of(column: str) -> str:
    """A column's name in words."""
    return NAMES.get(column, column.removeprefix("scores/").removeprefix("val/").replace("_", " "))


def with_unit(column: str) -> str:
    """The name with its unit: terms are in nats, scores have none."""
    unit = "nats" if column.startswith(("val/", "test/")) else UNITS.get(column)
    return f"{name_of(column)} ({unit})" if unit else name_of(column)


def value_label(column: str, value: Any) -> str:
    """A parameter's value in words; a missing one is a default that the model's yaml explains."""
    if value is None or value != value:
        return "−β/2" if column == "model.within_group_weight" else "none"
    return word(value)


def number(value: Any, digits: int = 4) -> str:
    """A measured number for reading; a dash where there is none."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    return f"{value:.{digits}g}" if abs(value) < 1e4 else f"{value:.0f}"

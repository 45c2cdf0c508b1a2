"""Write names of parameters and numbers as a reader knows them, with units; values as words."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

NAMES = {
    "net.width": "network width",
    "net.depth": "network depth",
    "run.num_parameters": "number of parameters",
    "run.name": "run",
    "model.granularity": "granularity γ",
    "model.beta": "β",
    "model.within_group_weight": "within-group weight",
    "model.latent_dim": "latent dimensions",
    "data.name": "data set",
    "dataset.variant": "variant of the data set",
    "data.source": "source of the data",
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
    """Return a column's name in words.

    >>> name_of("net.width"), name_of("scores/mig_entropy")
    ('network width', 'mig entropy')
    """
    return NAMES.get(column, column.removeprefix("scores/").removeprefix("val/").replace("_", " "))


def with_unit(column: str) -> str:
    """Return a column's name with its unit: terms are in nats, scores have none.

    >>> with_unit("val/elbo"), with_unit("scores/mig")
    ('held-out ELBO (nats)', 'mig')
    """
    unit = "nats" if column.startswith(("val/", "test/")) else UNITS.get(column)
    return f"{name_of(column)} ({unit})" if unit else name_of(column)


def word(value: Any) -> str:
    """Return a parameter's value as text: whole numbers without a point, lists joined by dashes.

    >>> word(4.0), word([1, 1, 2]), word(True)
    ('4', '1-1-2', 'true')
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return "-".join(word(item) for item in value)
    return f"{value:g}" if isinstance(value, (int, float)) else str(value)


def is_missing(value: Any) -> bool:
    """Return whether a cell of a table is empty: None or nan."""
    return value is None or value != value


def value_label(column: str, value: Any) -> str:
    """Return a parameter's value in words; a missing one is a default of the model's yaml."""
    if is_missing(value):
        return "−β/2" if column == "model.within_group_weight" else "none"
    return word(value)


def values_label(column: str, values: Iterable[Any]) -> str:
    """Return a parameter and its values.

    >>> values_label("model.beta", [1.0, 4.0])
    'β = 1, 4'
    """
    return f"{name_of(column)} = {', '.join(value_label(column, value) for value in values)}"


def settings_label(values: Mapping[str, Any]) -> str:
    """Return parameters and their values in one line.

    >>> settings_label({"model.beta": 4.0, "net.width": None})
    'β = 4, network width = none'
    """
    return ", ".join(values_label(name, [value]) for name, value in values.items())


def number(value: Any, digits: int = 4) -> str:
    """Return a measured number for reading; a dash where there is none."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    return f"{value:.{digits}g}" if abs(value) < 1e4 else f"{value:.0f}"


def seeds_label(count: int) -> str:
    """Return a number of seeds: `1 seed`, `3 seeds`."""
    return f"{count} seed{'s' if count > 1 else ''}"


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, else the name of its class.

    >>> first_line(ValueError("a bad value\\nand more")), first_line(KeyError())
    ('a bad value', 'KeyError')
    """
    return (str(error).splitlines() or [type(error).__name__])[0]

"""Experiments with disentangled variational autoencoders whose latent dimensions come in groups."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from vae_granularity.partition import LatentPartition

if TYPE_CHECKING:
    from vae_granularity import metrics
    from vae_granularity.runs.reading import load_run
    from vae_granularity.runs.table import read_runs

__all__ = ["LatentPartition", "load_run", "metrics", "read_runs"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # Torch, Lightning and pandas take seconds to load: only those who ask for them pay.
    if name == "load_run":
        return import_module("vae_granularity.runs.reading").load_run
    if name == "read_runs":
        return import_module("vae_granularity.runs.table").read_runs
    if name == "metrics":
        return import_module("vae_granularity.metrics")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

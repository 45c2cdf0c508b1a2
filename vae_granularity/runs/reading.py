"""A run directory read back: its model with the last weights, its data and its results."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vae_granularity.data.base import ImageDataModule
from vae_granularity.errors import DataError
from vae_granularity.models.base import LatentModel
from vae_granularity.runs.build import build
from vae_granularity.runs.checkpoint import load_weights
from vae_granularity.runs.files import load_config
from vae_granularity.runs.identity import CONFIG
from vae_granularity.runs.status import is_done
from vae_granularity.runs.table import read_results


@dataclass(frozen=True)
class Run:
    """A run read back: `model` in evaluation mode, `datamodule` not set up, `results` or {}."""

    directory: Path
    config: Any
    model: LatentModel
    datamodule: ImageDataModule
    results: dict[str, Any]


def load_run(directory: str | Path) -> Run:
    """Read a finished or interrupted run directory.

    Raises:
        DataError: the directory is no run directory, or has no readable checkpoint.
    """
    directory = Path(directory)
    if not (directory / CONFIG).is_file():
        raise DataError(f"{directory} is no run directory: it has no {CONFIG}")
    config: Any = load_config(directory / CONFIG)
    model, data = build(config)
    results = read_results(directory) if is_done(directory) else {}
    load_weights(model, directory, results["run"].get("steps") if results else None)
    return Run(directory, config, model.eval(), data, results)

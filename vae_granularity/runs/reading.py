"""A run directory read back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from vae_granularity.data.base import ImageDataModule
from vae_granularity.errors import DataError
from vae_granularity.models.base import LatentModel
from vae_granularity.runs.build import build
from vae_granularity.runs.checkpoint import load_weights
from vae_granularity.runs.identity import CONFIG, RESULTS, checkpoints


@dataclass(frozen=True)
class Run:
    """A finished or interrupted run, read back. `model` is in evaluation mode with the last
    weights; `datamodule` needs `setup()`.
    """

    directory: Path
    config: Any
    model: LatentModel
    datamodule: ImageDataModule
    results: dict[str, Any]


def load_run(directory: str | Path) -> Run:
    """Read a run directory: `.config`, `.model` (evaluation mode, last weights), `.datamodule`,
    `.results`.

    Raises:
        DataError: the directory is no run directory, or has no readable checkpoint.
    """
    directory = Path(directory)
    if not (directory / CONFIG).is_file():
        raise DataError(f"{directory} is no run directory: it has no {CONFIG}")
    config = OmegaConf.load(directory / CONFIG)
    model, data = build(config)
    load_weights(model, checkpoints(directory), directory)
    results = directory / RESULTS
    return Run(
        directory,
        config,
        model.eval(),
        data,
        json.loads(results.read_text()) if results.is_file() else {},
    )

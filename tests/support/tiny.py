"""Small configs and runs for tests: a few steps on a few synthetic samples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from vae_granularity.training.config import compose, config_dir

SMALL = (
    "dataset=blocks",
    "dataset.num_samples=600",
    "net=mlp",
    "net.width=0.1",
    "model.latent_dim=6",
    "trainer=debug",
    "trainer.accelerator=cpu",
    "evaluation.figures=false",
    "logger=csv",
)


def options(group: str) -> list[str]:
    """Names of a config group's choices; files that start with `_` are helpers."""
    return sorted(
        path.stem for path in (config_dir() / group).glob("*.yaml") if not path.stem.startswith("_")
    )


def tiny_config(folder: Path, *overrides: str, without: tuple[str, ...] = ()) -> DictConfig:
    """A run of seconds below `folder`; `without` some of `SMALL`."""
    paths = [
        f"paths.output_dir={folder / 'runs'}",
        f"paths.cache_dir={folder / 'cache'}",
        f"paths.data_dir={folder / 'data'}",
    ]
    small = [override for override in SMALL if override not in without]
    return compose("train", [*small, *paths, *overrides])


def results(run: Path) -> dict[str, Any]:
    """results.json of a run directory."""
    return json.loads((run / "results.json").read_text())

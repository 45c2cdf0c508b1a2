"""Small configs and runs for tests: a few steps on a few synthetic samples."""

from __future__ import annotations

import copy
import json
from functools import cache
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
    "metrics=mig",  # those of the default take longer than the training
)
PLACES = {"output_dir": "runs", "cache_dir": "cache", "data_dir": "data"}
ELSEWHERE = "/elsewhere"


def options(group: str) -> list[str]:
    """Names of a config group's choices; files that start with `_` are helpers."""
    return sorted(
        path.stem for path in (config_dir() / group).glob("*.yaml") if not path.stem.startswith("_")
    )


def tiny_config(folder: Path, *overrides: str, without: tuple[str, ...] = ()) -> DictConfig:
    """A run of seconds below `folder`; `without` some of `SMALL`."""
    config = copy.deepcopy(_composed(overrides, without))
    for key, name in PLACES.items():
        if config.paths.get(key) == f"{ELSEWHERE}/{name}":  # no override says otherwise
            config.paths[key] = f"{folder / name}"
    return config


@cache  # composing takes longer than many a test
def _composed(overrides: tuple[str, ...], without: tuple[str, ...]) -> DictConfig:
    paths = [f"paths.{key}={ELSEWHERE}/{name}" for key, name in PLACES.items()]
    small = [override for override in SMALL if override not in without]
    return compose("train", [*small, *paths, *overrides])


def results(run: Path) -> dict[str, Any]:
    """results.json of a run directory."""
    return json.loads((run / "results.json").read_text())

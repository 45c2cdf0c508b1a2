"""A pack of compatible runs as one job: written by the launcher, trained by the process that gets
it, on this machine or another.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from vae_granularity.runs.identity import write_atomically

FOLDER = ".packs"
AUTO = "auto"


def write_pack(folder: Path, configs: Sequence[DictConfig], backend: str) -> Path:
    """Write the pack below `folder` and return its file; `backend` is a name or `auto`."""
    pack: dict[str, Any] = {
        "backend": backend,
        "configs": [OmegaConf.to_container(cfg, resolve=True) for cfg in configs],
    }
    text = json.dumps(pack)
    path = folder / FOLDER / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, text)
    return path.absolute()


def remove_packs(folder: Path) -> None:
    """Remove the files that `write_pack` has left below `folder`."""
    shutil.rmtree(folder / FOLDER, ignore_errors=True)


def train_pack(path: str | Path) -> list[Exception | None]:
    """Train the runs of a pack as one population; what each of them raised, or None.

    Raises:
        SystemExit: the process was asked to end; all runs have been saved.
    """
    from vae_granularity.population.backends import BACKENDS
    from vae_granularity.population.plan import ALONE
    from vae_granularity.population.rehearsal import best_plan
    from vae_granularity.population.training import train_alone, train_population

    pack = json.loads(Path(path).read_text())
    configs: list[DictConfig] = [OmegaConf.create(config) for config in pack["configs"]]
    backend = pack["backend"]
    if backend == AUTO:
        backend = best_plan(configs, len(configs), 1, 0.0, tuple(BACKENDS)).backend
    return (
        [train_alone(cfg) for cfg in configs]
        if backend == ALONE
        else train_population(configs, backend)
    )

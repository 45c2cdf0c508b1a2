"""Resolve `dataset.source=auto` once a folder: a sweep never mixes real and drawn images."""

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from vae_granularity.data.files.locks import locked
from vae_granularity.files import read_json, set_aside, write_json
from vae_granularity.runs.identity import (
    SPLIT_KEYS,
    file_name,
    legacy_default_keys,
    short_digest,
    without,
)
from vae_granularity.terminal import say

RECORD = ".sources.json"


def settled_source(config: DictConfig) -> str:
    """Return the data source recorded for this folder; resolve and record it the first time.

    Torch is loaded only in the second case.

    Raises:
        DataError: the images cannot be had.
        ArgumentError: an argument of the data set is out of range.
    """
    folder = Path(config.paths.output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    node: Any = OmegaConf.to_container(config.dataset, resolve=True)
    dataset = file_name(node)
    # The key holds what decides where images come from: which they are, and where files of them
    # may lie.
    unrelated = [*SPLIT_KEYS, "device", "source", *legacy_default_keys(node)]
    key = f"{dataset}-{short_digest(without(node, unrelated))}"
    path = folder / RECORD
    with locked(folder / f"{RECORD}.lock"):
        sources = _recorded_sources(path)
        if key not in sources:
            from vae_granularity.runs.build import create

            sources[key] = create(config.dataset).resolve()
            write_json(path, sources)
            say(
                f"dataset.source=auto resolved to {sources[key]!r} for {dataset}; all runs in "
                f"{folder} use it (recorded in {path})"
            )
        return sources[key]


def _recorded_sources(path: Path) -> dict[str, str]:
    """Return the recorded sources by data set; a damaged record is set aside."""
    if not path.exists():
        return {}
    try:
        return {str(key): str(source) for key, source in read_json(path).items()}
    except (OSError, ValueError, AttributeError):
        aside = set_aside(path)
        say(f"{path} was damaged (renamed to {aside.name}); resolving dataset.source again")
        return {}

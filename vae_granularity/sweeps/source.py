"""Resolves `dataset.source=auto` once a folder: a sweep never mixes real and drawn images."""

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
    """The source of a config's data set: as in its folder's record, else settled and recorded.

    Torch is loaded only in the second case.

    Raises:
        DataError: the images cannot be had.
        ArgumentError: an argument of the data set is out of range.
    """
    folder = Path(config.paths.output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    node: Any = OmegaConf.to_container(config.dataset, resolve=True)
    # What decides where images come from: which they are, and where files of them may lie.
    left_out = [*SPLIT_KEYS, "device", "source", *legacy_default_keys(node)]
    key = f"{file_name(node)}-{short_digest(without(node, left_out))}"
    path = folder / RECORD
    with locked(folder / f"{RECORD}.lock"):
        known = _known(path)
        if key not in known:
            from vae_granularity.runs.build import create

            known[key] = create(config.dataset).resolve()
            write_json(path, known)
            said = f"dataset.source=auto is {known[key]} for {file_name(node)}"
            say(f"{said}, and stays so for all runs of {folder} ({path})")
        return known[key]


def _known(path: Path) -> dict[str, str]:
    """Source by data set of the record; one that is damaged is set aside."""
    if not path.exists():
        return {}
    try:
        return {str(key): str(source) for key, source in read_json(path).items()}
    except (OSError, ValueError, AttributeError):
        say(f"{path} is damaged, it is now {set_aside(path).name}: settled anew")
        return {}

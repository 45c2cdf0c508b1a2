"""What `dataset.source=auto` has come to, settled once for all runs of a folder, so that a sweep
never mixes real and drawn images.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from filelock import FileLock
from omegaconf import DictConfig, OmegaConf

from vae_granularity.runs.identity import file_name, write_atomically

RECORD = ".sources.json"
# Keys of a data set that do not decide where its images come from.
ELSEWHERE = {"seed", "batch_size", "val_fraction", "device", "source"}


def settled_source(config: DictConfig) -> str:
    """The source of a config's data set: as in the folder's record, else settled now and recorded.

    Torch is loaded only in the second case.

    Raises:
        DataError: the images cannot be had.
        ArgumentError: an argument of the data set is out of range.
    """
    folder = Path(config.paths.output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    node = {
        key: value
        for key, value in OmegaConf.to_container(config.dataset, resolve=True).items()
        if key not in ELSEWHERE
    }
    key = f"{file_name(node)}-{hashlib.sha256(json.dumps(node, sort_keys=True).encode()).hexdigest()[:8]}"
    path = folder / RECORD
    with FileLock(folder / f"{RECORD}.lock"):
        known = json.loads(path.read_text()) if path.exists() else {}
        if key not in known:
            from vae_granularity.runs.build import create

            known[key] = create(config.dataset).resolve()
            write_atomically(path, json.dumps(known, indent=1))
            print(
                f"dataset.source=auto is {known[key]} for {file_name(node)}, and stays so for all runs of {folder} ({path})",
                flush=True,
            )
        return known[key]

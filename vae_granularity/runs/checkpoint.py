"""Reading checkpoints without unpickling code; the one before where the newest is damaged."""

import logging
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from vae_granularity.errors import DataError
from vae_granularity.models.base import LatentModel
from vae_granularity.runs.identity import checkpoints

DAMAGE = (OSError, EOFError, RuntimeError, pickle.UnpicklingError, zipfile.BadZipFile, KeyError)
log = logging.getLogger(__name__)


def newest_readable(candidates: list[Path]) -> tuple[Path, dict[str, Any]] | None:
    """Path and contents of the first readable checkpoint; warns of those it passed over.

    Args:
        candidates: checkpoints, the newest first.
    """
    for path in candidates:
        try:
            return path, torch.load(path, map_location="cpu", weights_only=True)
        except DAMAGE as error:
            cause = f"{type(error).__name__}: {str(error).splitlines()[0]}"
            log.warning("%s is not a whole checkpoint: %s; the one before is tried", path, cause)
    return None


def load_weights(model: LatentModel, directory: Path) -> None:
    """Load a run's newest readable weights and the partition they were trained with.

    Raises:
        DataError: none is readable.
    """
    found = newest_readable(checkpoints(directory))
    if found is None:
        raise DataError(f"{directory} has no readable checkpoint")
    model.load_state_dict(found[1]["state_dict"])
    model.on_load_checkpoint(found[1])

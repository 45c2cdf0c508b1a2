"""Reading checkpoints without unpickling code, falling back to the one before where the newest is
damaged.
"""

from __future__ import annotations

import logging
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from vae_granularity.errors import DataError
from vae_granularity.models.base import LatentModel

log = logging.getLogger(__name__)


def newest_readable(candidates: list[Path]) -> tuple[Path, dict[str, Any]] | None:
    """Path and contents of the first of the checkpoints (newest first) that is whole; says which
    ones it passed over.
    """
    for path in candidates:
        try:
            return path, _read(path)
        except DataError as error:
            log.warning("%s; the one before is tried", error)
    return None


def load_weights(model: LatentModel, candidates: list[Path], directory: Path) -> None:
    """Load the newest readable weights into `model`, and the partition they were trained with.

    Raises:
        DataError: none is readable.
    """
    found = newest_readable(candidates)
    if found is None:
        raise DataError(f"{directory} has no readable checkpoint")
    model.load_state_dict(found[1]["state_dict"])
    model.on_load_checkpoint(found[1])


def _read(path: Path) -> dict[str, Any]:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (
        OSError,
        EOFError,
        RuntimeError,
        pickle.UnpicklingError,
        zipfile.BadZipFile,
        KeyError,
    ) as error:
        raise DataError(
            f"{path} is not a whole checkpoint: {type(error).__name__}: {str(error).splitlines()[0]}"
        ) from error

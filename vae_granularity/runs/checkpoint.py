"""Checkpoints: written whole, read without unpickling code; the one before where one is damaged."""

import io
import logging
import os
import zipfile
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from vae_granularity.data.files.plain import open_plain
from vae_granularity.errors import DataError
from vae_granularity.models.base import LatentModel
from vae_granularity.runs.files import replacing
from vae_granularity.runs.identity import checkpoints

log = logging.getLogger(__name__)


class WholeCheckpoints(TorchCheckpointIO):
    """Saves beside the target and moves it there, on the same disk; Lightning goes by TMPDIR."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike, storage_options: Any = None
    ) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        whole = io.BytesIO()  # torch makes an error without a number of a full disk
        torch.save(checkpoint, whole)
        with replacing(Path(path)) as temporary:
            temporary.write_bytes(whole.getbuffer())


def newest_readable(candidates: list[Path]) -> tuple[Path, dict[str, Any]] | None:
    """Path and contents of the first whole checkpoint; warns of those it passed over.

    Args:
        candidates: checkpoints, the newest first.
    """
    for path in candidates:
        try:
            return path, _read(path)
        except Exception as error:  # of any kind: damaged bytes make torch raise whatever it likes
            told = (str(error).splitlines() or [""])[0]
            cause = f"{type(error).__name__}: {told}".rstrip(": ")
            log.warning("%s is not a whole checkpoint: %s; the one before is tried", path, cause)
    return None


def _read(path: Path) -> dict[str, Any]:
    with open_plain(path) as file, zipfile.ZipFile(file) as archive:  # torch compares no checksums
        damaged = archive.testzip()
    if damaged is not None:
        raise DataError(f"{damaged} in it does not match its checksum")
    found = torch.load(path, map_location="cpu", weights_only=True)
    int(found["global_step"])  # both are there if it is a run's
    if "state_dict" not in found:
        raise DataError("it holds no weights")
    return found


def load_weights(model: LatentModel, directory: Path, steps: int | None = None) -> None:
    """Load a run's newest readable weights and the partition they were trained with.

    Args:
        steps: of the weights wanted; None takes those of any step.

    Raises:
        DataError: none is readable, none is of that step, or the newest holds the weights of
            another network.
    """
    found = newest_readable(checkpoints(directory))
    if found is None:
        raise DataError(f"{directory} has no readable checkpoint")
    path, saved = found
    if steps is not None and saved["global_step"] != steps:
        what = f"the newest readable one is {path.name} of step {saved['global_step']}"
        raise DataError(f"{directory} has no readable checkpoint of its last step {steps}: {what}")
    try:
        model.load_state_dict(saved["state_dict"])
    except RuntimeError as error:  # names or shapes of parameters differ
        raise DataError(
            f"{path} does not fit the network that this version builds from the run's config: a "
            "version with other layers under this name trained it. Use that version, or train "
            "the run anew"
        ) from error
    model.on_load_checkpoint(saved)

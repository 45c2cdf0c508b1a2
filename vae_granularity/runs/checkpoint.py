"""Checkpoints: written whole, read without unpickling code; the one before where one is damaged."""

import io
import logging
import os
import zipfile
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from vae_granularity.errors import DataError
from vae_granularity.files import open_regular_file, replace_file
from vae_granularity.models.base import LatentModel
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
        with replace_file(Path(path)) as file:
            file.write(whole.getbuffer())


def newest_readable(
    candidates: list[Path], model: LatentModel | None = None
) -> tuple[Path, dict[str, Any]] | None:
    """Return path and contents of the first whole checkpoint; warn of those it passed over.

    Args:
        candidates: checkpoints, the newest first.
        model: whose weights it must hold.
    """
    for path in candidates:
        try:
            saved = _read(path)
            if model is not None:
                check_fit(saved, model)
            return path, saved
        except Exception as error:  # of any kind: damaged bytes make torch raise whatever it likes
            told = (str(error).splitlines() or [""])[0]
            cause = f"{type(error).__name__}: {told}".rstrip(": ")
            log.warning("%s is not a whole checkpoint: %s; the one before is tried", path, cause)
    return None


def check_fit(saved: dict[str, Any], model: LatentModel) -> None:
    """Refuse a checkpoint of another network than the model's.

    Raises:
        DataError: names a tensor that is missing, too many, or of another shape.
    """
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    weights = saved["state_dict"]
    if not isinstance(weights, dict):
        raise DataError(f"its weights are {type(weights).__name__}, not tensors by name")
    for name in sorted({*shapes, *map(str, weights)}):
        tensor = weights.get(name)
        shape = tuple(tensor.shape) if isinstance(tensor, torch.Tensor) else "missing"
        built = shapes.get(name, "missing")
        if shape != built:
            raise DataError(
                f"it does not fit its config: {name} is {shape} in it, {built} in the network that "
                "the config builds"
            )


def _read(path: Path) -> dict[str, Any]:
    with (
        open_regular_file(path) as file,
        zipfile.ZipFile(file) as archive,
    ):  # torch compares no checksums
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
        DataError: none is readable, or none of that step.
    """
    found = newest_readable(checkpoints(directory))
    if found is None:
        raise DataError(f"{directory} has no readable checkpoint")
    path, saved = found
    if steps is not None and saved["global_step"] != steps:
        what = f"the newest readable one is {path.name} of step {saved['global_step']}"
        raise DataError(f"{directory} has no readable checkpoint of its last step {steps}: {what}")
    try:
        check_fit(saved, model)
        model.load_state_dict(saved["state_dict"])
        model.on_load_checkpoint(saved)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    except Exception as error:  # of any kind: any entry may be another than this program writes
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise DataError(f"{path} is not as this version writes it: {reason}") from error

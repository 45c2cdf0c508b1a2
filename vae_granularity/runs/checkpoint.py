"""Write checkpoints whole, read them without unpickling code, and skip damaged ones.

A checkpoint holds the fingerprint of the images that it was trained on: a run neither continues nor
is measured on others.
"""

import io
import logging
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from vae_granularity.errors import DataError, ResourceError
from vae_granularity.files import open_regular_file, read_json, replace_file
from vae_granularity.models.base import LatentModel
from vae_granularity.runs.identity import checkpoints

IMAGES = "images"  # entry of a checkpoint: hash of each file of the converted images
OLD_RECORD = "images.json"  # where earlier versions wrote that entry, in the run directory
log = logging.getLogger(__name__)


class WholeCheckpoints(TorchCheckpointIO):
    """Write a checkpoint beside its target and move it there.

    Both lie on the same disk, unlike in Lightning's own class, which writes to TMPDIR.

    Args:
        fingerprint: of the training images, which each checkpoint holds.
    """

    def __init__(self, fingerprint: Mapping[str, str]) -> None:
        super().__init__()
        self.fingerprint = dict(fingerprint)

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike, storage_options: Any = None
    ) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        # Into memory first: on a full disk torch raises an error without an error number.
        content = io.BytesIO()
        torch.save({**checkpoint, IMAGES: self.fingerprint}, content)
        with replace_file(Path(path)) as file:
            file.write(content.getbuffer())


def check_images(directory: Path, fingerprint: Mapping[str, str]) -> None:
    """Refuse images other than those that the run was trained on, where it has recorded them.

    Raises:
        ResourceError: names the files that differ.
    """
    recorded = _recorded_images(directory)
    # A name that the record lacks is an image source that an earlier version did not record, or
    # read in another way. A record that is missing or damaged says nothing.
    names = recorded | dict(fingerprint) if recorded else {}
    changed = [name for name in names if recorded.get(name) != fingerprint.get(name)]
    if changed:
        raise ResourceError(
            f"{directory} was trained on other images: {', '.join(changed)} of its data set "
            "have changed since it began. Put the former files back, or remove the directory to "
            "train anew"
        )


def _recorded_images(directory: Path) -> dict[str, str]:
    """Return the fingerprint in the run's newest checkpoint, or in the file of an earlier version.

    It is empty where none is recorded or the record is damaged.
    """
    for path in checkpoints(directory):
        try:
            with open_regular_file(path):
                # Weights stay on the disk: only this entry is wanted.
                saved = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
            if IMAGES in saved:
                return dict(saved[IMAGES])
        except Exception:  # of any kind; whoever reads the weights warns of a damaged checkpoint
            continue
    try:
        return dict(read_json(directory / OLD_RECORD))
    except (OSError, ValueError, TypeError):
        return {}


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
            first_line = (str(error).splitlines() or [""])[0]
            cause = f"{type(error).__name__}: {first_line}".rstrip(": ")
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
    # torch compares no checksums of the archive.
    with open_regular_file(path) as file, zipfile.ZipFile(file) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise DataError(f"{damaged} in it does not match its checksum")
    saved = torch.load(path, map_location="cpu", weights_only=True)
    int(saved["global_step"])  # raises if it is no checkpoint of a run
    if "state_dict" not in saved:
        raise DataError("it holds no weights")
    return saved


def load_weights(model: LatentModel, directory: Path, steps: int | None = None) -> None:
    """Load a run's newest readable weights and the partition they were trained with.

    Args:
        steps: of the weights wanted; None takes those of any step.

    Raises:
        DataError: none is readable, or none of that step.
    """
    newest = newest_readable(checkpoints(directory))
    if newest is None:
        raise DataError(f"{directory} has no readable checkpoint")
    path, saved = newest
    if steps is not None and saved["global_step"] != steps:
        raise DataError(
            f"{directory} has no readable checkpoint of its last step {steps}: the newest readable "
            f"one is {path.name} of step {saved['global_step']}"
        )
    try:
        check_fit(saved, model)
        model.load_state_dict(saved["state_dict"])
        model.on_load_checkpoint(saved)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    except Exception as error:  # of any kind: any entry may be another than this program writes
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise DataError(f"{path} is not as this version writes it: {reason}") from error

"""Prepare a training run: everything its config names, checked and built once.

A sweep checks all of its points before the first one trains. `prepare_ahead` keeps the job that the
check builds, and `prepare` of the same config in the same process returns it.
"""

import ctypes
import functools
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.utilities import rank_zero_only
from omegaconf import DictConfig, OmegaConf

from vae_granularity.data.base import ImageDataModule
from vae_granularity.evaluation.protocol import EvaluationProtocol
from vae_granularity.evaluation.scores import Metrics
from vae_granularity.files import digest
from vae_granularity.models.base import LatentModel
from vae_granularity.runs.build import build, create, create_metrics, match_precision
from vae_granularity.runs.checkpoint import check_images, load_weights
from vae_granularity.runs.identity import RunInfo, checkpoints, processes
from vae_granularity.runs.table import read_results
from vae_granularity.runs.types import check_types

# Jobs that are prepared ahead hold weights of at most this many bytes together. A point of a sweep
# beyond it is prepared again when its turn comes.
MAX_BYTES_AHEAD = 2**28
# Options of glibc's mallopt (malloc.h), and the value that both are set to.
TRIM_THRESHOLD = -1
MMAP_THRESHOLD = -3
KEPT_BYTES = 2**30


@dataclass
class Job:
    """One training run, with its model and data built and all arguments checked."""

    config: DictConfig
    model: LatentModel
    data: ImageDataModule
    protocol: EvaluationProtocol
    metrics: Metrics
    # Of torch's generator once the model was built. A layer that draws from it while training
    # (dropout) must not depend on what else was built before the training began.
    rng_state: torch.Tensor

    @functools.cached_property
    def info(self) -> RunInfo:
        """Name and directory of the run; `resolve_source` comes first."""
        config: Any = OmegaConf.to_container(self.config, resolve=True)
        return RunInfo(config, Path(self.config.paths.output_dir))

    @property
    def directory(self) -> Path:
        """The run directory."""
        return self.info.directory

    @property
    def num_bytes(self) -> int:
        """Bytes of the model's parameters."""
        return sum(p.numel() * p.element_size() for p in self.model.parameters())

    def resolve_source(self) -> None:
        """Replace dataset.source=auto by the source that is available.

        Raises:
            DataError: none is.
        """
        self.config.dataset.source = self.data.resolve()

    def load_weights(self) -> None:
        """Load the last weights of the finished run, in the precision it was trained in.

        Raises:
            DataError: results.json is damaged, or no checkpoint of its last step is readable.
        """
        steps = read_results(self.directory)["run"].get("steps")
        load_weights(self.model, self.directory, steps)
        match_precision(self.model, self.config.trainer)
        self.model.eval()

    def open_data(self, data: ImageDataModule | None = None) -> None:
        """Make the images available, or share them with `data`, another run's open module.

        Raises:
            DataError: they cannot be had.
            ResourceError: they are not those that the run has begun with.
        """
        if data is None:
            self.data.setup()
        else:
            self.data = data.reseeded(self.data.seed)
        if is_first_process() and checkpoints(self.directory):
            check_images(self.directory, self.data.fingerprint)
        self.model.dataset_size = self.data.dataset_size


_prepared_ahead: dict[str, Job] = {}


def prepare(config: DictConfig) -> Job:
    """Return the checked job of a config, which may have been prepared ahead. Reads no images.

    Raises:
        ArgumentError: an argument is out of range.
    """
    job = _prepared_ahead.pop(_key(config), None) if _prepared_ahead else None
    if job is None:
        return _build_job(config)
    job.config = config
    torch.set_rng_state(job.rng_state)
    return job


def prepare_ahead(config: DictConfig) -> None:
    """Check a config, and keep its job for `prepare` as long as the weights kept are few.

    The machine that checks need not have the GPU of the one that trains.

    Raises:
        ArgumentError: an argument is out of range.
    """
    if config.dataset.device == "cuda" and not torch.cuda.is_available():
        config = config.copy()
        config.dataset.device = "cpu"
        _build_job(config)
        return
    job = _build_job(config)
    bytes_ahead = sum(other.num_bytes for other in _prepared_ahead.values())
    if bytes_ahead + job.num_bytes <= MAX_BYTES_AHEAD:
        _prepared_ahead[_key(config)] = job


def _build_job(config: DictConfig) -> Job:
    keep_freed_memory()
    check_types(config)
    model, data = build(config)
    # The callback of terms logs them, for several steps at a time.
    model.logs_terms = False
    protocol = create(config.evaluation)
    metrics = create_metrics(config)
    return Job(config, model, data, protocol, metrics, torch.get_rng_state())


def _key(config: DictConfig) -> str:
    """Return a digest of the config less its record of the command line, which decides nothing."""
    plain: Any = OmegaConf.to_container(config, resolve=True)
    plain.pop("overrides", None)
    return digest(json.dumps(plain, sort_keys=True, default=str))


def is_first_process() -> bool:
    """Return whether this process writes: not one that Lightning started for a further device."""
    decorator: Any = rank_zero_only
    return decorator.rank == 0


def reset_rank(config: DictConfig) -> None:
    """Make a process that trains alone the first one.

    Lightning takes the rank from the environment when it is imported; a launcher of something else
    may have set it there.
    """
    if processes(config.trainer) == 1:
        decorator: Any = rank_zero_only
        decorator.rank = 0


def keep_freed_memory() -> bool:
    """Tell glibc to keep freed memory, which the next training step reuses.

    A step frees all its tensors. glibc returns blocks of more than 128 KiB to the system and gets
    them back page by page, zeroed, in the next step: up to two thirds of the time of a small
    network's step (experiments/population). The process stays as large as its largest step.

    Returns:
        Whether the system can do that.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is None:
        return False
    # Blocks below a gigabyte come from the heap, and the heap is not given back below a gigabyte.
    return all(mallopt(option, KEPT_BYTES) for option in (TRIM_THRESHOLD, MMAP_THRESHOLD))

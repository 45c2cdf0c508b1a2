"""The pieces of a training run: its parts, the directory that it alone writes, trainer, results."""

import functools
import logging
import platform
import textwrap
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lightning import Trainer
from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only
from omegaconf import DictConfig, OmegaConf

from vae_granularity.data.base import ImageDataModule
from vae_granularity.errors import ArgumentError
from vae_granularity.evaluation.evaluate import Evaluation, in_short, report
from vae_granularity.evaluation.protocol import EvaluationProtocol
from vae_granularity.evaluation.scores import Metrics
from vae_granularity.files import (
    check_folder,
    check_no_folder,
    remove_unfinished,
    write_json,
    write_text,
)
from vae_granularity.models.base import LatentModel
from vae_granularity.runs.build import (
    build,
    create,
    create_callbacks,
    create_metrics,
    match_precision,
)
from vae_granularity.runs.checkpoint import WholeCheckpoints
from vae_granularity.runs.identity import (
    CHECKPOINTS,
    CONFIG,
    FINAL,
    RESULTS,
    RunInfo,
    processes,
    without,
)
from vae_granularity.runs.images import RECORD, record_images
from vae_granularity.runs.status import FAILURE, PROGRESS, failures_recorded, is_done, only_writer
from vae_granularity.runs.types import check_types
from vae_granularity.terminal import say
from vae_granularity.training.interrupt import TimeLimit
from vae_granularity.training.loggers.csv import MetricsCSV
from vae_granularity.training.loggers.progress import ProgressFile
from vae_granularity.training.loggers.wandb import sync_hint
from vae_granularity.training.memory import keep_freed_memory

# What Lightning warns of and is meant: a run that continues finds its checkpoints, perhaps with
# other observers; the data module, not the loader, carries the position in the data; whole batches
# are gathered by index, without worker processes. The last is Lightning's own, under torch 2.13.
IGNORED_WARNINGS = (
    "Checkpoint directory .* exists and is not empty",
    ".*callbacks used to create the checkpoint need to be provided",
    ".*your dataloader is not resumable",
    ".*does not have many workers",
    ".*LeafSpec.* is deprecated",
)
# Keys of a trainer that a machine may not have what they ask for.
HARDWARE_KEYS = ("accelerator", "devices", "num_nodes", "precision", "strategy")
log = logging.getLogger(__name__)

TORCH = ("torch", "lightning", "torchmetrics")
PACKAGES = ("vae-granularity", *TORCH, "numpy", "scikit-learn", "hydra-core")


@dataclass
class Job:
    """One run: what its config names, with the arguments checked."""

    config: DictConfig
    info: RunInfo
    model: LatentModel
    data: ImageDataModule
    protocol: EvaluationProtocol
    metrics: Metrics

    @property
    def directory(self) -> Path:
        """The run directory."""
        return self.info.directory

    def match_precision(self) -> None:
        """Give the model the dtype that the trainer trains it in, as load_run does."""
        match_precision(self.model, self.config.trainer)

    def open_data(self, data: ImageDataModule | None = None) -> None:
        """Make the images available, or share them with `data`, another run's open module.

        Raises:
            DataError: they cannot be had, or are not those that the run has begun with.
        """
        if data is None:
            self.data.setup()
        else:
            self.data = data.reseeded(self.data.seed)
        if is_first_process():
            record_images(self.directory, self.data.fingerprint)
        self.model.dataset_size = self.data.dataset_size


def prepare_run(cfg: DictConfig) -> Job:
    """The run that a config names, with the source of its data settled. Reads no images.

    Raises:
        ArgumentError: an argument is out of range.
        DataError: the data cannot be had.
    """
    keep_freed_memory()
    if processes(cfg.trainer) == 1:
        # Lightning takes the rank from the environment when it is imported; a launcher of something
        # else may have set it there.
        rank_zero: Any = rank_zero_only
        rank_zero.rank = 0
    model, data, protocol, metrics = prepare(cfg)
    _trainer(cfg, Path(), [])  # once before the data are fetched, for the errors in its arguments
    cfg.dataset.source = data.resolve()
    model.logs_terms = False  # the callback of terms does, for several steps at a time
    config: Any = OmegaConf.to_container(cfg, resolve=True)
    return Job(cfg, RunInfo(config, Path(cfg.paths.output_dir)), model, data, protocol, metrics)


def prepare(cfg: DictConfig) -> tuple[LatentModel, ImageDataModule, EvaluationProtocol, Metrics]:
    """Everything that a run consists of, with its arguments checked. Reads no data.

    Raises:
        ArgumentError: an argument is out of range.
    """
    check_types(cfg)
    return *build(cfg), create(cfg.evaluation), create_metrics(cfg)


def is_first_process() -> bool:
    """Return whether this process writes: not one that Lightning started for a further device."""
    decorator: Any = rank_zero_only
    return decorator.rank == 0


@contextmanager
def writing(job: Job) -> Iterator[bool]:
    """Makes this process the only writer of the run directory; False if the run is trained.

    Raises:
        BusyError: another process trains the run.
    """
    job.directory.mkdir(parents=True, exist_ok=True)
    with only_writer(job.directory), failures_recorded(job.directory):
        if is_done(job.directory):
            yield False
            return
        _check_places(job.directory)
        remove_unfinished(job.directory)
        write_text(job.directory / CONFIG, OmegaConf.to_yaml(job.config, resolve=True))
        size, groups = job.model.net.num_parameters, " ".join(job.model.partition.labels)
        say(f"run {job.info.name}")
        facts = f"data: {job.data.title}   parameters: {size:,}   groups: {groups}"
        say(textwrap.indent(textwrap.fill(facts, 96, break_on_hyphens=False), "  "))
        for caution in job.model.warnings(job.config.trainer.max_steps):
            log.warning(caution)
        yield True


def _check_places(directory: Path) -> None:
    """Refuse a run directory in which the files of a run cannot be written, before it trains.

    Raises:
        ResourceError: names what lies in place of a file or folder, or leads out by a link.
    """
    for name in (CONFIG, RESULTS, "metrics.csv", PROGRESS, FAILURE, RECORD):
        check_no_folder(directory / name)
    for name in (CHECKPOINTS, "figures"):
        check_folder(directory / name, directory)
        remove_unfinished(directory / name)


def truncate_logs(trainer: Trainer, step: int) -> None:
    """Drop what metrics.csv holds after `step`, from which the run goes on."""
    for logger in trainer.loggers:
        if isinstance(logger, MetricsCSV):
            logger.truncate(step)


@contextmanager
def meant_warnings_ignored() -> Iterator[None]:
    """Within, Lightning's warnings of what is meant are not shown."""
    with warnings.catch_warnings():
        for message in IGNORED_WARNINGS:
            warnings.filterwarnings("ignore", message=message)
        yield


@contextmanager
def trainer(job: Job) -> Iterator[Trainer]:
    """The run's trainer with its loggers, which are closed at the end, however it comes."""
    loggers: list[Logger] = []
    if is_first_process():
        progress = ProgressFile(job.directory, job.config.trainer.max_steps)
        loggers = [*create(job.config.logger, info=job.info), progress]
    try:
        yield _trainer(job.config, job.directory, loggers)
    finally:
        for logger in loggers:
            # W&B's run: left open, it would take what the next job of a multirun logs.
            finish = getattr(getattr(logger, "experiment", None), "finish", None)
            if finish is not None:
                finish()


def fit(job: Job, trainer: Trainer, start: tuple[Path, int] | None) -> None:
    """Train to the last step, from a checkpoint and its step or from the beginning."""
    path, step = start or (None, 0)
    truncate_logs(trainer, step)
    with meant_warnings_ignored():
        trainer.fit(job.model, datamodule=job.data, ckpt_path=path, weights_only=True)


def save_final(job: Job, trainer: Trainer) -> None:
    """The checkpoint that says that training has ended."""
    trainer.save_checkpoint(job.directory / CHECKPOINTS / FINAL)


def finish(job: Job, trainer: Trainer, seconds: float, **notes: Any) -> None:
    """Evaluate, write results.json and say what came out.

    Args:
        seconds: that training took.
        notes: further entries of `run` in results.json.
    """
    started, model, loggers = time.monotonic(), job.model, trainer.loggers
    asked = (model, job.data, job.protocol, job.metrics)
    found = report(*asked, loggers, trainer.global_step, job.directory, final=True)
    results = _results(job, found, trainer, seconds + time.monotonic() - started, notes)
    write_json(job.directory / RESULTS, results)
    (job.directory / PROGRESS).unlink(missing_ok=True)
    say(in_short(found, job.directory))
    hint = sync_hint(job.directory)
    say((hint + "\n" if hint else "") + f"done: {job.directory}")


def _trainer(cfg: DictConfig, directory: Path, loggers: list[Logger]) -> Trainer:
    folder = directory / CHECKPOINTS  # decided by the run's name, so no part of the config
    made = create_callbacks(cfg)
    callbacks = [one(dirpath=folder) if isinstance(one, functools.partial) else one for one in made]
    if cfg.trainer.get("max_time") is not None:
        callbacks.append(TimeLimit(cfg.trainer.max_time))
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    try:
        return create(
            cfg.trainer,
            callbacks=callbacks,
            plugins=[WholeCheckpoints(), *_environment(cfg), *cfg.trainer.get("plugins", ())],
            logger=loggers,
            max_time=None,  # TimeLimit in its place
            default_root_dir=str(folder),  # where Lightning would look for checkpoints of SLURM's
            max_epochs=1,  # one Lightning epoch is the run: the data module orders the batches
            log_every_n_steps=1,  # Lightning's own logging is not used; more only makes it warn
            limit_val_batches=0,  # held-out images are measured by a callback
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
        )
    except ArgumentError:
        raise
    except (ImportError, TypeError, ValueError, MisconfigurationException) as error:
        keys = [key for key in HARDWARE_KEYS if key in cfg.trainer]
        given = ", ".join(f"trainer.{key}={cfg.trainer[key]}" for key in keys)
        raise ArgumentError(f"{' '.join(str(error).split())} ({given})") from error


def _environment(cfg: DictConfig) -> list[ClusterEnvironment]:
    """Return the cluster environment of a run, so that Lightning infers none.

    A run on one device is one process whatever launcher started it. Under SLURM Lightning would
    save and requeue by a mechanism of its own; ours stops a run in one way (`interrupt`).
    """
    if processes(cfg.trainer) == 1:
        return [LightningEnvironment()]
    return [SLURMEnvironment(auto_requeue=False)] if SLURMEnvironment.detect() else []


def _results(
    job: Job, found: Evaluation, trainer: Trainer, seconds: float, notes: dict[str, Any]
) -> dict[str, Any]:
    info, model, data = job.info, job.model, job.data
    return {
        "run": {
            "name": info.name,
            "id": info.id,
            "model": info.model,
            "dataset": info.dataset,
            "title": f"{info.model} on {data.title}",
            "num_parameters": model.net.num_parameters,
            "steps": trainer.global_step,
            "partitions": [[step, groups.groups] for step, groups in model.partitions],
            "seconds": round(seconds, 1),
            "device": str(trainer.strategy.root_device),
            "overrides": info.config.get("overrides"),
            **notes,
        },
        "config": without(info.config, ["overrides"]),
        "data": data.provenance,
        "terms": found.terms,
        "scores": found.scores,
        "protocol": found.protocol,
        "versions": {"python": platform.python_version()} | {n: version(n) for n in PACKAGES},
    }

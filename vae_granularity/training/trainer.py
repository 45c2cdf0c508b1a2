"""Build Lightning's trainer of a run, with its callbacks, loggers and checkpoints."""

import functools
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lightning import Trainer
from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.loggers import Logger
from omegaconf import DictConfig

from vae_granularity.errors import ArgumentError
from vae_granularity.runs.build import create, create_callbacks
from vae_granularity.runs.checkpoint import WholeCheckpoints
from vae_granularity.runs.identity import CHECKPOINTS, processes
from vae_granularity.training.interrupt import TimeLimit
from vae_granularity.training.job import Job, is_first_process
from vae_granularity.training.loggers import ProgressFile

# Keys of a trainer that name hardware, which a machine may not have.
HARDWARE_KEYS = ("accelerator", "devices", "num_nodes", "precision", "strategy")


@contextmanager
def open_trainer(job: Job) -> Iterator[Trainer]:
    """Yield the run's trainer with its loggers, which are closed when the block ends or raises."""
    loggers: list[Logger] = []
    if is_first_process():
        progress = ProgressFile(job.directory, job.config.trainer.max_steps)
        loggers = [*create(job.config.logger, info=job.info), progress]
    try:
        yield create_trainer(job.config, job.directory, loggers, job.data.fingerprint)
    finally:
        for logger in loggers:
            # W&B's run: left open, it would take what the next job of a multirun logs.
            finish = getattr(getattr(logger, "experiment", None), "finish", None)
            if finish is not None:
                finish()


def check_trainer(config: DictConfig) -> None:
    """Build the trainer and its callbacks once, for the errors in their arguments.

    Raises:
        ArgumentError: an argument is out of range, or asks for hardware that is not there.
    """
    create_trainer(config, Path(), [], {})


def create_trainer(
    config: DictConfig, directory: Path, loggers: list[Logger], fingerprint: dict[str, str]
) -> Trainer:
    """Return Lightning's trainer of a run.

    Raises:
        ArgumentError: an argument is out of range, or asks for hardware that is not there.
    """
    folder = directory / CHECKPOINTS  # decided by the run's name, so not in the config
    callbacks = [
        callback(dirpath=folder) if isinstance(callback, functools.partial) else callback
        for callback in create_callbacks(config)
    ]
    if config.trainer.get("max_time") is not None:
        callbacks.append(TimeLimit(config.trainer.max_time))
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    plugins = [
        WholeCheckpoints(fingerprint),
        *_environment(config),
        *config.trainer.get("plugins", ()),
    ]
    try:
        return create(
            config.trainer,
            callbacks=callbacks,
            plugins=plugins,
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
        keys = [key for key in HARDWARE_KEYS if key in config.trainer]
        values = ", ".join(f"trainer.{key}={config.trainer[key]}" for key in keys)
        raise ArgumentError(f"{' '.join(str(error).split())} ({values})") from error


def _environment(config: DictConfig) -> list[ClusterEnvironment]:
    """Return the cluster environment of a run, so that Lightning infers none.

    A run on one device is one process whatever launcher started it. Under SLURM Lightning would
    save and requeue by a mechanism of its own; ours stops a run in one way (`interrupt`).
    """
    if processes(config.trainer) == 1:
        return [LightningEnvironment()]
    return [SLURMEnvironment(auto_requeue=False)] if SLURMEnvironment.detect() else []

"""One training run: from a checked config to a run directory with results.json. Can be killed at any moment and started again."""

from __future__ import annotations

import functools
import json
import logging
import platform
import signal
import sys
import time
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lightning import Callback, Trainer
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from omegaconf import DictConfig, OmegaConf

from vae_granularity.build import build, create, create_callbacks, create_metrics
from vae_granularity.checkpoint import newest_readable
from vae_granularity.data.base import ImageDataModule
from vae_granularity.errors import ArgumentError
from vae_granularity.evaluation.evaluate import Evaluation
from vae_granularity.evaluation.protocol import EvaluationProtocol
from vae_granularity.evaluation.report import report
from vae_granularity.evaluation.score_table import as_text, tables, term_lines
from vae_granularity.evaluation.scores import Metrics
from vae_granularity.loggers.csv import MetricsCSV
from vae_granularity.loggers.wandb import sync_hint
from vae_granularity.models.base import LatentModel
from vae_granularity.runs import CHECKPOINTS, CONFIG, FINAL, RESULTS, RunInfo, checkpoints, write_atomically
from vae_granularity.state import failures_recorded, is_done, only_writer

# What Lightning warns of and is meant here: a run that continues finds its checkpoints; the data module, not the loader, carries the
# position in the data; whole batches are gathered by index, so there are no worker processes to add. The last is Lightning's own code
# under torch 2.13.
MEANT_BY_US = (
    "Checkpoint directory .* exists and is not empty",
    ".*your dataloader is not resumable",
    ".*does not have many workers",
    ".*LeafSpec.* is deprecated",
)
PACKAGES = ("vae-granularity", "torch", "lightning", "torchmetrics", "numpy", "scikit-learn", "hydra-core")


def train(cfg: DictConfig) -> Path:
    """Train the run that `cfg` names, or continue it, or say that it is done; returns its directory.

    Raises:
        UserError: an argument is out of range, data cannot be had, the loss is not finite, or another process trains this run.
    """
    model, data, protocol, metrics = prepare(cfg)
    _trainer(cfg, Path(), [])  # once before the data are fetched, for the errors in its arguments
    cfg.dataset.source = data.resolve()
    config: Any = OmegaConf.to_container(cfg, resolve=True)
    info = RunInfo(config, Path(cfg.paths.output_dir))
    info.directory.mkdir(parents=True, exist_ok=True)
    with only_writer(info.directory), failures_recorded(info.directory):
        if is_done(info.directory):
            print(f"done before: {info.directory}")
            return info.directory
        write_atomically(info.directory / CONFIG, OmegaConf.to_yaml(cfg, resolve=True))
        groups = " ".join(model.partition.labels)
        print(f"run {info.name}\n  data: {data.title}   parameters: {model.net.num_parameters:,}   groups: {groups}")
        data.setup()
        model.dataset_size = data.train_size
        loggers: list[Logger] = create(cfg.logger, info=info)
        try:
            started = time.monotonic()
            trainer = _trainer(cfg, info.directory, loggers)
            _fit(trainer, model, data, info.directory)
            found = report(model, data, protocol, metrics, loggers, trainer.max_steps, info.directory, final=True)
            results = _results(info, model, data, found, trainer, time.monotonic() - started)
            write_atomically(info.directory / RESULTS, json.dumps(results, indent=1))
        finally:
            _close(loggers)
    _say(info.directory, found)
    return info.directory


def prepare(cfg: DictConfig) -> tuple[LatentModel, ImageDataModule, EvaluationProtocol, Metrics]:
    """Everything that a run consists of, with its arguments checked. Reads no data.

    Raises:
        ArgumentError: an argument is out of range.
    """
    return *build(cfg), create(cfg.evaluation), create_metrics(cfg)


def _trainer(cfg: DictConfig, directory: Path, loggers: list[Logger]) -> Trainer:
    # What writes checkpoints is configured without the folder, which the run's name decides.
    callbacks: list[Callback] = [
        callback(dirpath=directory / CHECKPOINTS) if isinstance(callback, functools.partial) else callback
        for callback in create_callbacks(cfg)
    ]
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    try:
        return create(
            cfg.trainer,
            callbacks=callbacks,
            logger=loggers,
            default_root_dir=str(directory),
            max_epochs=1,  # one Lightning epoch is the run: the data module orders the batches
            log_every_n_steps=1,  # Lightning's own logging is not used; a larger value only makes it warn
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
        )
    except (ValueError, MisconfigurationException) as error:
        raise ArgumentError(f"trainer: {error}") from error


def _fit(trainer: Trainer, model: LatentModel, data: ImageDataModule, directory: Path) -> None:
    """Train from the newest readable checkpoint on, up to the final one."""
    found = newest_readable(checkpoints(directory))
    latest, step = (None, 0) if found is None else (found[0], int(found[1]["global_step"]))
    for logger in trainer.loggers:
        if isinstance(logger, MetricsCSV):
            logger.truncate(step)
    with warnings.catch_warnings():
        for message in MEANT_BY_US:
            warnings.filterwarnings("ignore", message=message)
        try:
            trainer.fit(model, datamodule=data, ckpt_path=latest, weights_only=True)
        finally:
            if trainer.received_sigterm:  # Lightning's own code is 0, and after the last step it would go on
                sys.exit(128 + signal.SIGTERM)
    if latest is None or latest.name != FINAL:
        trainer.save_checkpoint(directory / CHECKPOINTS / FINAL)


def _results(
    info: RunInfo, model: LatentModel, data: ImageDataModule, found: Evaluation, trainer: Trainer, seconds: float
) -> dict[str, Any]:
    return {
        "run": {
            "name": info.name,
            "id": info.id,
            "model": info.model,
            "dataset": info.dataset,
            "title": f"{info.model} on {data.title}",
            "num_parameters": model.net.num_parameters,
            "steps": trainer.max_steps,
            "partitions": [[step, [list(group) for group in partition.groups]] for step, partition in model.partitions],
            "seconds": round(seconds, 1),
            "device": str(trainer.strategy.root_device),
        },
        "config": info.config,
        "data": data.provenance,
        "terms": found.terms,
        "scores": found.scores,
        "protocol": found.protocol,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
    }


def _close(loggers: list[Logger]) -> None:
    for logger in loggers:
        # W&B's run: left open, it would take what the next job of a multirun logs.
        finish = getattr(getattr(logger, "experiment", None), "finish", None)
        if finish is not None:
            finish()


def _say(directory: Path, found: Evaluation) -> None:
    print("\n".join([*term_lines(found.terms, found.protocol), *map(as_text, tables(found.scores, found.protocol))]))
    hint = sync_hint(directory)
    print((hint + "\n" if hint else "") + f"done: {directory}", flush=True)

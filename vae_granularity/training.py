"""One training run: from a checked config to a run directory with results.json. Can be killed at any moment and started again."""

from __future__ import annotations

import functools
import json
import logging
import platform
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from hydra.utils import instantiate
from lightning import Callback, Trainer
from lightning.pytorch.loggers import Logger
from omegaconf import DictConfig, OmegaConf

from vae_granularity.build import build, create
from vae_granularity.checkpoint import newest_readable
from vae_granularity.data.base import ImageDataModule
from vae_granularity.errors import UserError
from vae_granularity.evaluation.evaluate import Evaluation
from vae_granularity.evaluation.report import report
from vae_granularity.loggers.csv import MetricsCSV
from vae_granularity.loggers.wandb import sync_hint
from vae_granularity.models.base import GaussianVAE
from vae_granularity.runs import CHECKPOINTS, CONFIG, FINAL, RESULTS, RunInfo, checkpoints, write_atomically

PACKAGES = ("vae-granularity", "torch", "lightning", "torchmetrics", "numpy", "scikit-learn", "hydra-core")


def train(cfg: DictConfig) -> Path:
    """Train the run that `cfg` names, or continue it, or say that it is done; returns its directory.

    Raises:
        UserError: an argument is out of range, data cannot be had, the loss is not finite, or another process trains this run.
    """
    model, data = build(cfg)
    cfg.dataset.source = data.resolve()
    info = RunInfo(OmegaConf.to_container(cfg, resolve=True), Path(cfg.paths.output_dir))  # type: ignore[arg-type]
    if (info.directory / RESULTS).exists():
        print(f"done before: {info.directory}")
        return info.directory
    info.directory.mkdir(parents=True, exist_ok=True)
    with _only_writer(info.directory):
        write_atomically(info.directory / CONFIG, OmegaConf.to_yaml(cfg, resolve=True))
        print(
            f"run {info.name}\n  data: {data.title}   parameters: {model.net.num_parameters:,}   groups: {' '.join(model.partition.labels)}"
        )
        data.prepare_data()
        data.setup()
        model.dataset_size = data.train_size
        loggers: list[Logger] = create(cfg.logger, info=info)
        try:
            started = time.monotonic()
            trainer = _fit(cfg, info, model, data, loggers)
            found = report(model, data, create(cfg.evaluation), loggers, cfg.trainer.max_steps, info.directory, final=True)
            results = _results(info, model, data, found, trainer, time.monotonic() - started)
            write_atomically(info.directory / RESULTS, json.dumps(results, indent=1))
        finally:
            _close(loggers)
    _say(info.directory, found)
    return info.directory


def _fit(cfg: DictConfig, info: RunInfo, model: GaussianVAE, data: ImageDataModule, loggers: list[Logger]) -> Trainer:
    folder = info.directory / CHECKPOINTS
    callbacks = [_callback(node, folder) for node in instantiate(cfg.callbacks).values()]
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        # Two things that Lightning warns of and that are meant here: a run that continues finds its checkpoints, and the loader yields
        # whole batches gathered by index, so there are no worker processes to add.
        warnings.filterwarnings("ignore", message=".*Checkpoint directory .* exists and is not empty")
        warnings.filterwarnings("ignore", message=".*does not have many workers")
        # Lightning 2.6 under torch 2.13, in its own code.
        warnings.filterwarnings("ignore", message=".*LeafSpec.* is deprecated")
        trainer: Trainer = create(
            cfg.trainer,
            callbacks=callbacks,
            logger=loggers,
            default_root_dir=str(info.directory),
            max_epochs=1,
            log_every_n_steps=1,  # Lightning's own logging is not used; a larger value only makes it warn
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
        )
        latest = newest_readable(checkpoints(info.directory))
        for logger in loggers:
            if isinstance(logger, MetricsCSV):
                logger.truncate(0 if latest is None else _step_of(latest))
        trainer.fit(model, datamodule=data, ckpt_path=latest, weights_only=True)
        if latest is None or latest.name != FINAL:
            trainer.save_checkpoint(folder / FINAL)
    return trainer


def _callback(node: Any, folder: Path) -> Callback:
    return node(dirpath=folder) if isinstance(node, functools.partial) else node


def _step_of(checkpoint: Path) -> int:
    return int(torch.load(checkpoint, map_location="cpu", weights_only=True)["global_step"])


@contextmanager
def _only_writer(directory: Path) -> Iterator[None]:
    lock = FileLock(directory / ".lock")  # released by the system when the process ends, however it ends
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(f"another process is training {directory}") from None
    try:
        yield
    finally:
        lock.release()


def _results(
    info: RunInfo, model: GaussianVAE, data: ImageDataModule, found: Evaluation, trainer: Trainer, seconds: float
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
    names = ("elbo", "reconstruction", "kl", "mutual_information", "between_group_tc", "within_group_tc", "dimension_kl")
    for part in ("val", "test"):
        values = {name: found.terms.get(f"{part}/{name}") for name in names}
        if values["elbo"] is not None:
            print(f"{part}: " + "  ".join(f"{name} {value:.2f}" for name, value in values.items() if value is not None) + "  (nats)")
    if found.scores:
        print("scores: " + "  ".join(f"{name} {value:.3f}" for name, value in found.scores.items() if value is not None))
    hint = sync_hint(directory)
    print((hint + "\n" if hint else "") + f"done: {directory}", flush=True)

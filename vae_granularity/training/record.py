"""Write what a run directory records: config.yaml when a run begins, results.json when it ends."""

import logging
import platform
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lightning import Trainer
from omegaconf import OmegaConf

from vae_granularity.evaluation.evaluate import Evaluation, in_short, report
from vae_granularity.files import (
    check_folder,
    check_no_folder,
    remove_unfinished,
    write_json,
    write_text,
)
from vae_granularity.runs.identity import CHECKPOINTS, CONFIG, RESULTS, without
from vae_granularity.runs.status import FAILURE, PROGRESS, failures_recorded, is_done, only_writer
from vae_granularity.terminal import say
from vae_granularity.training.job import Job
from vae_granularity.training.loggers import sync_hint

TORCH = ("torch", "lightning", "torchmetrics")
PACKAGES = ("vae-granularity", *TORCH, "numpy", "scikit-learn", "hydra-core")
log = logging.getLogger(__name__)


@contextmanager
def begin_run(job: Job) -> Iterator[bool]:
    """Make this process the only writer of the run directory; yield whether the run is trained.

    Of a run that is not, the config is written, and its facts and cautions are printed. A run that
    fails by its own doing within the block leaves failed.json.

    Raises:
        BusyError: another process trains the run.
        ResourceError: something lies in place of a file or folder of the run.
    """
    directory = job.directory
    directory.mkdir(parents=True, exist_ok=True)
    with only_writer(directory), failures_recorded(directory):
        if is_done(directory):
            yield True
            return
        # Before the data are opened: what cannot be written should not be trained.
        _check_places(directory)
        remove_unfinished(directory)
        write_text(directory / CONFIG, OmegaConf.to_yaml(job.config, resolve=True))
        size = job.model.net.num_parameters
        groups = " ".join(job.model.partition.labels)
        say(f"run {job.info.name}")
        facts = f"data: {job.data.title}   parameters: {size:,}   groups: {groups}"
        say(textwrap.indent(textwrap.fill(facts, 96, break_on_hyphens=False), "  "))
        for caution in job.model.warnings(job.config.trainer.max_steps):
            log.warning(caution)
        yield False


def _check_places(directory: Path) -> None:
    """Refuse a run directory in which the files of a run cannot be written, before it trains.

    Raises:
        ResourceError: names what lies in place of a file or folder, or leads out by a link.
    """
    for name in (CONFIG, RESULTS, "metrics.csv", PROGRESS, FAILURE):
        check_no_folder(directory / name)
    for name in (CHECKPOINTS, "figures"):
        check_folder(directory / name, directory)
        remove_unfinished(directory / name)


def finish_run(job: Job, trainer: Trainer, seconds: float, **notes: Any) -> None:
    """Evaluate a trained run, write results.json and print its headline.

    Args:
        job: the run.
        trainer: after its last step.
        seconds: that training took.
        notes: further entries of `run` in results.json.
    """
    started = time.monotonic()
    evaluation = report(
        job.model,
        job.data,
        job.protocol,
        job.metrics,
        trainer.loggers,
        trainer.global_step,
        job.directory,
        final=True,
    )
    seconds += time.monotonic() - started
    write_json(job.directory / RESULTS, _results(job, evaluation, trainer, seconds, notes))
    # Results say that the run is done; a sign of training beside them would contradict that.
    (job.directory / PROGRESS).unlink(missing_ok=True)
    say(in_short(evaluation, job.directory))
    hint = sync_hint(job.directory)
    if hint is not None:
        say(hint)
    say(f"done: {job.directory}")


def _results(
    job: Job, evaluation: Evaluation, trainer: Trainer, seconds: float, notes: dict[str, Any]
) -> dict[str, Any]:
    """Return the content of results.json."""
    info = job.info
    model = job.model
    return {
        "run": {
            "name": info.name,
            "id": info.id,
            "model": info.model,
            "dataset": info.dataset,
            "title": f"{info.model} on {job.data.title}",
            "num_parameters": model.net.num_parameters,
            "steps": trainer.global_step,
            "partitions": [[step, partition.groups] for step, partition in model.partitions],
            "seconds": round(seconds, 1),
            "device": str(trainer.strategy.root_device),
            "overrides": info.config.get("overrides"),
            **notes,
        },
        # Overrides are part of `run`: two command lines may compose one config.
        "config": without(info.config, ["overrides"]),
        "data": job.data.provenance,
        "terms": evaluation.terms,
        "scores": evaluation.scores,
        "protocol": evaluation.protocol,
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in PACKAGES},
    }

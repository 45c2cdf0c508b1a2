"""Train one run from top to bottom: check, build, fit, evaluate, write.

A run can be killed at any moment and started again by the same command.
"""

import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lightning import Trainer
from lightning.pytorch.utilities.exceptions import SIGTERMException
from omegaconf import DictConfig

from vae_granularity.distributed import processes_ended
from vae_granularity.evaluation.measure_again import lacks_measurements, measure_missing
from vae_granularity.runs.checkpoint import newest_readable
from vae_granularity.runs.identity import CHECKPOINTS, FINAL, checkpoints
from vae_granularity.terminal import say
from vae_granularity.training.interrupt import catch_stop_signals, report_stop, time_is_over
from vae_granularity.training.job import Job, is_first_process, prepare, reset_rank
from vae_granularity.training.loggers import MetricsCSV
from vae_granularity.training.record import begin_run, finish_run
from vae_granularity.training.trainer import check_trainer, open_trainer

# Warnings of Lightning about what is intended here: a run that continues finds its checkpoints,
# perhaps with other observers; the data module, not the loader, carries the position in the data;
# whole batches are gathered by index, without worker processes; held-out images are measured by a
# callback, not by a validation step. The last is Lightning's own, under torch 2.13.
EXPECTED_WARNINGS = (
    "Checkpoint directory .* exists and is not empty",
    ".*callbacks used to create the checkpoint need to be provided",
    ".*your dataloader is not resumable",
    ".*does not have many workers",
    ".*LeafSpec.* is deprecated",
)


def train(config: DictConfig) -> Path:
    """Train the run that a config names, or continue it; measure one that is done further.

    Returns:
        The run directory.

    Raises:
        UserError: an argument is out of range, data cannot be had, the loss is not finite, or
            another process trains this run.
    """
    return train_job(prepare(config))


def train_job(job: Job) -> Path:
    """Train, continue or measure a prepared run, and return its directory.

    Raises:
        UserError: as `train`, but for arguments that `prepare` checks.
    """
    reset_rank(job.config)
    # Errors of the trainer come before a search for the data, which may take seconds.
    check_trainer(job.config)
    job.resolve_source()
    if not is_first_process():  # it trains, and writes nothing
        job.open_data()
        with open_trainer(job) as trainer:
            fit(job, trainer)
        return job.directory
    with begin_run(job) as is_trained:
        if is_trained:
            measure_done(job)
        else:
            job.open_data()
            # The clock starts here: downloads and conversions are no part of the training time.
            started = time.monotonic()
            with open_trainer(job) as trainer:
                fit(job, trainer)
                finish_run(job, trainer, time.monotonic() - started)
    return job.directory


def fit(job: Job, trainer: Trainer) -> None:
    """Train from the newest readable checkpoint, or the beginning, to the last step, and save.

    Raises:
        ResourceError: trainer.max_time is over.
        SystemExit: a signal asked the process to stop; the run is saved.
    """
    newest = newest_readable(checkpoints(job.directory), job.model)
    path = None
    step = 0
    if newest is not None:
        path, saved = newest
        step = int(saved["global_step"])
        if is_first_process():
            print(f"continues from step {step} of {trainer.max_steps}", flush=True)
    truncate_logs(trainer, step)
    with processes_ended(), catch_stop_signals(forward=True) as signals:
        try:
            with ignore_expected_warnings():
                trainer.fit(job.model, datamodule=job.data, ckpt_path=path, weights_only=True)
        except SIGTERMException:  # Lightning's exit code is 0
            if not signals:
                raise time_is_over(job.config.trainer.max_time, trainer) from None
            sys.exit(report_stop(signals, trainer.global_step))
        except SystemExit:  # at once, after a second Ctrl-C
            sys.exit(128 + signals[0] if signals else 1)
        last = trainer.global_step
        if last < trainer.max_steps:
            print(f"a callback ended training at step {last} of {trainer.max_steps}", flush=True)
        if path is None or path.name != FINAL:
            save_final(job, trainer)
        # A signal in the last step does not make Lightning raise.
        if trainer.received_sigterm:
            sys.exit(report_stop(signals, last))


def truncate_logs(trainer: Trainer, step: int) -> None:
    """Remove the rows of metrics.csv after `step`, from which the run continues."""
    for logger in trainer.loggers:
        if isinstance(logger, MetricsCSV):
            logger.truncate(step)


def save_final(job: Job, trainer: Trainer) -> None:
    """Save the checkpoint whose presence says that training has ended."""
    trainer.save_checkpoint(job.directory / CHECKPOINTS / FINAL)


def measure_done(job: Job) -> None:
    """Measure what the config of a finished run asks for and its results lack.

    Raises:
        DataError: results.json is damaged, or there is no readable checkpoint to measure.
    """
    if not lacks_measurements(job.directory, job.info.config):
        say(f"already trained and measured: {job.directory}")
        return
    job.load_weights()
    job.open_data()
    _, computed = measure_missing(job.directory, job.model, job.data, job.protocol, job.metrics)
    say(f"already trained: {job.directory}; computed what was missing: {', '.join(computed)}")


@contextmanager
def ignore_expected_warnings() -> Iterator[None]:
    """Hide Lightning's warnings about what is intended until the block ends."""
    with warnings.catch_warnings():
        for message in EXPECTED_WARNINGS:
            warnings.filterwarnings("ignore", message=message)
        yield

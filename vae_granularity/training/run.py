"""One training run, from a checked config to results.json: can be killed and started again."""

import sys
import time
from pathlib import Path
from typing import Any, NoReturn

from lightning import Trainer
from lightning.pytorch.utilities.exceptions import SIGTERMException
from omegaconf import DictConfig, OmegaConf

from vae_granularity.distributed import processes_ended
from vae_granularity.errors import DataError, ResourceError
from vae_granularity.evaluation.evaluate import as_lines
from vae_granularity.evaluation.measure_again import measure_missing
from vae_granularity.evaluation.request import missing
from vae_granularity.runs.checkpoint import load_weights, newest_readable
from vae_granularity.runs.identity import FINAL, checkpoints
from vae_granularity.runs.table import read_results
from vae_granularity.terminal import say
from vae_granularity.training import prepare
from vae_granularity.training.interrupt import asked_to_end, stopped
from vae_granularity.training.prepare import Job


def train(cfg: DictConfig) -> Path:
    """Train the run that `cfg` names, or continue it; one that is done is measured further.

    Returns:
        The run directory.

    Raises:
        UserError: an argument is out of range, data cannot be had, the loss is not finite, or
            another process trains this run.
    """
    job = prepare.prepare_run(cfg)
    if not prepare.is_first_process():  # it trains, and writes nothing
        job.open_data()
        with prepare.trainer(job) as trainer:
            _fit(job, trainer)
        return job.directory
    with prepare.writing(job) as untrained:
        if untrained:
            job.open_data()
            started = time.monotonic()
            with prepare.trainer(job) as trainer:
                _fit(job, trainer)
                prepare.finish(job, trainer, time.monotonic() - started)
        else:
            measure_done(job)
    return job.directory


def measure_done(job: Job) -> None:
    """Measure what the config of a finished run asks for and its results lack.

    Raises:
        DataError: results.json is damaged, or there is no readable checkpoint to measure.
    """
    try:
        config: Any = OmegaConf.to_container(job.config, resolve=True)
        results = read_results(job.directory)
        lacking = missing(config, results)
    except DataError as error:
        raise DataError(f"{job.directory}: {error}") from None
    computed = []
    if lacking:
        load_weights(job.model, job.directory, results["run"].get("steps"))
        job.match_precision()
        job.open_data()
        found, computed = measure_missing(
            job.directory, job.model.eval(), job.data, job.protocol, job.metrics
        )
        say(as_lines(found, computed))
    measured = f"to train; measured: {', '.join(computed)}" if computed else "missing"
    say(f"done before: nothing {measured}: {job.directory}")


def _fit(job: Job, trainer: Trainer) -> None:
    """Train from the newest readable checkpoint on, up to the final one."""
    found = newest_readable(checkpoints(job.directory), job.model)
    start = None if found is None else (found[0], int(found[1]["global_step"]))
    if start is not None and prepare.is_first_process():
        print(f"continues from step {start[1]} of {trainer.max_steps}", flush=True)
    with processes_ended(), asked_to_end(forward=True) as signals:
        try:
            prepare.fit(job, trainer, start)
        except SIGTERMException:  # Lightning's code is 0
            if not signals:
                _report_time_limit(job, trainer)
            sys.exit(stopped(signals, trainer.global_step))
        except SystemExit:  # at once, after a second Ctrl-C
            sys.exit(128 + signals[0] if signals else 1)
        step = trainer.global_step
        if step < trainer.max_steps:
            print(f"a callback ended training at step {step} of {trainer.max_steps}", flush=True)
        if start is None or start[0].name != FINAL:
            prepare.save_final(job, trainer)
        if trainer.received_sigterm:  # after the last step Lightning goes on
            sys.exit(stopped(signals, trainer.global_step))


def _report_time_limit(job: Job, trainer: Trainer) -> NoReturn:
    """Say that the time of a run is over, so that a sweep goes on with its next point.

    Raises:
        ResourceError: always; the same command continues the run.
    """
    raise ResourceError(
        f"trainer.max_time={job.config.trainer.max_time} is over: stopped at step "
        f"{trainer.global_step} of {trainer.max_steps}, the run is saved. Run the same command "
        "again to continue"
    )

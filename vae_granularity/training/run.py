"""One training run: from a checked config to a run directory with results.json. Can be killed at
any moment and started again.
"""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

from lightning import Trainer
from lightning.pytorch.utilities import rank_zero_only
from omegaconf import DictConfig

from vae_granularity.distributed import processes_ended
from vae_granularity.runs.checkpoint import newest_readable
from vae_granularity.runs.identity import FINAL, checkpoints
from vae_granularity.training import prepare as jobs
from vae_granularity.training.prepare import Job


def train(cfg: DictConfig) -> Path:
    """Train the run that `cfg` names, or continue it, or say that it is done; returns its
    directory.

    Raises:
        UserError: an argument is out of range, data cannot be had, the loss is not finite, or
            another process trains this run.
    """
    job = jobs.job(cfg)
    if (
        rank_zero_only.rank > 0
    ):  # Lightning has started this process for another device of the run: it trains, and writes nothing
        job.open_data()
        with jobs.trainer(job) as trainer:
            _fit(job, trainer)
        return job.directory
    with jobs.writing(job) as wanted:
        if wanted:
            job.open_data()
            started = time.monotonic()
            with jobs.trainer(job) as trainer:
                _fit(job, trainer)
                jobs.finish(job, trainer, time.monotonic() - started)
    return job.directory


def _fit(job: Job, trainer: Trainer) -> None:
    """Train from the newest readable checkpoint on, up to the final one."""
    found = newest_readable(checkpoints(job.directory))
    start = None if found is None else (found[0], int(found[1]["global_step"]))
    with processes_ended():
        try:
            jobs.fit(job, trainer, start)
        finally:
            if (
                trainer.received_sigterm
            ):  # Lightning's own code is 0, and after the last step it would go on
                sys.exit(128 + signal.SIGTERM)
        if start is None or start[0].name != FINAL:
            jobs.save_final(job, trainer)

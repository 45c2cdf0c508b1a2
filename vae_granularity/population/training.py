"""Several runs trained as one population. Each stays a run of its own: directory, checkpoints,
numbers and figures as if trained alone.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities.exceptions import SIGTERMException
from omegaconf import DictConfig
from torch import Tensor

from vae_granularity.errors import TrainingError, UserError
from vae_granularity.models.base import Forward
from vae_granularity.population.backends import losses
from vae_granularity.population.captured import Captured
from vae_granularity.population.engine import Population
from vae_granularity.population.lightning_loop import after_step, set_counters
from vae_granularity.population.step_inputs import Feed
from vae_granularity.runs.checkpoint import newest_readable
from vae_granularity.runs.identity import CHECKPOINTS, FINAL, checkpoints
from vae_granularity.runs.status import is_done
from vae_granularity.training import prepare as jobs
from vae_granularity.training.callbacks.evaluation import PeriodicEvaluation
from vae_granularity.training.callbacks.progress import ProgressBar
from vae_granularity.training.callbacks.terms import TermLogger, term_logger
from vae_granularity.training.prepare import Job
from vae_granularity.training.run import train

PROGRESS_LINES = 10


@dataclass
class Member:
    """One run of the population."""

    job: Job
    trainer: Trainer
    held: ExitStack  # the lock of its directory, the record of failures, its loggers
    failure: Exception | None = None

    def fail(self, error: Exception) -> None:
        """Record the failure; nothing more is saved or logged."""
        self.failure = error
        self.trainer.callbacks.clear()

    def close(self) -> None:
        """Release the run directory; a failure is recorded there."""
        error = self.failure
        self.held.__exit__(
            type(error) if error else None, error, error.__traceback__ if error else None
        )


def train_population(
    configs: Sequence[DictConfig], backend: str = "vectorised"
) -> list[Exception | None]:
    """Train runs as one population, or continue them; what each of them raised, or None.

    A run that is done stays as it is; one whose training has ended is only measured. Where a former
    population was killed while it saved, all go on from the newest checkpoint that they have in
    common. A run whose numbers are not finite is frozen and fails, the others go on. The runs must
    be compatible, see `population.packing`.

    Raises:
        SystemExit: the process was asked to end; all runs have been saved.
    """
    planned: list[Job | Exception] = [_attempt(jobs.prepare_run, cfg) for cfg in configs]
    ended = [isinstance(p, Job) and _has_ended(p.directory) for p in planned]
    members: dict[int, Member] = {}
    outcomes: list[Exception | None] = [p if isinstance(p, Exception) else None for p in planned]
    with ExitStack() as everything:
        for i, job in enumerate(planned):
            if isinstance(job, Job) and not ended[i]:
                opened = _attempt(
                    _opened, job, everything, next((m.job for m in members.values()), None)
                )
                if isinstance(opened, Exception):
                    outcomes[i] = opened
                elif opened is not None:
                    members[i] = opened
        if members:
            _train_members(list(members.values()), backend)
        for i, member in members.items():
            outcomes[i] = member.failure
    for i, cfg in enumerate(configs):
        if ended[i]:
            outcomes[i] = train_alone(cfg)
    return outcomes


def _has_ended(directory: Path) -> bool:
    return is_done(directory) or (directory / CHECKPOINTS / FINAL).exists()


def train_alone(config: DictConfig) -> Exception | None:
    """Train a run by the ordinary path; what it raised, or None."""
    outcome = _attempt(train, config)
    return outcome if isinstance(outcome, Exception) else None


def _attempt(function: Callable, *arguments: Any) -> Any:
    """What the function returns, or the error that only this run is to blame for."""
    try:
        return function(*arguments)
    except UserError as error:
        return error


def _opened(job: Job, everything: ExitStack, first: Job | None) -> Member | None:
    """The member with its directory locked, or None if its run is done; images are shared with the
    first member.
    """
    held = everything.enter_context(ExitStack())
    if not held.enter_context(jobs.writing(job)):
        return None
    job.open_data(None if first is None else first.data)
    trainer = held.enter_context(jobs.trainer(job))
    trainer.callbacks = [
        callback for callback in trainer.callbacks if not isinstance(callback, ProgressBar)
    ]
    return Member(job, trainer, held)


def _train_members(members: list[Member], backend: str) -> None:
    started = time.monotonic()
    start = common_start([member.job.directory for member in members])

    def together() -> None:
        models = [member.job.model for member in members]
        optimizers = [member.trainer.optimizers[0] for member in members]
        population = Population(
            models, optimizers, losses(backend, models[0]), members[0].trainer.gradient_clip_val
        )
        _train_steps(
            members, population, Feed(models, [member.job.data for member in members]), start
        )

    try:
        _inside_fits(members, start, together)
    except SIGTERMException:
        sys.exit(128 + signal.SIGTERM)
    seconds = (time.monotonic() - started) / len(members)
    for member in members:
        if member.failure is None:
            try:
                jobs.save_final(member.job, member.trainer)
                jobs.finish(member.job, member.trainer, seconds, population=len(members))
            except Exception as error:  # of any kind: the others are still to be measured; it is recorded and returned
                member.failure = error
        member.close()


def common_start(directories: Sequence[Path]) -> int:
    """The newest step of which every run has a readable checkpoint, or 0; newer checkpoints are
    removed.
    """
    steps = [
        {
            int(path.stem.removeprefix("step=")): path
            for path in checkpoints(folder)
            if path.name != FINAL
        }
        for folder in directories
    ]
    shared = sorted(set.intersection(*map(set, steps)), reverse=True)
    start = next(
        (step for step in shared if all(newest_readable([paths[step]]) for paths in steps)), 0
    )
    for paths in steps:
        for step, path in paths.items():
            if step > start:
                path.unlink()
    return start


def _inside_fits(members: Sequence[Member], start: int, body: Callable[[], None]) -> None:
    """Call `body` while every member is inside its trainer's `fit`, in place of Lightning's loop
    over batches.

    So Lightning itself restores and saves each member.
    """
    if not members:
        body()
        return
    job, trainer, loop = members[0].job, members[0].trainer, members[0].trainer.fit_loop.epoch_loop

    def run(fetcher: Any) -> None:
        loop.reset()
        loop.on_run_start(fetcher)
        _inside_fits(members[1:], start, body)

    loop.run = run
    jobs.fit(
        job, trainer, (job.directory / CHECKPOINTS / f"step={start}.ckpt", start) if start else None
    )


def _train_steps(members: list[Member], population: Population, feed: Feed, start: int) -> None:
    max_steps = members[0].trainer.max_steps
    intervals = [interval(callback) for callback in members[0].trainer.callbacks]
    regrouping = [(k, model) for k, model in enumerate(population.models) if model.grouping.moves]
    step_of = Captured(population, feed(start)) if population.weights.is_cuda else population.step
    waiting: list[
        Tensor
    ] = []  # terms (T, K) of the steps that the members' callbacks have not seen
    began = time.monotonic()
    for step in range(start, max_steps):
        for k, model in regrouping:
            rule = model.grouping.regrouping
            if rule is not None and rule.due(step):
                population.write_back(k)
            model.on_train_batch_start(torch.empty(0), step)
        outputs = step_of(feed(step))
        waiting.append(outputs.terms)
        done = step + 1
        if done == max_steps or any(done % every == 0 for every in intervals):
            _tell(members, population, torch.stack(waiting), outputs.forward, done)
            waiting = []
        if done % max(1, max_steps // PROGRESS_LINES) == 0:
            left = (time.monotonic() - began) / (done - start) * (max_steps - done)
            training = sum(member.failure is None for member in members)
            print(
                f"population of {len(members)}: step {done}/{max_steps}, {left:.0f} s left, {training} training",
                flush=True,
            )
        if done < max_steps and members[0].trainer.received_sigterm:
            _save(members, population, torch.stack(waiting) if waiting else None, done)
            raise SIGTERMException


def interval(callback: Callback) -> int:
    """Every how many steps a callback has something to do."""
    if isinstance(callback, TermLogger):
        return callback.every
    if isinstance(callback, PeriodicEvaluation):
        return callback.protocol.every
    if isinstance(callback, ModelCheckpoint):
        return callback._every_n_train_steps
    raise TypeError(f"{type(callback).__name__} cannot be driven by a population")


def _tell(
    members: list[Member], population: Population, terms: Tensor, forward: Forward, done: int
) -> None:
    """Let the callbacks of each member see the steps (n, T, K) up to `done`."""
    alive, steps = population.alive.flatten().tolist(), population.steps_alive.flatten().tolist()
    for k, member in enumerate(members):
        if member.failure is not None:
            continue
        names, rows = _rows(member, population, terms, done, k)
        try:
            if not alive[k]:
                _raise_cause(member, names, rows, done, steps[k] + 1)
            population.write_back(k)
            term_logger(member.trainer).keep(names, rows[:-1])
            outputs = {
                "terms": dict(zip(names, rows[-1], strict=True)),
                "forward": Forward(*(field[k] for field in forward)),
            }
            after_step(member.trainer, done, outputs)
        except TrainingError as error:
            population.alive[k] = False
            print(f"frozen: {member.job.info.name}: {error}", flush=True)
            member.fail(error)


def _rows(
    member: Member, population: Population, terms: Tensor, done: int, k: int
) -> tuple[list[str], Tensor]:
    """Names and values (n, terms) of one member, with the dials that move."""
    moving = [member.job.model.moving(step) for step in range(done - len(terms), done)]
    dials = terms.new_tensor([list(values.values()) for values in moving])
    return [*population.names, *moving[0]], torch.cat((terms[:, :, k], dials), 1)


def _raise_cause(member: Member, names: list[str], rows: Tensor, done: int, step: int) -> None:
    """Raise as a solo run would: by the first term that is not finite, else by the gradient, which
    a solo run finds a step later.
    """
    logger = term_logger(member.trainer)
    logger.keep(names, rows)
    logger.check(done)
    raise TrainingError(
        f"training stopped: gradient not finite at step {step}. The last good checkpoint is kept"
    )


def _save(members: list[Member], population: Population, terms: Tensor | None, done: int) -> None:
    """Bring the members to where Lightning can save them between two steps."""
    for k, member in enumerate(members):
        if member.failure is None:
            population.write_back(k)
            if terms is not None:
                term_logger(member.trainer).keep(*_rows(member, population, terms, done, k))
            set_counters(member.trainer, done, done)

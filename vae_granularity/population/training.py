"""Train several runs as one population, each with its own directory, checkpoints and results."""

import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.utilities.exceptions import SIGTERMException
from omegaconf import DictConfig

from vae_granularity.errors import UserError
from vae_granularity.population import lightning_loop as loop
from vae_granularity.population.batch import Batch, Member, batches_of
from vae_granularity.population.plan import EAGER
from vae_granularity.runs.checkpoint import newest_readable
from vae_granularity.runs.identity import CHECKPOINTS, FINAL, checkpoints
from vae_granularity.runs.status import is_done
from vae_granularity.training.callbacks import ProgressBar
from vae_granularity.training.interrupt import catch_stop_signals, report_stop
from vae_granularity.training.job import Job, prepare, reset_rank
from vae_granularity.training.record import begin_run, finish_run
from vae_granularity.training.run import (
    ignore_expected_warnings,
    save_final,
    train,
    train_job,
    truncate_logs,
)
from vae_granularity.training.trainer import check_trainer, open_trainer

PROGRESS_LINES = 10
# Steps that one batch of members takes before the next has its turn: its weights stay in the cache,
# and a process that is asked to end is at most this far from a common step.
TURN = 10


def train_population(
    configs: Sequence[DictConfig], how: str = EAGER, together: int = 64
) -> list[Exception | None]:
    """Train runs as one population, or continue them; return what each raised, or None.

    A run that is done stays as it is; one whose training has ended is only measured. Where a former
    population was killed while it saved, all go on from the newest checkpoint that they have in
    common. A run whose numbers are not finite is frozen and fails, the others go on. The runs must
    be compatible, see `population.packing`.

    Args:
        how: eager | compiled.
        together: members that one step computes; more than these take turns.

    Raises:
        SystemExit: the process was asked to end; all runs have been saved.
    """
    jobs = [_attempt(prepare, config) for config in configs]
    return train_jobs(jobs, how, together)


def train_jobs(
    jobs: Sequence[Job | Exception], how: str = EAGER, together: int = 64
) -> list[Exception | None]:
    """Train prepared runs as `train_population` does; return an exception in place of a job."""
    outcomes: list[Exception | None] = [None] * len(jobs)
    trained: list[int] = []
    members: dict[int, Member] = {}
    with ExitStack() as everything:
        for i, job in enumerate(jobs):
            checked = job if isinstance(job, Exception) else _attempt(_check, job)
            if isinstance(checked, Exception):
                outcomes[i] = checked
            elif is_done(checked.directory) or (checked.directory / CHECKPOINTS / FINAL).exists():
                trained.append(i)
            else:
                first = next((member.job for member in members.values()), None)
                opened = _attempt(_opened, checked, everything, first)
                if isinstance(opened, Exception):
                    outcomes[i] = opened
                elif opened is not None:
                    members[i] = opened
        if members:
            _train(list(members.values()), how, together)
    for i, member in members.items():
        outcomes[i] = member.failure
    # What remains of these is to be evaluated; their locks are free by now.
    for i in trained:
        outcomes[i] = _exception_of(_attempt(train_job, jobs[i]))
    return outcomes


def _check(job: Job) -> Job:
    """Check what only a machine that trains can: its trainer, and where the images come from."""
    reset_rank(job.config)
    check_trainer(job.config)
    job.resolve_source()
    return job


def train_alone(config: DictConfig) -> Exception | None:
    """Train a run by the ordinary path; return what it raised, or None."""
    return _exception_of(_attempt(train, config))


def _exception_of(outcome: Any) -> Exception | None:
    return outcome if isinstance(outcome, Exception) else None


def _attempt(function: Callable, *arguments: Any) -> Any:
    """Return what the function returns or raises: one run must not end the others."""
    try:
        return function(*arguments)
    except Exception as error:  # of any kind: the files of a run may be damaged in any way
        if not isinstance(error, (UserError, OSError)):
            traceback.print_exception(error)
        return error


def _opened(job: Job, everything: ExitStack, first: Job | None) -> Member | None:
    """Lock the run directory and return the member, with the first one's images; None if done."""
    with ExitStack() as held:
        if held.enter_context(begin_run(job)):
            return None
        job.open_data(None if first is None else first.data)
        trainer: Any = held.enter_context(open_trainer(job))
        trainer.callbacks = [c for c in trainer.callbacks if not isinstance(c, ProgressBar)]
        return Member(job, trainer, everything.enter_context(held.pop_all()))


def _train(members: list[Member], how: str, together: int) -> None:
    """Train the members from their common start and write their results."""
    started = time.monotonic()
    start = common_start([member.job.directory for member in members])
    if start:
        print(f"continues from step {start} of {members[0].trainer.max_steps}", flush=True)
    with ignore_expected_warnings():
        for member in members:
            member.attempt(_begin, start)
    alive = [member for member in members if member.failure is None]
    if alive:
        _take_steps(batches_of(alive, how, together, start), start)
    seconds = (time.monotonic() - started) / len(members)
    for member in members:
        member.attempt(_end, seconds, len(members))
        member.close()


def _begin(member: Member, start: int) -> None:
    job = member.job
    trainer = member.trainer
    truncate_logs(trainer, start)
    loop.attach(trainer, job.model, job.data)
    if start:
        loop.restore(trainer, job.directory / CHECKPOINTS / f"step={start}.ckpt")
    loop.begin(trainer, start)


def _end(member: Member, seconds: float, members: int) -> None:
    loop.detach(member.trainer)
    save_final(member.job, member.trainer)
    finish_run(member.job, member.trainer, seconds, population=members)


def common_start(directories: Sequence[Path]) -> int:
    """Return the newest step of which every run has a readable checkpoint, or 0.

    Checkpoints of later steps are removed.
    """
    paths_by_step = [_checkpoints_by_step(directory) for directory in directories]
    start = 0
    for step in sorted(set.intersection(*map(set, paths_by_step)), reverse=True):
        if all(newest_readable([paths[step]]) for paths in paths_by_step):
            start = step
            break
    for paths in paths_by_step:
        for step, path in paths.items():
            if step > start:
                path.unlink()
    return start


def _checkpoints_by_step(directory: Path) -> dict[int, Path]:
    """Return the checkpoints of a run that is still training, by step."""
    return {
        int(path.stem.removeprefix("step=")): path
        for path in checkpoints(directory)
        if path.name != FINAL
    }


def _take_steps(batches: list[Batch], start: int) -> None:
    """Train to the last step: batches of members take turns, then the callbacks of each member."""
    members = list(chain.from_iterable(batch.members for batch in batches))
    max_steps = members[0].trainer.max_steps
    started = time.monotonic()
    done = start
    callbacks: Any = members[0].job.config.callbacks
    intervals = [steps for node in callbacks.values() if (steps := interval(node))]
    with catch_stop_signals() as signals:
        while done < max_steps and any(member.failure is None for member in members):
            first = done
            due = [first - first % steps + steps for steps in intervals]
            done = min(max_steps, first + TURN, *due)
            for batch in batches:
                batch.train_steps(range(first, done))
            if done == max_steps or any(done % n == 0 for n in intervals):
                for batch in batches:
                    batch.report_steps(done, _after_step)
            lines = max(1, max_steps // PROGRESS_LINES)
            if done // lines > first // lines:
                seconds_left = (time.monotonic() - started) / (done - start) * (max_steps - done)
                training = sum(member.failure is None for member in members)
                print(
                    f"population of {len(members)}: step {done}/{max_steps}, "
                    f"{seconds_left:.0f} s left, {training} training",
                    flush=True,
                )
            if signals and done < max_steps:
                for batch in batches:
                    _save(batch, done)
                sys.exit(report_stop(signals, done, len(members)))


def _after_step(member: Member, done: int, outputs: dict[str, Any]) -> None:
    loop.after_step(member.trainer, done, outputs)


def _save(batch: Batch, done: int) -> None:
    """Save as Lightning does where the process is asked to end between two steps."""
    if batch.pending_terms:
        batch.report_steps(done, _keep_and_save)
    else:
        for member in batch.members:
            member.attempt(_save_now, done)


def _keep_and_save(member: Member, done: int, outputs: dict[str, Any]) -> None:
    last = torch.stack(tuple(outputs["terms"].values()))
    member.terms.keep(list(outputs["terms"]), last.unsqueeze(0))
    _save_now(member, done)


def _save_now(member: Member, done: int) -> None:
    loop.set_progress(member.trainer, done, done)
    loop.call(member.trainer, "on_exception", SIGTERMException())


def interval(node: Mapping[str, Any]) -> int | None:
    """Return the steps between two actions of a config node's callback; None if it has none.

    >>> interval({"_target_": "TermLogger", "every": 50})
    50
    """
    if "protocol" in node:
        return node["protocol"]["every"]
    return node.get("every_n_train_steps") or node.get("every")

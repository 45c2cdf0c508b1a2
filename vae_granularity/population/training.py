"""Several runs trained as one population, each with its own directory, checkpoints and results."""

import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.utilities.exceptions import SIGTERMException
from omegaconf import DictConfig
from torch import Tensor

from vae_granularity.errors import TrainingError, UserError
from vae_granularity.models.base import Forward
from vae_granularity.population import lightning_loop as loop
from vae_granularity.population.captured import captured
from vae_granularity.population.compiled import compiled
from vae_granularity.population.engine import Outputs, Population
from vae_granularity.population.plan import COMPILED, EAGER
from vae_granularity.population.step_inputs import StepInputs
from vae_granularity.runs.checkpoint import newest_readable
from vae_granularity.runs.identity import CHECKPOINTS, FINAL, checkpoints
from vae_granularity.runs.status import is_done
from vae_granularity.training import prepare as jobs
from vae_granularity.training.callbacks.progress import ProgressBar
from vae_granularity.training.callbacks.terms import TermLogger, term_logger
from vae_granularity.training.loggers.csv import MetricsCSV
from vae_granularity.training.prepare import Job
from vae_granularity.training.run import train

PROGRESS_LINES = 10
# Steps that one batch of members takes before the next has its turn: its weights stay in the cache,
# and a process that is asked to end is at most this far from a common step.
TURN = 10


@dataclass
class Member:
    """One run of the population."""

    job: Job
    trainer: Any  # a Trainer
    held: ExitStack  # the lock of its directory, the record of failures, its loggers
    failure: Exception | None = None

    @property
    def terms(self) -> TermLogger:
        """The callback that keeps the terms of its steps."""
        logger = term_logger(self.trainer)
        assert logger is not None, "every training config has one"
        return logger

    def fail(self, error: Exception) -> None:
        """Record the failure; nothing more is saved or logged."""
        print(f"frozen: {self.job.info.name}: {error}", flush=True)
        self.failure = error

    def close(self) -> None:
        """Release the run directory; a failure is recorded there."""
        error = self.failure
        try:
            trace = error.__traceback__ if error else None
            self.held.__exit__(type(error) if error else None, error, trace)
        except Exception as second:  # of any kind, a full disk say: the others are to be closed
            self.failure = error or second


@dataclass
class Batch:
    """Members that are computed together."""

    members: list[Member]
    population: Population
    inputs: StepInputs
    waiting: list[Tensor] = field(default_factory=list)  # terms (T, K) that no callback has seen
    outputs: Outputs | None = None

    def take(self, steps: range) -> None:
        """Train these steps."""
        models = self.population.models
        moving = [k for k, m in enumerate(models) if m.grouping.moves]
        for step in steps:
            for k in moving:
                rule = models[k].grouping.regrouping
                if rule is not None and rule.due(step):
                    self.population.write_back(k)
                models[k].on_train_batch_start(torch.empty(0), step)
            self.outputs = self.population.step(self.inputs(step))
            self.waiting.append(self.outputs.terms)

    def tell(self, done: int, hook: Callable[[Member, int, dict[str, Any]], None]) -> None:
        """Bring what each member has not seen to its trainer, which stands after step `done`.

        Args:
            hook: called with `done` and what the last step has returned for the member.
        """
        state = self.population.state
        alive, steps = state.alive.flatten().tolist(), state.steps_alive.flatten().tolist()
        terms, self.waiting = torch.stack(self.waiting), []
        assert self.outputs is not None, "no step has been taken"
        for k, member in enumerate(self.members):
            if member.failure is None:
                try:
                    names, rows = self._rows(k, terms, done)
                    if not alive[k]:
                        member.terms.keep(names, rows)
                        member.terms.check(done)
                        # A solo run finds a gradient that is not finite a step later.
                        raise TrainingError(
                            f"training stopped: gradient not finite at step {steps[k] + 1}. "
                            "The last good checkpoint is kept"
                        )
                    self.population.write_back(k)
                    member.terms.keep(names, rows[:-1])
                    forward = Forward(*(each[k] for each in self.outputs.forward))
                    last = dict(zip(names, rows[-1], strict=True))
                    hook(member, done, {"terms": last, "forward": forward})
                except Exception as error:  # of any kind, a full disk say: only this member fails
                    state.alive[k] = False
                    member.fail(error)

    def _rows(self, k: int, terms: Tensor, done: int) -> tuple[list[str], Tensor]:
        """Names and values (n, terms) of member k, with the dials that move."""
        model = self.members[k].job.model
        moving = [model.scheduled_values(step) for step in range(done - len(terms), done)]
        dials = terms.new_tensor([list(values.values()) for values in moving])
        return [*self.population.names, *moving[0]], torch.cat((terms[:, :, k], dials), 1)


def train_population(
    configs: Sequence[DictConfig], how: str = EAGER, together: int = 64
) -> list[Exception | None]:
    """Train runs as one population, or continue them; what each of them raised, or None.

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
    planned: list[Job | Exception] = [_attempt(jobs.prepare_run, cfg) for cfg in configs]
    ended = [isinstance(p, Job) and _has_ended(p.directory) for p in planned]
    outcomes: list[Exception | None] = [p if isinstance(p, Exception) else None for p in planned]
    members: dict[int, Member] = {}
    with ExitStack() as everything:
        for i, job in enumerate(planned):
            if isinstance(job, Job) and not ended[i]:
                first = next((m.job for m in members.values()), None)
                opened = _attempt(_opened, job, everything, first)
                if isinstance(opened, Exception):
                    outcomes[i] = opened
                elif opened is not None:
                    members[i] = opened
        if members:
            _train(list(members.values()), how, together)
        outcomes = [members[i].failure if i in members else o for i, o in enumerate(outcomes)]
    return [train_alone(configs[i]) if ended[i] else o for i, o in enumerate(outcomes)]


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
    except (UserError, OSError) as error:
        return error


def _opened(job: Job, everything: ExitStack, first: Job | None) -> Member | None:
    """The member with its directory locked, sharing the first's images; None if its run is done."""
    held = everything.enter_context(ExitStack())
    if not held.enter_context(jobs.writing(job)):
        return None
    job.open_data(None if first is None else first.data)
    trainer: Any = held.enter_context(jobs.trainer(job))
    trainer.callbacks = [c for c in trainer.callbacks if not isinstance(c, ProgressBar)]
    return Member(job, trainer, held)


def _train(members: list[Member], how: str, together: int) -> None:
    """From the common start to results."""
    started = time.monotonic()
    start = common_start([member.job.directory for member in members])
    with warnings.catch_warnings():
        for message in jobs.IGNORED_WARNINGS:
            warnings.filterwarnings("ignore", message=message)
        for member in members:
            _try(member, _begin, start)
    alive = [member for member in members if member.failure is None]
    if alive:
        _take_steps(_batches(alive, how, together, start), start)
    seconds = (time.monotonic() - started) / len(members)
    for member in members:
        _try(member, _end, seconds, len(members))
        member.close()


def _try(member: Member, function: Callable, *arguments: Any) -> None:
    """Call the function with a member that has not failed; what it raises is its failure alone."""
    if member.failure is None:
        try:
            function(member, *arguments)
        except Exception as error:  # of any kind: the others go on; it is recorded and returned
            member.fail(error)


def _begin(member: Member, start: int) -> None:
    job, trainer = member.job, member.trainer
    for logger in trainer.loggers:
        if isinstance(logger, MetricsCSV):
            logger.truncate(start)
    loop.attach(trainer, job.model, job.data)
    if start:
        loop.restore(trainer, job.directory / CHECKPOINTS / f"step={start}.ckpt")
    loop.begin(trainer, start)


def _end(member: Member, seconds: float, members: int) -> None:
    loop.detach(member.trainer)
    jobs.save_final(member.job, member.trainer)
    jobs.finish(member.job, member.trainer, seconds, population=members)


def common_start(directories: Sequence[Path]) -> int:
    """The newest step with a readable checkpoint of every run, or 0; newer ones are removed."""
    steps = [
        {int(p.stem.removeprefix("step=")): p for p in checkpoints(folder) if p.name != FINAL}
        for folder in directories
    ]
    shared = sorted(set.intersection(*map(set, steps)), reverse=True)
    readable = (s for s in shared if all(newest_readable([paths[s]]) for paths in steps))
    start = next(readable, 0)
    for paths in steps:
        for step, path in paths.items():
            if step > start:
                path.unlink()
    return start


def parts(count: int, most: int) -> tuple[int, list[slice]]:
    """Rows of a batch, and the members of each: as few batches as may be, of one size.

    >>> parts(10, 4)
    (4, [slice(0, 4, None), slice(4, 8, None), slice(8, 10, None)])
    """
    rows = -(-count // -(-count // most))
    return rows, [slice(i, min(i + rows, count)) for i in range(0, count, rows)]


def _batches(members: list[Member], how: str, together: int, start: int) -> list[Batch]:
    """The members in batches of one shape, with the step that one compilation serves."""
    rows, slices = parts(len(members), together)
    found = []
    for part in slices:
        some = members[part]
        models = [member.job.model for member in some]
        optimizers = [member.trainer.optimizers[0] for member in some]
        clip = some[0].trainer.gradient_clip_val
        population = Population(models, optimizers, clip, rows)
        inputs = StepInputs(models, [member.job.data for member in some], rows)
        found.append(Batch(some, population, inputs))
    first, cuda = found[0], found[0].population.state.weights.is_cuda
    example = first.inputs(start)
    step = first.population.advance
    if how == COMPILED:
        cache = Path(members[0].job.config.paths.cache_dir)
        step = compiled(step, first.population.state, example, cache)
    for batch in found:
        own = captured(step, batch.population.state, example) if cuda else step
        batch.population.advance, batch.population.batched = own, first.population.batched
    return found


def _take_steps(batches: list[Batch], start: int) -> None:
    """The one loop: batches of members take turns, then the callbacks of each member theirs."""
    members = [member for batch in batches for member in batch.members]
    max_steps, began, done = members[0].trainer.max_steps, time.monotonic(), start
    callbacks: Any = members[0].job.config.callbacks
    intervals = [n for node in callbacks.values() if (n := interval(node))]
    with _asked_to_end() as asked:
        while done < max_steps:
            ends = [max_steps, done + TURN, *(done - done % n + n for n in intervals)]
            began_at, done = done, min(ends)
            for batch in batches:
                batch.take(range(began_at, done))
            if done == max_steps or any(done % n == 0 for n in intervals):
                for batch in batches:
                    batch.tell(done, _after_step)
            lines = max(1, max_steps // PROGRESS_LINES)
            if done // lines > began_at // lines:
                left = (time.monotonic() - began) / (done - start) * (max_steps - done)
                training = sum(member.failure is None for member in members)
                print(
                    f"population of {len(members)}: step {done}/{max_steps}, {left:.0f} s left, "
                    f"{training} training",
                    flush=True,
                )
            if asked and done < max_steps:
                for batch in batches:
                    _save(batch, done)
                sys.exit(128 + signal.SIGTERM)


def _after_step(member: Member, done: int, outputs: dict[str, Any]) -> None:
    loop.after_step(member.trainer, done, outputs)


def _save(batch: Batch, done: int) -> None:
    """Save as Lightning does where the process is asked to end between two steps."""
    if batch.waiting:
        batch.tell(done, _keep_and_save)
    else:
        for member in batch.members:
            _try(member, _save_now, done)


def _keep_and_save(member: Member, done: int, outputs: dict[str, Any]) -> None:
    last = torch.stack(tuple(outputs["terms"].values()))
    member.terms.keep(list(outputs["terms"]), last.unsqueeze(0))
    _save_now(member, done)


def _save_now(member: Member, done: int) -> None:
    loop.stand_at(member.trainer, done, done)
    loop.call(member.trainer, "on_exception", SIGTERMException())


@contextmanager
def _asked_to_end() -> Iterator[list[int]]:
    """A list that is no longer empty once the process has been sent SIGTERM."""
    asked: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield asked  # only the main thread may set handlers: whoever started this one ends it
        return
    before = signal.signal(signal.SIGTERM, lambda number, _: asked.append(number))
    try:
        yield asked
    finally:
        signal.signal(signal.SIGTERM, before)


def interval(node: Mapping[str, Any]) -> int | None:
    """Every how many steps the callback of a config node has something to do; None for never.

    >>> interval({"_target_": "TermLogger", "every": 50})
    50
    """
    if "protocol" in node:
        return node["protocol"]["every"]
    return node.get("every_n_train_steps") or node.get("every")

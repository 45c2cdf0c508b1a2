"""Train the members of a population in batches that are computed together."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from vae_granularity.errors import TrainingError
from vae_granularity.models.base import Forward
from vae_granularity.population.compiled import captured, compiled
from vae_granularity.population.engine import Outputs, Population
from vae_granularity.population.plan import COMPILED
from vae_granularity.population.step_inputs import StepInputs
from vae_granularity.terminal import say
from vae_granularity.training.callbacks import TermLogger, term_logger
from vae_granularity.training.job import Job


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

    def attempt(self, function: Callable, *arguments: Any) -> None:
        """Call the function with this member unless it has failed, and keep what it raises.

        A member that fails is neither saved nor logged any more; the others go on.
        """
        if self.failure is None:
            try:
                function(self, *arguments)
            except Exception as error:  # of any kind, a full disk say: the others go on
                say(f"run {self.job.info.name} failed and stops (the other runs continue): {error}")
                self.failure = error

    def close(self) -> None:
        """Release the run directory; a failure is recorded there."""
        error = self.failure
        try:
            trace = error.__traceback__ if error else None
            self.held.__exit__(type(error) if error else None, error, trace)
        except Exception as closing_error:  # of any kind: the others are still to be closed
            self.failure = error or closing_error


Hook = Callable[[Member, int, dict[str, Any]], None]


@dataclass
class Batch:
    """Members that are computed together."""

    members: list[Member]
    population: Population
    inputs: StepInputs
    pending_terms: list[Tensor] = field(default_factory=list)  # (T, K) a step, not yet reported
    outputs: Outputs | None = None

    def train_steps(self, steps: range) -> None:
        """Train these steps."""
        models = self.population.models
        moving = [k for k, m in enumerate(models) if m.grouping.moves]
        for step in steps:
            for k in moving:
                rule = models[k].grouping.regrouping
                if rule is not None and rule.due(step):
                    self.population.write_back(k)
                models[k].prepare_step(step)
            self.outputs = self.population.step(self.inputs(step))
            self.pending_terms.append(self.outputs.terms)

    def report_steps(self, done: int, hook: Hook) -> None:
        """Report the pending terms of each member to its trainer, which stands after step `done`.

        Args:
            done: steps that were taken.
            hook: called with `done` and the outputs of the member's last step.
        """
        state = self.population.state
        alive = state.alive.flatten().tolist()
        steps = state.steps_alive.flatten().tolist()
        terms = torch.stack(self.pending_terms)
        self.pending_terms = []
        for k, member in enumerate(self.members):
            member.attempt(self._report_member, k, terms, done, hook, alive[k], steps[k])
            if member.failure is not None:
                state.alive[k] = False

    def _report_member(
        self, member: Member, k: int, terms: Tensor, done: int, hook: Hook, alive: bool, steps: int
    ) -> None:
        names, rows = self._rows(k, terms, done)
        if not alive:
            member.terms.keep(names, rows)
            member.terms.check(done)
            # A solo run finds a gradient that is not finite a step later.
            raise TrainingError(
                f"training stopped: gradient not finite at step {steps + 1}. "
                "The last good checkpoint is kept"
            )
        assert self.outputs is not None, "no step has been taken"
        self.population.write_back(k)
        member.terms.keep(names, rows[:-1])
        forward = Forward(*(values[k] for values in self.outputs.forward))
        last = dict(zip(names, rows[-1], strict=True))
        hook(member, done, {"terms": last, "forward": forward})

    def _rows(self, k: int, terms: Tensor, done: int) -> tuple[list[str], Tensor]:
        """Return names and values (n, terms) of member k, with its scheduled values."""
        model = self.members[k].job.model
        first = done - len(terms)
        rows = terms[:, :, k]
        names = model.scheduled_values(first)
        if names:
            moving = [list(model.scheduled_values(step).values()) for step in range(first, done)]
            rows = torch.cat((rows, terms.new_tensor(moving)), 1)
        return [*self.population.names, *names], rows


def parts(count: int, most: int) -> tuple[int, list[slice]]:
    """Return the rows of a batch and the members of each: as few batches as possible, of one size.

    >>> parts(10, 4)
    (4, [slice(0, 4, None), slice(4, 8, None), slice(8, 10, None)])
    """
    rows = -(-count // -(-count // most))
    return rows, [slice(i, min(i + rows, count)) for i in range(0, count, rows)]


def batches_of(members: list[Member], how: str, together: int, start: int) -> list[Batch]:
    """Put the members into batches of one shape, whose steps share one compilation."""
    rows, slices = parts(len(members), together)
    batches = []
    for member_slice in slices:
        batch_members = members[member_slice]
        models = [member.job.model for member in batch_members]
        optimizers = [member.trainer.optimizers[0] for member in batch_members]
        clip = batch_members[0].trainer.gradient_clip_val
        population = Population(models, optimizers, clip, rows)
        inputs = StepInputs(models, [member.job.data for member in batch_members], rows)
        batches.append(Batch(batch_members, population, inputs))
    first = batches[0]
    cuda = first.population.state.weights.is_cuda
    example = first.inputs(start)
    step = first.population.advance
    if how == COMPILED:
        step = compiled(step, first.population.state, example)
    for batch in batches:
        # A CUDA graph holds the addresses of one state, so each batch has a graph of its own.
        batch.population.advance = captured(step, batch.population.state, example) if cuda else step
        batch.population.batched = first.population.batched
    return batches

"""One training step of K models at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, optim

from vae_granularity.errors import ArgumentError
from vae_granularity.models.base import Forward, LatentModel
from vae_granularity.population.adam import Adam, clip
from vae_granularity.population.backends import Losses
from vae_granularity.population.stack import Stack, stacked_buffers
from vae_granularity.population.step_inputs import Inputs


class Outputs(NamedTuple):
    """What a step leaves behind, K members."""

    terms: Tensor  # (T, K) scalars of the batch, named by `Population.names`
    forward: Forward  # fields (K, B, ...)


class Population:
    """K models of one class and architecture, with their optimisers, as one state.

    A member whose loss or gradient is not finite is frozen from that step on: its weights stay, the
    others do not notice.

    Args:
        models: their weights are copied; `write_back` returns them.
        optimizers: of the models; Adam or AdamW that differ in the learning rate alone. Their state
            is copied too.
        losses: the backend.
        clip_norm: largest norm of a member's gradient, or None.

    Raises:
        ArgumentError: the optimisers cannot be combined, or have taken different numbers of steps.
    """

    def __init__(
        self,
        models: Sequence[LatentModel],
        optimizers: Sequence[optim.Optimizer],
        losses: Losses,
        clip_norm: float | None = None,
    ) -> None:
        self.models, self.optimizers, self.losses, self.clip_norm = (
            models,
            optimizers,
            losses,
            clip_norm,
        )
        kinds = {Adam.of(optimizer) for optimizer in optimizers}
        if len(kinds) != 1:
            raise ArgumentError(
                f"optimizers of a population may differ in lr alone, got {', '.join(map(str, kinds))}"
            )
        self.adam = kinds.pop()
        self.stack = Stack(models[0])
        self.weights = self.stack.rows(models).requires_grad_()  # (K, P)
        self.buffers = stacked_buffers(models)
        self.lr = self.weights.new_tensor(
            [[float(optimizer.param_groups[0]["lr"])] for optimizer in optimizers]
        )  # (K, 1)
        self.decay = self._decay(models[0], optimizers[0])  # (P,)
        states = [
            self._moments(model, optimizer)
            for model, optimizer in zip(models, optimizers, strict=True)
        ]
        counts = {count for count, _, _ in states}
        if len(counts) != 1:
            raise ArgumentError(
                f"members must have taken the same number of steps, got {', '.join(map(str, sorted(counts)))}"
            )
        self.step_count = counts.pop()
        self.moments = (
            torch.stack([mean for _, mean, _ in states]),
            torch.stack([square for _, _, square in states]),
        )
        self.corrections = self.weights.new_ones(2)  # of Adam's moments, for the current step
        self.alive = torch.ones_like(self.lr, dtype=torch.bool)  # (K, 1)
        self.steps_alive = torch.full_like(
            self.lr, self.step_count, dtype=torch.long
        )  # (K, 1) steps taken before it was frozen
        self.names: list[str] = []

    def step(self, inputs: Inputs) -> Outputs:
        """One optimiser step of every member that is not frozen. Never waits for the device."""
        self.count_step()
        return self.compute(inputs)

    def count_step(self) -> None:
        """The part of `step` that is the host's."""
        self.step_count += 1
        self.corrections.copy_(self.corrections.new_tensor(self.adam.corrections(self.step_count)))

    def state(self) -> Iterator[Tensor]:
        """Every tensor that a step changes."""
        yield from (
            self.weights,
            *self.moments,
            self.alive,
            self.steps_alive,
            *self.buffers.values(),
        )

    def compute(self, inputs: Inputs) -> Outputs:
        """The tensor work of `step`, all in place, so that a CUDA graph can hold it."""
        before = {name: buffer.clone() for name, buffer in self.buffers.items()}
        loss, logged, forward = self.losses(self.stack.views(self.weights), self.buffers, inputs)
        (grad,) = torch.autograd.grad(
            loss.sum(), self.weights
        )  # members do not share parameters: the rows are their own gradients
        with torch.no_grad():
            finite = loss.isfinite().unsqueeze(1) & grad.abs().amax(1, keepdim=True).isfinite()
            self.alive.logical_and_(finite)
            self.steps_alive.add_(self.alive)
            if self.clip_norm is not None:
                grad = clip(grad, self.clip_norm)
            change = self.adam.change(
                self.weights, grad, self.moments, self.lr, self.corrections, self.decay
            )
            self.weights.sub_(change.masked_fill_(~self.alive, 0.0))
            for name, old in before.items():
                alive = self.alive.view(-1, *[1] * (old.ndim - 1))
                self.buffers[name].copy_(torch.where(alive, self.buffers[name], old))
            self.names = list(logged)
            return Outputs(
                torch.stack(tuple(logged.values())), Forward(*(field.detach() for field in forward))
            )

    def write_back(self, k: int) -> None:
        """Copy weights, buffers and optimiser state of member k into its own model and
        optimiser.
        """
        model, optimizer = self.models[k], self.optimizers[k]
        rows = [self.weights.detach()[k], *(moment[k] for moment in self.moments)]
        weights, means, squares = (self.stack.views(row) for row in rows)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                parameter.copy_(weights[name])
                optimizer.state[parameter] = {
                    "step": torch.tensor(float(self.step_count), device=parameter.device),
                    "exp_avg": means[name].clone(),
                    "exp_avg_sq": squares[name].clone(),
                }
            for name, buffer in model.named_buffers():
                if name in self.buffers:
                    buffer.copy_(self.buffers[name][k])

    def _decay(self, model: LatentModel, optimizer: optim.Optimizer) -> Tensor:
        """Weight decay (P,) of every number."""
        of = {p: group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
        return self.stack.row(
            {name: torch.full_like(p, of[p]) for name, p in model.named_parameters()}
        )

    def _moments(
        self, model: LatentModel, optimizer: optim.Optimizer
    ) -> tuple[int, Tensor, Tensor]:
        """Number of steps, and the moments (P,), of an optimiser that may not have begun."""
        parameters = dict(model.named_parameters())
        states = {
            name: optimizer.state[parameter]
            for name, parameter in parameters.items()
            if optimizer.state.get(parameter)
        }
        if not states:
            zeros = self.weights.new_zeros(self.weights.shape[1])
            return 0, zeros, zeros.clone()
        means, squares = (
            {name: state[key] for name, state in states.items()}
            for key in ("exp_avg", "exp_avg_sq")
        )
        return (
            int(next(iter(states.values()))["step"]),
            self.stack.row(means),
            self.stack.row(squares),
        )

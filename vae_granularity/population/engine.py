"""Train K models at once: one step of all, and their state between steps."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn, optim
from torch.func import functional_call

from vae_granularity.errors import ArgumentError
from vae_granularity.models.base import Forward, LatentModel
from vae_granularity.population.adam import Adam, clip
from vae_granularity.population.stack import Named, Stack, stacked_buffers
from vae_granularity.population.step_inputs import Inputs


class State(NamedTuple):
    """State of K members with P parameters each: all that a step reads besides its inputs."""

    weights: Tensor  # (K, P)
    means: Tensor  # (K, P), first moments
    squares: Tensor  # (K, P), second moments
    corrections: Tensor  # (2,), of Adam's moments, for the current step
    lr: Tensor  # (K, 1)
    decay: Tensor  # (P,) weight decay of each parameter
    alive: Tensor  # (K, 1) bool
    steps_alive: Tensor  # (K, 1) steps taken before it was frozen
    buffers: Named  # (K, *shape) each


class Outputs(NamedTuple):
    """Outputs of a step of K members."""

    terms: Tensor  # (T, K) scalars of the batch, named by `BatchedStep.names`
    forward: Forward  # fields (K, B, ...)


Step = Callable[[State, Inputs], Outputs]


class BatchedStep(nn.Module):
    """Forward and backward pass and Adam for all members: `torch.vmap` of one member's loss.

    A member whose loss or gradient is not finite is frozen from that step on: its weights stay,
    the others do not notice.

    Args:
        model: any of the members; its own weights are not used.
        adam: the optimiser's constants.
        clip_norm: largest norm of a member's gradient, or None.
    """

    def __init__(self, model: LatentModel, adam: Adam, clip_norm: float | None = None) -> None:
        super().__init__()
        self.model = model
        self.adam = adam
        self.clip_norm = clip_norm
        self.stack = Stack(model)
        self.names: list[str] = []

    def forward(self, *inputs: Any) -> tuple[Tensor, dict[str, Tensor], Forward]:
        """Return loss, logged scalars and forward pass of one model, for `functional_call`."""
        return self.model.loss_and_logs(*inputs)

    def _member(self, named: Named, *inputs: Any) -> tuple[Tensor, dict[str, Tensor], Forward]:
        return functional_call(self, {f"model.{name}": t for name, t in named.items()}, inputs)

    def advance(self, state: State, inputs: Inputs) -> Outputs:
        """Take one step; the state changes in place.

        Pure tensor work that never waits for the device, so that it can be compiled or held in a
        CUDA graph.
        """
        before = {name: buffer.clone() for name, buffer in state.buffers.items()}
        weights = state.weights.detach().requires_grad_()
        named = self.stack.views(weights) | state.buffers
        loss, logged, forward = torch.vmap(self._member)(named, *inputs)
        # Members do not share parameters: the rows are their own gradients.
        (grad,) = torch.autograd.grad(loss.sum(), weights)
        with torch.no_grad():
            finite = loss.isfinite().unsqueeze(1) & grad.abs().amax(1, keepdim=True).isfinite()
            state.alive.logical_and_(finite)
            state.steps_alive.add_(state.alive)
            if self.clip_norm is not None:
                grad = clip(grad, self.clip_norm)
            # Members as an axis of the update too: a compiler then makes it one loop, not three.
            grad = grad * state.alive
            moments = (state.means, state.squares)
            rates = (state.lr, state.corrections, state.decay)
            change = self.adam.change(state.weights, grad, moments, *rates)
            state.weights.sub_(change.masked_fill_(~state.alive, 0.0))
            for name, old in before.items():
                alive = state.alive.view(-1, *[1] * (old.ndim - 1))
                state.buffers[name].copy_(torch.where(alive, state.buffers[name], old))
            self.names = list(logged)
            fields = Forward(*(field.detach() for field in forward))
            return Outputs(torch.stack(tuple(logged.values())), fields)


class Population:
    """K models of one class and architecture, with their optimisers, as one state.

    Args:
        models: their weights are copied; `write_back` returns them.
        optimizers: of the models; Adam or AdamW that differ in the learning rate alone. Their
            state is copied too.
        clip_norm: largest norm of a member's gradient, or None.
        rows: K; above the number of models, copies of the last one, frozen, fill it up.

    Raises:
        ArgumentError: the optimisers cannot be combined, or have taken different numbers of steps.
    """

    def __init__(
        self,
        models: Sequence[LatentModel],
        optimizers: Sequence[optim.Optimizer],
        clip_norm: float | None = None,
        rows: int = 0,
    ) -> None:
        self.models = models
        self.optimizers = optimizers
        constants = {Adam.of(optimizer) for optimizer in optimizers}
        if len(constants) != 1:
            raise ArgumentError(
                "optimizers of a population may differ in lr alone, "
                f"got {', '.join(map(str, constants))}"
            )
        self.batched = BatchedStep(models[0], constants.pop(), clip_norm)
        self.stack = self.batched.stack
        self.advance: Step = self.batched.advance
        last = len(models) - 1
        # The member that each row of the state belongs to; copies of the last one fill it up.
        self.member_of_row = [*range(len(models)), *[last] * (rows - len(models))]
        weights = self.stack.rows([models[k] for k in self.member_of_row])
        states = [self._moments(models[k], optimizers[k], weights) for k in self.member_of_row]
        counts = sorted({count for count, _, _ in states})
        if len(counts) != 1:
            raise ArgumentError(
                "members must have taken the same number of steps, "
                f"got {', '.join(map(str, counts))}"
            )
        self.step_count = counts[0]
        lr = weights.new_tensor(self._rates(self.step_count))
        self.state = State(
            weights,
            torch.stack([mean for _, mean, _ in states]),
            torch.stack([square for _, _, square in states]),
            weights.new_ones(2),
            lr,
            self._decay(models[0], optimizers[0]),
            torch.arange(len(weights), device=lr.device).unsqueeze(1) < len(models),
            torch.full_like(lr, self.step_count, dtype=torch.long),
            stacked_buffers([models[k] for k in self.member_of_row]),
        )

    @property
    def names(self) -> list[str]:
        """Names of the logged terms (rows of `Outputs.terms`), known after the first step."""
        return self.batched.names

    def step(self, inputs: Inputs) -> Outputs:
        """Take one optimiser step of every living member, without waiting for the device."""
        if any(model.learning_rate for model in self.models):
            self.state.lr.copy_(self.state.lr.new_tensor(self._rates(self.step_count)))
        self.step_count += 1
        corrections = self.batched.adam.corrections(self.step_count)
        self.state.corrections.copy_(self.state.corrections.new_tensor(corrections))
        return self.advance(self.state, inputs)

    def write_back(self, k: int) -> None:
        """Copy weights, buffers and optimiser state of member k into its model and optimiser."""
        model = self.models[k]
        optimizer = self.optimizers[k]
        rows = (self.state.weights[k], self.state.means[k], self.state.squares[k])
        weights, means, squares = map(self.stack.views, rows)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                parameter.copy_(weights[name])
                optimizer.state[parameter] = {
                    "step": torch.tensor(float(self.step_count), device=parameter.device),
                    "exp_avg": means[name].clone(memory_format=torch.contiguous_format),
                    "exp_avg_sq": squares[name].clone(memory_format=torch.contiguous_format),
                }
            for name, buffer in model.named_buffers():
                if name in self.state.buffers:
                    buffer.copy_(self.state.buffers[name][k])

    def _rates(self, step: int) -> list[list[float]]:
        """Return the learning rates (K, 1) of a training step, counted from 0."""
        for model, optimizer in zip(self.models, self.optimizers, strict=True):
            model.set_learning_rate(optimizer, step)
        return [[float(self.optimizers[k].param_groups[0]["lr"])] for k in self.member_of_row]

    def _decay(self, model: LatentModel, optimizer: optim.Optimizer) -> Tensor:
        """Return the weight decay (P,) of every number of the parameters."""
        decay_of = {}
        for group in optimizer.param_groups:
            decay_of |= dict.fromkeys(group["params"], group["weight_decay"])
        decays = {name: torch.full_like(p, decay_of[p]) for name, p in model.named_parameters()}
        return self.stack.row(decays)

    def _moments(
        self, model: LatentModel, optimizer: optim.Optimizer, like: Tensor
    ) -> tuple[int, Tensor, Tensor]:
        """Return steps taken and moments (P,) of an optimiser, zeros where it has not begun."""
        named = {name: optimizer.state.get(p) for name, p in model.named_parameters()}
        states = {name: state for name, state in named.items() if state}
        if not states:
            return 0, like.new_zeros(like.shape[1]), like.new_zeros(like.shape[1])
        mean = self.stack.row({name: state["exp_avg"] for name, state in states.items()})
        square = self.stack.row({name: state["exp_avg_sq"] for name, state in states.items()})
        return int(next(iter(states.values()))["step"]), mean, square

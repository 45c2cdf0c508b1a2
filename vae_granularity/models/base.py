"""The one training step of every model. Variants say what the loss is, nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import torch
from lightning import LightningModule
from torch import Tensor, nn

from vae_granularity.densities.gaussian import kl_to_standard_normal
from vae_granularity.densities.noise import standard_normal
from vae_granularity.distributed import gathered, mean_over_processes, own_rows, world
from vae_granularity.elbo import LatentTerms
from vae_granularity.errors import ArgumentError, integer
from vae_granularity.nets.base import Network
from vae_granularity.partition import LatentPartition
from vae_granularity.partitions.grouping import grouping
from vae_granularity.partitions.regrouping import regrouped
from vae_granularity.partitions.schedules import Constant, Schedule, schedule

OptimizerFactory = Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]
Settings = Mapping[str, float | Tensor]  # the dials of a model at one step, by name
Granularity = int | Mapping[str, Any]  # or a schedule of it
Partition = Sequence[int] | Mapping[str, Any] | str | None  # as `grouping.grouping`
Dial = float | Mapping[str, Any]  # a number or a schedule of it


class Forward(NamedTuple):
    """One pass through encoder and decoder; B images, D latent dimensions, in nats."""

    x: Tensor  # (B, *image_shape)
    output: Tensor  # (B, *image_shape) parameters of p(x|z)
    log_px: Tensor  # (B,)    log p(x|z), summed over pixels
    z: Tensor  # (B, D)
    mu: Tensor  # (B, D)
    logvar: Tensor  # (B, D)

    @property
    def kl(self) -> Tensor:
        """Analytic KL(q(z|x) || p(z)), (B,)."""
        return kl_to_standard_normal(self.mu, self.logvar).sum(-1)


class Parts(NamedTuple):
    """What a model is built from besides its own hyperparameters."""

    net: Network
    likelihood: nn.Module  # with log_prob(output, x) -> (B,) and mean(output)
    optimizer: OptimizerFactory  # makes the optimiser from parameters
    seed: int  # of the training noise, which is a function of (seed, step)


class LatentModel(LightningModule):
    """Encoder, latent code whose dimensions come in groups, decoder, likelihood.

    Args:
        parts: network (whose `latent_dim` must be the one given here), likelihood, optimiser, seed.
        latent_dim: D.
        granularity: disentangling granularity, dimensions per group, in [1, D]; or a schedule of
            it.
        partition: sizes of the groups, which then replace `granularity`, or `adaptive`; None for
            equal groups.

    `dataset_size` (N, the number of training images) is set by whoever attaches the data.

    Raises:
        ArgumentError: an argument is out of range.
    """

    stochastic: ClassVar[
        bool
    ]  # whether there is a posterior q(z|x), and so a KL, an ELBO and a total correlation
    decomposes: ClassVar[bool] = (
        False  # whether the loss computes the four terms; if not, they are estimated where they are logged
    )
    gathers = False  # whether the loss sees the batches of all processes as one
    stateful: ClassVar[bool] = (
        False  # whether anything besides weights and step decides the next step: such a model trains alone
    )

    undecayed: ClassVar[tuple[str, ...]] = ()  # parameters, besides vectors, without weight decay

    def __init__(
        self, parts: Parts, latent_dim: int, granularity: Granularity, partition: Partition
    ) -> None:
        super().__init__()
        if parts.net.latent_dim != latent_dim:
            raise ArgumentError(
                f"net.latent_dim must equal model.latent_dim={latent_dim}, got {parts.net.latent_dim}"
            )
        self.net, self.likelihood, self.optimizer_factory = (
            parts.net,
            parts.likelihood,
            parts.optimizer,
        )
        self.grouping = grouping(latent_dim, granularity, partition)
        self.latent_dim = latent_dim
        self.seed = integer("seed", parts.seed, 0)
        self.dials: dict[str, Schedule] = {}
        self.dataset_size: int | None = None
        self.partition = self.grouping.at(0)
        self.partitions: list[tuple[int, LatentPartition]] = [
            (0, self.partition)
        ]  # and the step from which each holds
        self.register_buffer("membership", self.partition.membership(), persistent=False)

    # What a variant says

    def objective(
        self, out: Forward, settings: Settings, membership: Tensor
    ) -> tuple[Tensor, LatentTerms | None]:
        """The loss (a mean over the batch, in nats) and the four terms where the loss needs them.

        Pure: what changes during training comes as an argument, so that one function serves every
            step and every member of a
        population. Called outside autocast.

        Args:
            out: of B images.
            settings: the values of the dials, numbers or scalar tensors.
            membership: (D, G), of the partition.
        """
        raise TypeError(f"{type(self).__name__} must define objective()")

    def run(self, x: Tensor, noise: Tensor) -> Forward:
        """Encode x (B, *image_shape), draw z with the given noise (B, D), decode, score."""
        raise TypeError(f"{type(self).__name__} must define run()")

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """mu, logvar (B, D) of q(z|x) for images x (B, *image_shape)."""
        raise TypeError(f"{type(self).__name__} must define encode()")

    def logged(self, loss: Tensor, out: Forward, terms: LatentTerms | None) -> dict[str, Tensor]:
        """Scalars of one training batch by name; the decomposition's names stand under the
        estimator's when logged.
        """
        return {"loss": loss.detach(), "reconstruction": out.log_px.mean()}

    def trained_parameters(self) -> Iterable[nn.Parameter]:
        """What the optimiser of the config trains."""
        return self.parameters()

    def cautions(self, steps: int) -> list[str]:
        """What the user should know before a run of that many steps, if anything."""
        return []

    def after_step(self, step: int) -> None:
        """Called after the optimiser's step `step`, before anything is saved."""

    # What all share

    def dial(
        self, name: str, value: Dial, low: float = float("-inf"), high: float = float("inf")
    ) -> None:
        """Declare a hyperparameter that may be a schedule; `settings` gives its value at a step.

        Raises:
            ArgumentError: a value outside [low, high].
        """
        self.dials[name] = schedule(f"model.{name}", value, low, high)

    def settings(self, step: int) -> dict[str, float | Tensor]:
        """The dials at a training step."""
        return {name: at(step) for name, at in self.dials.items()}

    def moving(self, step: int) -> dict[str, float | Tensor]:
        """The dials that change during training and the number of groups where that may change, at
        a step, by log key.
        """
        settings = self.settings(step)
        values = {
            name: settings[name] for name, at in self.dials.items() if not isinstance(at, Constant)
        }
        if self.grouping.scheduled or self.grouping.regrouping is not None:
            values["num_groups"] = float(
                next(p for first, p in reversed(self.partitions) if first <= step).num_groups
            )
        return {f"schedule/{name}": value for name, value in values.items()}

    def decode(self, z: Tensor) -> Tensor:
        """Means of p(x|z), (B, *image_shape), for z (B, D)."""
        return self.likelihood.mean(full(self.net.decode(z)))

    def compute(
        self, x: Tensor, noise: Tensor, settings: Settings, membership: Tensor
    ) -> tuple[Tensor, dict[str, Tensor], Forward]:
        """The loss with its gradient attached, scalars to log, and the pass through the networks:
        all the tensor work of a step.

        Args:
            x: (B, *image_shape).
            noise: (B, D), standard normal.
            settings: the values of the dials, numbers or scalar tensors.
            membership: (D, G), of the partition.
        """
        out = self.run(x, noise)
        if self.gathers:
            out = Forward(*map(gathered, out))
        with torch.autocast(x.device.type, enabled=False):
            loss, terms = self.objective(out, settings, membership)
            with torch.no_grad():
                logged = self.logged(loss, out, terms)
        return loss, logged, Forward(*(field.detach() for field in out))

    def training_step(self, batch: Tensor, batch_idx: int) -> dict[str, Any]:
        noise = standard_normal(
            self.seed, batch_idx, (len(batch) * world()[1], self.latent_dim), like=batch
        )
        loss, logged, out = self.compute(
            batch, own_rows(noise), self.settings(batch_idx), self.membership
        )
        # Filled on the device: a copy from the host would make it wait.
        moving = {name: loss.new_full((), value) for name, value in self.moving(batch_idx).items()}
        return {"loss": loss, "terms": logged | moving, "forward": out}

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The optimiser of the config; weight decay acts on matrices and kernels, not on biases and
        other vectors nor on what `undecayed` names.
        """
        optimizer = self.optimizer_factory(self.trained_parameters())
        (group,) = optimizer.param_groups
        if group.get("weight_decay"):
            spared = {self.get_parameter(name) for name in self.undecayed}
            spared |= {p for p in group["params"] if p.ndim < 2}
            rest = [p for p in group["params"] if p in spared]
            group["params"] = [p for p in group["params"] if p not in spared]
            optimizer.add_param_group({**group, "params": rest, "weight_decay": 0.0})
        return optimizer

    def optimizer_step(
        self,
        epoch: int,
        batch_idx: int,
        optimizer: Any,
        optimizer_closure: Callable[[], Any] | None = None,
    ) -> None:
        super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        self.after_step(batch_idx)
        if world()[1] > 1:  # what batch norm follows is each process's own
            for buffer in self.net.buffers():
                if buffer.is_floating_point():
                    buffer.copy_(mean_over_processes(buffer))

    def on_train_batch_start(self, batch: Tensor, batch_idx: int) -> None:
        rule = self.grouping.regrouping
        if self.grouping.scheduled:
            self._adopt(batch_idx, self.grouping.at(batch_idx))
        elif rule is not None and rule.due(batch_idx):
            self._adopt(batch_idx, regrouped(self, self.trainer.datamodule, batch_idx, rule))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["partitions"] = [
            [step, [list(group) for group in partition.groups]]
            for step, partition in self.partitions
        ]

    def on_load_checkpoint(self, checkpoint: Mapping[str, Any]) -> None:
        self.partitions = [
            (step, LatentPartition(tuple(map(tuple, groups))))
            for step, groups in checkpoint["partitions"]
        ]
        self._use(self.partitions[-1][1])

    def _adopt(self, step: int, partition: LatentPartition) -> None:
        if partition != self.partition:
            self.partitions.append((step, partition))
            self._use(partition)

    def _use(self, partition: LatentPartition) -> None:
        self.partition = partition
        self.membership = partition.membership(dtype=self.membership.dtype).to(
            self.membership.device
        )


def full(x: Tensor) -> Tensor:
    """Half precision from an autocast network becomes float32; float32 and float64 stay."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x

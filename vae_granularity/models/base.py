"""The one training step of every model. Variants say what the loss is, nothing else."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, NamedTuple, Self, TypedDict

import torch
from lightning import LightningModule
from torch import Tensor, nn

from vae_granularity.densities.gaussian import kl_to_standard_normal
from vae_granularity.densities.noise import standard_normal, step_generator
from vae_granularity.distributed import gathered, mean_over_processes, own_rows, world
from vae_granularity.elbo import LatentTerms
from vae_granularity.errors import ArgumentError, integer, number
from vae_granularity.likelihoods.bernoulli import Bernoulli
from vae_granularity.likelihoods.gaussian import Gaussian
from vae_granularity.nets.base import Network
from vae_granularity.nets.conv64 import Conv64
from vae_granularity.nets.mlp import MLP
from vae_granularity.partition import LatentPartition
from vae_granularity.partitions.grouping import grouping
from vae_granularity.partitions.regrouping import regrouped
from vae_granularity.partitions.schedules import Constant, Schedule, Scheduled, schedule

OptimizerFactory = Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]
HyperparameterValues = Mapping[str, float | Tensor]  # at one step, by name
Loss = tuple[Tensor, LatentTerms | None]  # a scalar, and the four terms where it needs them
Granularity = int | Mapping[str, Any]  # or a schedule of it
Partition = Sequence[int] | Mapping[str, Any] | str | None  # as `grouping.grouping`
Batch = Tensor | Sequence[Any]  # images, or what begins with them

# Names the stream of samples on held-out images, apart from the training noise.
VALIDATION = 2


class LatentOptions(TypedDict, total=False):
    """What every model takes, as in conf/model; `LatentModel` says what each does."""

    latent_dim: int
    granularity: Granularity
    partition: Partition


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
    learning_rate: Schedule | None = None  # of the optimiser, where it changes with the step


class LatentModel(LightningModule):
    """Encoder, latent code whose dimensions come in groups, decoder, likelihood.

    Args:
        parts: network (whose `latent_dim` must be the one given here), likelihood, optimiser, seed.
        latent_dim: D.
        granularity: disentangling granularity, dimensions per group, in [1, D]; or a schedule of
            it (default 1).
        partition: sizes of the groups, which then replace `granularity`, or `adaptive`; None for
            equal groups.

    `dataset_size` (N, the number of training images) is the length of the training loader's data
    set unless it is set before.

    Raises:
        ArgumentError: in every model, an argument outside the range that its description states.
    """

    # Whether there is a posterior q(z|x), and so a KL, an ELBO and a total correlation.
    stochastic: ClassVar[bool]
    # Whether each latent takes few values: scores count them instead of measuring distances.
    discrete_codes: ClassVar[bool] = False
    # Whether the loss computes the four terms; if not, they are estimated where they are logged.
    decomposes: ClassVar[bool] = False
    gathers = False  # whether the loss sees the batches of all processes as one
    # Whether more than weights and step decides the next step: such a model trains alone.
    stateful: ClassVar[bool] = False
    undecayed: ClassVar[tuple[str, ...]] = ()  # parameters, besides vectors, without weight decay
    # Whether each step hands its terms to `self.log`. `train` has a callback for them instead,
    # which logs means over steps and makes no step wait.
    logs_terms = True

    def __init__(
        self,
        parts: Parts,
        latent_dim: int = 10,
        granularity: Granularity = 1,
        partition: Partition = None,
    ) -> None:
        super().__init__()
        found = parts.net.latent_dim
        if found != latent_dim:
            raise ArgumentError(
                f"net.latent_dim must equal model.latent_dim={latent_dim}, got {found}"
            )
        self.net = parts.net
        self.likelihood: Any = parts.likelihood  # nn.Module does not declare its methods
        self.optimizer_factory, self.learning_rate = parts.optimizer, parts.learning_rate
        self.grouping = grouping(latent_dim, granularity, partition)
        self.latent_dim = latent_dim
        self.seed = integer("seed", parts.seed, 0)
        self.schedules: dict[str, Schedule] = {}
        self.dataset_size: int | None = None
        self.partition = self.grouping.at(0)
        # And the step from which each holds.
        self.partitions: list[tuple[int, LatentPartition]] = [(0, self.partition)]
        self.register_buffer("membership", self.partition.membership(), persistent=False)

    @classmethod
    def default(
        cls,
        image_shape: Sequence[int],
        *,
        latent_dim: int = 10,
        net: Network | None = None,
        likelihood: nn.Module | None = None,
        learning_rate: float = 1e-3,
        seed: int = 0,
        **options: Any,
    ) -> Self:
        """Return a model of this kind with a usual network, likelihood and optimiser.

        Args:
            image_shape: (C, H, W) of images with values in [0, 1], or (n,) of vectors.
            latent_dim: D.
            net: None is `Conv64` for images, whose sides must be equal and a multiple of 16, and an
                `MLP` of 256 hidden units for vectors.
            likelihood: None is `Bernoulli` for images, `Gaussian` with standard deviation 0.1 for
                vectors.
            learning_rate: of Adam.
            seed: of the first weights and of the training noise.
            options: of the model: `granularity`, `beta` and so on.

        Raises:
            ArgumentError: an argument outside the range that its description states.
        """
        is_vector = len(image_shape) == 1
        network: Any = net
        if net is None:
            torch.manual_seed(integer("seed", seed, 0))
            network = (MLP if is_vector else Conv64)(image_shape, latent_dim)
            # Convolutions are up to a third faster (docs/speed.md).
            network.to(memory_format=torch.channels_last)
        if likelihood is None:
            likelihood = Gaussian() if is_vector else Bernoulli()
        rate = number("learning_rate", learning_rate, 0.0, above=True)
        optimizer = partial(torch.optim.Adam, lr=rate, fused=True)
        parts = Parts(network, likelihood, optimizer, seed)
        return cls(parts, latent_dim=latent_dim, **options)

    # What a variant says

    def objective(self, out: Forward, values: HyperparameterValues, membership: Tensor) -> Loss:
        """The loss (a mean over the batch, in nats) and the four terms where the loss needs them.

        Pure: what changes during training comes as an argument, so that one function serves every
        step and every member of a population. Called outside autocast.

        Args:
            out: of B images.
            values: of the hyperparameters, numbers or scalar tensors.
            membership: (D, G), of the partition.
        """
        raise TypeError(f"{type(self).__name__} must define objective()")

    def forward_pass(self, x: Tensor, noise: Tensor) -> Forward:
        """Encode x (B, *image_shape), draw z with the given noise (B, D), decode, score."""
        raise TypeError(f"{type(self).__name__} must define forward_pass()")

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """mu, logvar (B, D) of q(z|x) for images x (B, *image_shape)."""
        raise TypeError(f"{type(self).__name__} must define encode()")

    def logged(self, loss: Tensor, out: Forward, terms: LatentTerms | None) -> dict[str, Tensor]:
        """Scalars of one training batch by name."""
        return {"loss": loss.detach(), "reconstruction": out.log_px.mean()}

    def trained_parameters(self) -> Iterable[nn.Parameter]:
        """What the optimiser of the config trains."""
        return self.parameters()

    def warnings(self, steps: int) -> list[str]:
        """What the user should know before a run of that many steps, if anything."""
        return []

    def after_step(self, step: int) -> None:
        """Called after the optimiser's step `step`, before anything is saved."""

    # What all share

    def scheduled(
        self, name: str, value: Scheduled, low: float = float("-inf"), high: float = float("inf")
    ) -> None:
        """Declare a hyperparameter that may be a schedule of the step.

        Raises:
            ArgumentError: a value outside [low, high].
        """
        self.schedules[name] = schedule(f"model.{name}", value, low, high)

    def hyperparameters(self, step: int) -> dict[str, float | Tensor]:
        """The hyperparameters at a training step, by name."""
        return {name: at(step) for name, at in self.schedules.items()}

    def scheduled_values(self, step: int) -> dict[str, float | Tensor]:
        """What changes during training, the number of groups included, at a step, by log key."""
        now = self.hyperparameters(step)
        moving = [name for name, at in self.schedules.items() if not isinstance(at, Constant)]
        found = {f"schedule/{name}": now[name] for name in moving}
        if self.learning_rate is not None:
            found["schedule/lr"] = self.learning_rate(step)
        if self.grouping.moves:
            partition = next(p for first, p in reversed(self.partitions) if first <= step)
            found["schedule/num_groups"] = float(partition.num_groups)
        return found

    def decode(self, z: Tensor) -> Tensor:
        """Means of p(x|z), (B, *image_shape), for z (B, D)."""
        return self.likelihood.mean(full(self.net.decode(z)))

    def loss_and_logs(
        self, x: Tensor, noise: Tensor, values: HyperparameterValues, membership: Tensor
    ) -> tuple[Tensor, dict[str, Tensor], Forward]:
        """All tensor work of a step: loss with gradient, scalars to log, the forward pass.

        Args:
            x: (B, *image_shape).
            noise: (B, D), standard normal.
            values: of the hyperparameters, numbers or scalar tensors.
            membership: (D, G), of the partition.
        """
        out = self.forward_pass(x, noise)
        if self.gathers:
            out = Forward(*map(gathered, out))
        with torch.autocast(x.device.type, enabled=False):
            loss, terms = self.objective(out, values, membership)
            with torch.no_grad():
                logged = self.logged(loss, out, terms)
        return loss, logged, Forward(*(field.detach() for field in out))

    def train_batch(self, images: Tensor, step: int) -> dict[str, Any]:
        """Return loss, terms and forward pass of one batch at a step.

        Noise and schedules are functions of the step: a run that was stopped continues as if it had
        not been.

        Args:
            images: (B, *image_shape).
            step: optimiser steps that were taken before.
        """
        shape = len(images) * world()[1], self.latent_dim
        noise = own_rows(standard_normal(self.seed, step, shape, like=images))
        values = self.hyperparameters(step)
        loss, logged, out = self.loss_and_logs(images, noise, values, self.membership)
        # Filled on the device: a copy from the host would make it wait.
        scheduled = self.scheduled_values(step)
        moving = {name: loss.new_full((), float(value)) for name, value in scheduled.items()}
        return {"loss": loss, "terms": logged | moving, "forward": out}

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """Take a training step of Lightning's loop, over one epoch or many.

        Args:
            batch: images (B, *image_shape), or a tuple or list that begins with them.
            batch_idx: not used: it begins anew in each epoch.
        """
        images = images_of(batch)
        outputs = self.train_batch(images, self.global_step)
        if self.logs_terms:
            named = {f"train/{name}": value for name, value in outputs["terms"].items()}
            self.log_dict(named, batch_size=len(images))
        return outputs

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log the ELBO and its parts on held-out images as `val/elbo`, `val/kl` and so on, in nats.

        The sample of each posterior is a function of the seed and of the batch's number.
        """
        images = images_of(batch)
        shape = (len(images), self.latent_dim)
        generator = step_generator(self.seed, batch_idx, images.device, stream=VALIDATION)
        noise = torch.randn(shape, generator=generator, dtype=images.dtype, device=images.device)
        out = self.forward_pass(images, noise)
        terms = self.logged(out.log_px.new_zeros(()), out, None)
        for name in ("elbo", "reconstruction", "kl"):
            if name in terms:
                self.log(
                    f"val/{name}", terms[name], batch_size=len(images), sync_dist=world()[1] > 1
                )

    def on_train_start(self) -> None:
        """Take the number of training images from the loader, where nobody has set it."""
        if self.dataset_size is None:
            trainer: Any = self.trainer
            images = getattr(trainer.train_dataloader, "dataset", None)
            if images is not None and hasattr(images, "__len__"):
                self.dataset_size = len(images)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The optimiser of the config; weight decay spares vectors and what `undecayed` names."""
        optimizer = self.optimizer_factory(self.trained_parameters())
        (group,) = optimizer.param_groups
        if group.get("weight_decay"):
            spared = {self.get_parameter(name) for name in self.undecayed}
            spared |= {p for p in group["params"] if p.ndim < 2}
            rest = [p for p in group["params"] if p in spared]
            group["params"] = [p for p in group["params"] if p not in spared]
            optimizer.add_param_group({**group, "params": rest, "weight_decay": 0.0})
        return optimizer

    def set_learning_rate(self, optimizer: Any, step: int) -> None:
        """Give the optimiser the learning rate of training step `step`, if that is scheduled."""
        if self.learning_rate is not None:
            for group in optimizer.param_groups:
                group["lr"] = self.learning_rate(step)

    def optimizer_step(
        self,
        epoch: int,
        batch_idx: int,
        optimizer: Any,
        optimizer_closure: Callable[[], Any] | None = None,
    ) -> None:
        step = self.global_step
        self.set_learning_rate(optimizer, step)
        super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        self.after_step(step)
        if world()[1] > 1:  # what batch norm follows is each process's own
            for buffer in self.net.buffers():
                if buffer.is_floating_point():
                    buffer.copy_(mean_over_processes(buffer))

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        self.prepare_step(self.global_step)

    def prepare_step(self, step: int) -> None:
        """Adopt the partition that holds from a step on."""
        rule = self.grouping.regrouping
        if self.grouping.scheduled:
            self._adopt(step, self.grouping.at(step))
        elif rule is not None and rule.due(step):
            trainer: Any = self.trainer  # Lightning sets `datamodule` without declaring it
            self._adopt(step, regrouped(self, trainer.datamodule, step, rule))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        groups = [(step, map(list, partition.groups)) for step, partition in self.partitions]
        checkpoint["partitions"] = [[step, list(part)] for step, part in groups]

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
        device, dtype = self.membership.device, self.membership.dtype
        self.membership = partition.membership(dtype=dtype).to(device)


def images_of(batch: Batch) -> Tensor:
    """Return the images of a batch: itself, or the first entry of a tuple or list.

    Raises:
        ArgumentError: there are none.
    """
    images = batch[0] if isinstance(batch, (tuple, list)) and batch else batch
    if not isinstance(images, Tensor):
        raise ArgumentError(
            "a batch must be a tensor of images (B, *image_shape), or a tuple or list that begins "
            f"with one, got {type(batch).__name__}"
        )
    return images


def full(x: Tensor) -> Tensor:
    """Half precision from an autocast network becomes float32; float32 and float64 stay."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x

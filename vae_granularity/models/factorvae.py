"""The FactorVAE, with the partition deciding what its discriminator shuffles."""

from collections.abc import Iterable, Mapping
from typing import Any, Unpack

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from vae_granularity.densities.noise import step_generator
from vae_granularity.distributed import mean_over_processes
from vae_granularity.elbo import LatentTerms
from vae_granularity.errors import integer, number
from vae_granularity.models.base import Forward, HyperparameterValues, Loss, Parts, Scheduled
from vae_granularity.models.gaussian_vae import GaussianOptions, GaussianVAE
from vae_granularity.nets.base import dense

SHUFFLES = 1  # names the stream of random permutations of a seed, apart from the training noise


class FactorVAE(GaussianVAE):
    """The VAE's loss + tc_weight E[log d(z) - log(1 - d(z))], d a discriminator of codes against
    shuffled codes.

    Kim and Mnih, arXiv 1802.05983, eq. 2. Codes are shuffled over the batch group by group, so that
    the ratio estimates the total correlation between groups; with granularity 1 it is the published
    model. As in disentanglement_lib, one batch serves both players. The discriminator takes its
    step by hand, after the optimiser's and not counted by Lightning: the global step counts
    batches. On several processes its gradient is the mean of theirs.

    Args:
        tc_weight: >= 0, or a schedule (the paper's gamma).
        discriminator_lr: learning rate of the discriminator's Adam (betas 0.5, 0.9), > 0.
        discriminator_warmup: steps in which only the discriminator learns from the codes, before
            tc_weight acts.
        discriminator_units, discriminator_layers: size of its hidden layers, >= 1.
        others: as `GaussianVAE`.
    """

    stateful = True  # the discriminator and its optimiser

    def __init__(
        self,
        parts: Parts,
        tc_weight: Scheduled = 10.0,
        discriminator_lr: float = 1e-4,
        discriminator_warmup: int = 0,
        discriminator_units: int = 1000,
        discriminator_layers: int = 6,
        **options: Unpack[GaussianOptions],
    ) -> None:
        super().__init__(parts, **options)
        self.scheduled("tc_weight", tc_weight, 0.0)
        self.discriminator_lr = number("model.discriminator_lr", discriminator_lr, 0.0, above=True)
        self.discriminator_warmup = integer("model.discriminator_warmup", discriminator_warmup, 0)
        units = integer("model.discriminator_units", discriminator_units, 1)
        layers = integer("model.discriminator_layers", discriminator_layers, 1)
        # Frozen but for its own step: the data-parallel wrapper waits for the gradient of every
        # parameter that wants one, and would never synchronise encoder and decoder.
        self.discriminator = Discriminator(self.latent_dim, units, layers).requires_grad_(False)
        self._optimizer: torch.optim.Optimizer | None = None
        self._optimizer_state: dict[str, Any] | None = None
        # Of the last batch.
        self._codes, self._ratio = torch.empty(0, self.latent_dim), torch.empty(())

    def hyperparameters(self, step: int) -> dict[str, float | Tensor]:
        values = super().hyperparameters(step)
        return values | {"tc_weight": 0.0} if step < self.discriminator_warmup else values

    def objective(self, out: Forward, values: HyperparameterValues, membership: Tensor) -> Loss:
        ratio = self.discriminator(out.z).mean()  # of log q(z) - sum_g log q(z_g)
        self._codes, self._ratio = out.z.detach(), ratio.detach()
        return (out.kl - out.log_px).mean() + values["tc_weight"] * ratio, None

    def logged(self, loss: Tensor, out: Forward, terms: LatentTerms | None) -> dict[str, Tensor]:
        return super().logged(loss, out, terms) | {"discriminator_tc": self._ratio}

    def trained_parameters(self) -> Iterable[nn.Parameter]:
        return [parameter for parameter in self.parameters() if parameter.requires_grad]

    def after_step(self, step: int) -> None:
        optimizer, parameters = self._discriminator_optimizer(), [*self.discriminator.parameters()]
        self.discriminator.requires_grad_(True)
        generator = step_generator(self.seed, step, self.device, stream=SHUFFLES)
        with torch.autocast(self.device.type, enabled=False):
            shuffled = shuffle_groups(self._codes, self.membership, generator)
            loss = discriminator_loss(self.discriminator, self._codes, shuffled)
        gradients = torch.autograd.grad(loss, parameters)
        self.discriminator.requires_grad_(False)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = mean_over_processes(gradient)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        checkpoint["discriminator_optimizer"] = self._discriminator_optimizer().state_dict()

    def on_load_checkpoint(self, checkpoint: Mapping[str, Any]) -> None:
        super().on_load_checkpoint(checkpoint)
        self._optimizer, self._optimizer_state = None, checkpoint["discriminator_optimizer"]

    def _discriminator_optimizer(self) -> torch.optim.Optimizer:
        # Made at its first use: by then the parameters are on their device, where a loaded state
        # has to go.
        if self._optimizer is None:
            how = {"lr": self.discriminator_lr, "betas": (0.5, 0.9), "fused": True}
            self._optimizer = torch.optim.Adam(self.discriminator.parameters(), **how)
            if self._optimizer_state is not None:
                self._optimizer.load_state_dict(self._optimizer_state)
        return self._optimizer


class Leaky(nn.LeakyReLU):
    """Slope 0.2, as published."""

    def __init__(self) -> None:
        super().__init__(0.2)


class Discriminator(nn.Sequential):
    """z (B, D) to the logit log d(z) - log(1 - d(z)) (B,) that z is a code and no shuffled one
    (arXiv 1802.05983, appendix A).

    Fully connected, leaky ReLU; the published one has two logits, of which only the difference
    counts.
    """

    def __init__(self, latent_dim: int, units: int, layers: int) -> None:
        super().__init__(
            *dense([latent_dim, *([units] * layers), 1], Leaky, last=False), nn.Flatten(0)
        )


def shuffle_groups(z: Tensor, membership: Tensor, generator: torch.Generator) -> Tensor:
    """z (B, D) with each group of dimensions permuted over the batch as a block: a sample of about
    the product of the q(z_g).

    With groups of one dimension it is the published `permute_dims` (arXiv 1802.05983, algorithm 1).

    Args:
        membership: (D, G) 0/1.
    """
    keys = torch.rand(membership.shape[1], len(z), generator=generator, device=z.device)
    # (D, B): the same permutation for all dimensions of a group
    rows = keys.argsort(1)[membership.argmax(1)]
    return z.gather(0, rows.t())


def discriminator_loss(discriminator: nn.Module, codes: Tensor, shuffled: Tensor) -> Tensor:
    """Cross-entropy of telling codes from shuffled codes, both (B, D), in nats; log 2 is chance
    (arXiv 1802.05983, eq. 3).
    """
    logits = discriminator(torch.cat((codes, shuffled)))
    labels = torch.cat((torch.ones(len(codes)), torch.zeros(len(shuffled)))).to(logits)
    return binary_cross_entropy_with_logits(logits, labels)

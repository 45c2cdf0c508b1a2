"""The FactorVAE, with the partition deciding what its discriminator shuffles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Unpack

import torch
from torch import Tensor, nn

from vae_granularity.densities.noise import step_generator
from vae_granularity.distributed import mean_over_processes
from vae_granularity.elbo import LatentTerms
from vae_granularity.errors import integer, number
from vae_granularity.models.base import Forward, HyperparameterValues, Parts, Scheduled
from vae_granularity.models.discriminator import Discriminator, discriminator_loss, shuffle_groups
from vae_granularity.models.gaussian_vae import GaussianOptions, GaussianVAE

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

    Raises:
        ArgumentError: an argument is out of range, or as `GaussianVAE`.
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

    def objective(
        self, out: Forward, values: HyperparameterValues, membership: Tensor
    ) -> tuple[Tensor, LatentTerms | None]:
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
            loss = discriminator_loss(
                self.discriminator,
                self._codes,
                shuffle_groups(self._codes, self.membership, generator),
            )
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
            self._optimizer = torch.optim.Adam(
                self.discriminator.parameters(),
                lr=self.discriminator_lr,
                betas=(0.5, 0.9),
                fused=True,
            )
            if self._optimizer_state is not None:
                self._optimizer.load_state_dict(self._optimizer_state)
        return self._optimizer

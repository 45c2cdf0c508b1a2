"""The one training step of every VAE with a Gaussian posterior. Variants say what the loss is, nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import torch
from lightning import LightningModule
from torch import Tensor, nn

from vae_granularity.checks import choice, integer
from vae_granularity.elbo import LatentTerms, decompose, weighted_elbo
from vae_granularity.errors import ArgumentError
from vae_granularity.estimators import ESTIMATORS
from vae_granularity.gaussian import kl_to_standard_normal, reparametrise
from vae_granularity.nets.base import Network
from vae_granularity.noise import standard_normal
from vae_granularity.partition import LatentPartition

OptimizerFactory = Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]


class Forward(NamedTuple):
    """One pass through encoder and decoder; B images, D latent dimensions, in nats."""

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


class GaussianVAE(LightningModule):
    """A VAE with q(z|x) = N(mu(x), diag sigma²(x)), p(z) = N(0, I), whose latent dimensions come in groups.

    Args:
        parts: network (whose `latent_dim` must be the one given here), likelihood, optimiser, seed.
        latent_dim: D.
        granularity: disentangling granularity, dimensions per group, in [1, D].
        partition: sizes of the groups, which then replace `granularity`; None for equal groups.
        estimator: of the aggregate posterior in the minibatch terms: `mws`, `mss` or `stratified`.

    `dataset_size` (N, the number of training images) is set by whoever attaches the data.

    Raises:
        ArgumentError: an argument is out of range.
    """

    # Whether the loss computes the four terms; if not, they are estimated where they are logged.
    decomposes = False

    def __init__(self, parts: Parts, latent_dim: int, granularity: int, partition: Sequence[int] | None, estimator: str) -> None:
        super().__init__()
        if parts.net.latent_dim != latent_dim:
            raise ArgumentError(f"net.latent_dim must equal model.latent_dim={latent_dim}, got {parts.net.latent_dim}")
        self.net, self.likelihood, self.optimizer_factory = parts.net, parts.likelihood, parts.optimizer
        self.partition = make_partition(latent_dim, granularity, partition)
        self.latent_dim = self.partition.latent_dim
        self.estimator = choice("model.estimator", estimator, ESTIMATORS)
        self.seed = integer("seed", parts.seed, 0)
        self.dataset_size: int | None = None
        self.register_buffer("membership", self.partition.membership(), persistent=False)

    def objective(self, out: Forward) -> tuple[Tensor, LatentTerms | None]:
        """The loss (a mean over the batch, in nats) and the four terms where the loss needs them. Called outside autocast."""
        raise TypeError(f"{type(self).__name__} must define objective()")

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """mu, logvar (B, D) of q(z|x) for images x (B, *image_shape)."""
        mu, logvar = self.net.encode(x)
        return _full(mu), _full(logvar)

    def decode(self, z: Tensor) -> Tensor:
        """Means of p(x|z), (B, *image_shape), for z (B, D)."""
        return self.likelihood.mean(_full(self.net.decode(z)))

    def run(self, x: Tensor, noise: Tensor) -> Forward:
        """Encode, sample with the given noise (B, D), decode, score."""
        mu, logvar = self.encode(x)
        z = reparametrise(mu, logvar, noise)
        return Forward(self.likelihood.log_prob(_full(self.net.decode(z)), x), z, mu, logvar)

    def minibatch_terms(self, out: Forward) -> LatentTerms:
        """The four terms of a training batch by the model's estimator."""
        if self.dataset_size is None:
            raise ArgumentError("dataset_size must be set to the number of training images before the terms are estimated, got None")
        return decompose(
            z=out.z, mu=out.mu, logvar=out.logvar, partition=self.membership, dataset_size=self.dataset_size, estimator=self.estimator
        )

    def training_step(self, batch: Tensor, batch_idx: int) -> dict[str, Any]:
        noise = standard_normal(self.seed, batch_idx, (len(batch), self.latent_dim), like=batch)
        out = self.run(batch, noise)
        with torch.autocast(batch.device.type, enabled=False):
            loss, terms = self.objective(out)
            with torch.no_grad():
                logged = batch_means(loss, out, terms)
        return {"loss": loss, "terms": logged, "forward": Forward(*(field.detach() for field in out))}

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return self.optimizer_factory(self.parameters())


class WeightedVAE(GaussianVAE):
    """A factorised VAE: its loss is a weighting of the four terms, estimated from the batch."""

    decomposes = True

    def weights(self) -> dict[str, float]:
        """The weights of mutual_information, between_group_tc, within_group_tc and dimension_kl."""
        raise TypeError(f"{type(self).__name__} must define weights()")

    def objective(self, out: Forward) -> tuple[Tensor, LatentTerms | None]:
        terms = self.minibatch_terms(out)
        return -weighted_elbo(out.log_px, terms, **self.weights()).mean(), terms


def make_partition(latent_dim: int, granularity: int, sizes: Sequence[int] | None) -> LatentPartition:
    """The partition that `model.partition` (sizes) names, or equal groups of `model.granularity`.

    Raises:
        ArgumentError: as `LatentPartition`.
    """
    if sizes is None:
        return LatentPartition.from_granularity(latent_dim, granularity)
    return LatentPartition.from_sizes(list(sizes), latent_dim)


def batch_means(loss: Tensor, out: Forward, terms: LatentTerms | None) -> dict[str, Tensor]:
    """Scalars of one training batch by name; the decomposition's names stand under the estimator's when logged."""
    kl = out.kl.mean()
    reconstruction = out.log_px.mean()
    means = {"loss": loss.detach(), "elbo": reconstruction - kl, "reconstruction": reconstruction, "kl": kl}
    return means if terms is None else means | term_means(terms)


def term_means(terms: LatentTerms) -> dict[str, Tensor]:
    """The four terms: means over samples, TC_within summed over groups."""
    return {
        "mutual_information": terms.mutual_information.mean(),
        "between_group_tc": terms.between_group_tc.mean(),
        "within_group_tc": terms.within_group_tc.sum(-1).mean(),
        "dimension_kl": terms.dimension_kl.mean(),
    }


def _full(x: Tensor) -> Tensor:
    """Half precision from an autocast network becomes float32; float32 and float64 stay."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x

"""VAEs with a Gaussian posterior, and those whose loss weighs the four terms of the KL."""

from typing import Unpack

import torch
from torch import Tensor

from vae_granularity.densities.estimators import ESTIMATORS
from vae_granularity.densities.gaussian import reparametrise
from vae_granularity.elbo import LatentTerms, collapse_cost, decompose, weighted_elbo
from vae_granularity.errors import ArgumentError, choice
from vae_granularity.models.base import (
    Forward,
    HyperparameterValues,
    LatentModel,
    LatentOptions,
    Loss,
    Parts,
    full,
)


class GaussianOptions(LatentOptions, total=False):
    """What every model with a Gaussian posterior takes, as in conf/model."""

    estimator: str


class GaussianVAE(LatentModel):
    """A VAE with q(z|x) = N(mu(x), diag sigma²(x)) and p(z) = N(0, I).

    Args:
        estimator: of the aggregate posterior in the minibatch terms: `mws` (default), `mss` or
            `stratified`.
        others: as `LatentModel`.
    """

    stochastic = True

    def __init__(
        self, parts: Parts, *, estimator: str = "mws", **options: Unpack[LatentOptions]
    ) -> None:
        super().__init__(parts, **options)
        self.estimator = choice("model.estimator", estimator, ESTIMATORS)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mu, logvar = self.net.encode(x)
        return full(mu), full(logvar)

    def forward_pass(self, x: Tensor, noise: Tensor) -> Forward:
        mu, logvar = self.encode(x)
        z = reparametrise(mu, logvar, noise)
        output = full(self.net.decode(z))
        return Forward(x, output, self.likelihood.log_prob(output, x), z, mu, logvar)

    def minibatch_terms(self, out: Forward, membership: Tensor) -> LatentTerms:
        """The four terms of a training batch by the model's estimator; membership (D, G)."""
        if self.dataset_size is None:
            need = "dataset_size must be set to the number of training images"
            raise ArgumentError(f"{need} before the terms are estimated, got None")
        how = {"dataset_size": self.dataset_size, "estimator": self.estimator}
        return decompose(z=out.z, mu=out.mu, logvar=out.logvar, partition=membership, **how)

    def logged(self, loss: Tensor, out: Forward, terms: LatentTerms | None) -> dict[str, Tensor]:
        kl, reconstruction = torch.stack((out.kl, out.log_px)).mean(1).unbind()
        means = {"loss": loss.detach(), "elbo": reconstruction - kl}
        means |= {"reconstruction": reconstruction, "kl": kl}
        # Posteriors that become points saturate every estimate of TC. Typical ones of a dimension
        # count: a few sharp posteriors leave the ELBO unharmed (experiments/stability).
        means["sharpest_dimension_sigma"] = (0.5 * out.logvar.mean(0).min()).exp()
        return means if terms is None else means | term_means(terms)


class WeightedVAE(GaussianVAE):
    """A factorised VAE: its loss is a weighting of the four terms, estimated from the batch."""

    decomposes = True

    def weights(self, values: HyperparameterValues) -> dict[str, float | Tensor]:
        """The weights of mutual_information, between_group_tc, within_group_tc and dimension_kl."""
        raise TypeError(f"{type(self).__name__} must define weights()")

    def warnings(self, steps: int) -> list[str]:
        for step in (0, steps - 1):
            weights = self.weights(self.hyperparameters(step))
            inner = {name: float(w) for name, w in weights.items() if name != "dimension_kl"}
            cost = collapse_cost(self.grouping.at(step), **inner)
            if cost < 0:
                sizes = "+".join(map(str, self.grouping.at(step).sizes))
                return [
                    f"this objective rewards zero-variance posteriors: for groups of {sizes}, "
                    f"w_I + w_between (G-1) + w_within (D-G) = {cost:g} < 0. A within_group_weight "
                    "nearer to 0 or a smaller granularity avoids it (see experiments/stability)"
                ]
        return []

    def objective(self, out: Forward, values: HyperparameterValues, membership: Tensor) -> Loss:
        terms = self.minibatch_terms(out, membership)
        return -weighted_elbo(out.log_px, terms, **self.weights(values)).mean(), terms


def term_means(terms: LatentTerms) -> dict[str, Tensor]:
    """The four terms: means over samples, TC_within summed over groups."""
    names = ("mutual_information", "between_group_tc", "within_group_tc", "dimension_kl")
    values = (
        terms.mutual_information,
        terms.between_group_tc,
        terms.within_group_tc.sum(-1),
        terms.dimension_kl,
    )
    return dict(zip(names, torch.stack(values).mean(1).unbind(), strict=True))

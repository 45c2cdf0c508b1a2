"""The numbers that runs are compared by: the plain ELBO on held-out images and the exact terms. In nats."""

from __future__ import annotations

import numpy as np
import torch

from vae_granularity.data.base import ImageDataModule
from vae_granularity.elbo import decompose_exact
from vae_granularity.evaluation.encoding import encode_table, evaluation_mode, image_batches, subset
from vae_granularity.evaluation.protocol import EvaluationProtocol
from vae_granularity.gaussian import reparametrise
from vae_granularity.models.base import LatentModel, term_means
from vae_granularity.noise import standard_normal


def held_out_elbo(model: LatentModel, data: ImageDataModule, indices: np.ndarray, protocol: EvaluationProtocol) -> dict[str, float]:
    """elbo, reconstruction and kl on the images of `indices` (n,): the plain ELBO with the analytic KL, one sample of z an image.

    The noise of image i depends on (seed, i) alone, not on the batch size. `reconstruction` is E log p(x|z); elbo = reconstruction - kl.
    """
    sums = torch.zeros(2, dtype=torch.float64)
    noise = standard_normal(protocol.seed, 0, (len(indices), model.latent_dim), like=torch.zeros(()))
    with evaluation_mode(model):
        start = 0
        for x in image_batches(data, indices, protocol.batch_size, model.device):
            out = model.run(x, noise[start : start + len(x)].to(x.device))
            sums += torch.stack((out.log_px.double().sum(), out.kl.double().sum())).cpu()
            start += len(x)
    reconstruction, kl = (sums / len(indices)).tolist()
    return {"elbo": reconstruction - kl, "reconstruction": reconstruction, "kl": kl}


def exact_terms(model: LatentModel, data: ImageDataModule, protocol: EvaluationProtocol) -> dict[str, float]:
    """The four terms under the mixture of the posteriors of (a seeded subset of) the training images, and TC_within of each group.

    Float32 and chunked; M = `num_components` posteriors with weight 1/M, S = `num_samples` draws from it.
    """
    components = encode_table(model, data, subset(data.train_indices, protocol.num_components, protocol.seed), protocol.batch_size)
    generator = np.random.default_rng(protocol.seed)
    component = torch.from_numpy(generator.integers(len(components.mu), size=protocol.num_samples))
    noise = standard_normal(protocol.seed, 1, (protocol.num_samples, model.latent_dim), like=components.mu)
    z = reparametrise(components.mu[component], components.logvar[component], noise)
    terms = decompose_exact(z, components.mu, components.logvar, partition=model.partition, component=component)
    values = {name: value.item() for name, value in term_means(terms).items()}
    groups = terms.within_group_tc.mean(0).tolist()
    labelled = zip(model.partition.groups, model.partition.labels, groups, strict=True)
    return values | {f"within_group_tc/{label}": value for group, label, value in labelled if len(group) > 1}

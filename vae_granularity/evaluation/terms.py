"""The numbers that runs are compared by: the plain ELBO on held-out images and the exact terms. In
nats.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
import torch

from vae_granularity.data.base import ImageDataModule
from vae_granularity.densities.gaussian import reparametrise
from vae_granularity.densities.noise import standard_normal
from vae_granularity.elbo import decompose_exact
from vae_granularity.evaluation.encoding import encode_table, evaluation_mode, image_batches, subset
from vae_granularity.evaluation.protocol import EvaluationProtocol
from vae_granularity.evaluation.request import asked_of_terms
from vae_granularity.metrics.core.progress_bar import announced
from vae_granularity.metrics.core.saturation import Saturation, mi_saturation, tc_saturation
from vae_granularity.models.base import LatentModel
from vae_granularity.models.gaussian_vae import term_means
from vae_granularity.partition import LatentPartition

EXACT = ("mutual_information", "between_group_tc", "within_group_tc", "dimension_kl")
NO_POSTERIOR = "needs q(z|x): the model has no posterior"


class Terms(NamedTuple):
    """Values by name (None where the model has no such term), their protocol, and why terms are
    missing.
    """

    values: dict[str, float | None]
    protocol: dict[str, Any]
    not_applicable: dict[str, str]


def measure_terms(
    model: LatentModel, data: ImageDataModule, protocol: EvaluationProtocol, *, test: bool
) -> Terms:
    """Held-out ELBO and exact terms, under `val/`; with `test`, the ELBO of the official test
    images under `test/`, where there are any.
    """
    held_out = data.val_indices if len(data.val_indices) else data.train_indices
    images = subset(held_out, protocol.num_images, protocol.seed)
    values: dict[str, float | None] = {
        f"val/{name}": value for name, value in held_out_elbo(model, data, images, protocol).items()
    }
    how: dict[str, Any] = {
        "asked": asked_of_terms(protocol, [list(group) for group in model.partition.groups]),
        "likelihood": type(model.likelihood).__name__,
        "val": "held-out training images"
        if len(data.val_indices)
        else "training images (dataset.val_fraction is 0)",
        "val_images": len(images),
        "elbo": "plain: E log p(x|z) - analytic KL, one sample of z an image, summed over pixels",
    }
    if model.stochastic:
        exact = exact_terms(model, data, protocol)
        values |= {f"val/{name}": value for name, value in exact.items()}
        components = min(protocol.num_components, data.train_size)
        bounds = saturations(exact, model.partition, components)
        how |= {
            "exact_components": components,
            "exact_components_from": "training images",
            "saturation": {f"val/{name}": asdict(found) for name, found in bounds.items()},
        }
    else:
        values |= dict.fromkeys(f"val/{name}" for name in EXACT)
    if test and data.test_indices is not None:
        images = subset(data.test_indices, protocol.num_images, protocol.seed)
        values |= {
            f"test/{name}": value
            for name, value in held_out_elbo(model, data, images, protocol).items()
        }
        how["test_images"] = len(images)
    return Terms(
        values,
        how,
        {}
        if model.stochastic
        else dict.fromkeys(("elbo", "kl", *EXACT, "active_kl"), NO_POSTERIOR),
    )


def held_out_elbo(
    model: LatentModel, data: ImageDataModule, indices: np.ndarray, protocol: EvaluationProtocol
) -> dict[str, float | None]:
    """elbo, reconstruction and kl on the images of `indices` (n,): the plain ELBO with the analytic
    KL, one sample of z an image.

    The noise of image i depends on (seed, i) alone, not on the batch size. `reconstruction` is E
    log p(x|z); elbo = reconstruction - kl. A model without posterior has neither KL nor ELBO.
    """
    sums = torch.zeros(2, dtype=torch.float64)
    noise = standard_normal(
        protocol.seed, 0, (len(indices), model.latent_dim), like=torch.zeros(())
    )
    with evaluation_mode(model):
        start = 0
        for x in image_batches(data, indices, protocol.batch_size, model.device):
            out = model.run(x, noise[start : start + len(x)].to(x.device))
            kl = (
                out.kl.double().sum()
                if model.stochastic
                else out.log_px.new_zeros((), dtype=torch.float64)
            )
            sums += torch.stack((out.log_px.double().sum(), kl)).cpu()
            start += len(x)
    reconstruction, kl = (sums / len(indices)).tolist()
    if not model.stochastic:
        return {"elbo": None, "reconstruction": reconstruction, "kl": None}
    return {"elbo": reconstruction - kl, "reconstruction": reconstruction, "kl": kl}


def exact_terms(
    model: LatentModel, data: ImageDataModule, protocol: EvaluationProtocol
) -> dict[str, float]:
    """The four terms under the mixture of the posteriors of (a seeded subset of) the training
    images, and TC_within of each group.

    Float32 and chunked; M = `num_components` posteriors with weight 1/M, S = `num_samples` draws
    from it.
    """
    components = encode_table(
        model,
        data,
        subset(data.train_indices, protocol.num_components, protocol.seed),
        protocol.batch_size,
    )
    generator = np.random.default_rng(protocol.seed)
    component = torch.from_numpy(generator.integers(len(components.mu), size=protocol.num_samples))
    noise = standard_normal(
        protocol.seed, 1, (protocol.num_samples, model.latent_dim), like=components.mu
    )
    z = reparametrise(components.mu[component], components.logvar[component], noise)
    with announced("exact terms", len(z) * len(components.mu), model.latent_dim) as progress:
        terms = decompose_exact(
            z,
            components.mu,
            components.logvar,
            partition=model.partition,
            component=component,
            progress=progress,
        )
    values = {name: value.item() for name, value in term_means(terms).items()}
    groups = terms.within_group_tc.mean(0).tolist()
    labelled = zip(model.partition.groups, model.partition.labels, groups, strict=True)
    return values | {
        f"within_group_tc/{label}": value for group, label, value in labelled if len(group) > 1
    }


def saturations(
    exact: dict[str, float], partition: LatentPartition, num_components: int
) -> dict[str, Saturation]:
    """The bounds that M components set to the mutual information and to each total correlation, by
    term.
    """
    dim, groups = partition.latent_dim, partition.num_groups
    found = {
        "mutual_information": mi_saturation(exact["mutual_information"], num_components),
        "between_group_tc": tc_saturation(exact["between_group_tc"], groups, num_components),
        # The sum over groups: |g| - 1 for each.
        "within_group_tc": tc_saturation(
            exact["within_group_tc"], dim - groups + 1, num_components
        ),
    }
    for group, label in zip(partition.groups, partition.labels, strict=True):
        if len(group) > 1:
            name = f"within_group_tc/{label}"
            found[name] = tc_saturation(exact[name], len(group), num_components)
    return found

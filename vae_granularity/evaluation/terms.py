"""The numbers runs are compared by: the plain ELBO of held-out images, the exact terms. In nats."""

from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
import torch

from vae_granularity.data.base import ImageDataModule
from vae_granularity.densities.gaussian import reparametrise
from vae_granularity.densities.noise import standard_normal
from vae_granularity.elbo import bracket_exact
from vae_granularity.evaluation.encoding import encode_table, evaluation_mode, image_batches, subset
from vae_granularity.evaluation.protocol import EvaluationProtocol
from vae_granularity.evaluation.score_table import DEPENDENT
from vae_granularity.metrics.core.progress_bar import progress_bar
from vae_granularity.metrics.core.saturation import Saturation, mi_saturation, tc_saturation
from vae_granularity.models.base import LatentModel
from vae_granularity.models.gaussian_vae import term_means
from vae_granularity.partition import LatentPartition

EXACT = ("mutual_information", "between_group_tc", "within_group_tc", "dimension_kl")
# Nats between the bounds of an exact term from which it is marked, and the same as a share of it.
WIDE_NATS, WIDE_SHARE = 0.5, 0.1
NO_POSTERIOR = "needs q(z|x): the model has no posterior"
HELD_OUT, NO_SPLIT = "held-out training images", "training images (dataset.val_fraction is 0)"
ELBO = "plain: E log p(x|z) - analytic KL, one sample of z an image, summed over pixels"


class Terms(NamedTuple):
    """Values by name (None where the model has no such term), their protocol, what is missing."""

    values: dict[str, float | None]
    protocol: dict[str, Any]
    not_applicable: dict[str, str]  # term to reason


def measure_terms(
    model: LatentModel, data: ImageDataModule, protocol: EvaluationProtocol, *, test: bool
) -> Terms:
    """Held-out ELBO and exact terms, under `val/`.

    With `test`, also the ELBO of the official test images under `test/`, where there are any. Where
    factors depend on each other in training, the same also of images drawn so, under names that end
    in `DEPENDENT`: held-out images for the ELBO, training images for the exact terms.
    """
    values: dict[str, float | None] = {}
    how: dict[str, Any] = {"likelihood": type(model.likelihood).__name__, "elbo": ELBO}

    def measure(part: str, images: np.ndarray, end: str = "") -> None:
        found = held_out_elbo(model, data, images, protocol)
        values.update({f"{part}/{name}{end}": value for name, value in found.items()})
        how[f"{part}_images{end}"] = len(images)

    how["val"] = HELD_OUT if len(data.val_indices) else NO_SPLIT
    held_out = data.val_indices if len(data.val_indices) else data.train_indices
    size, seed = (protocol.num_images, protocol.num_components), protocol.seed
    measure("val", subset(held_out, size[0], seed))
    components = {"": subset(data.train_indices, size[1], seed)}
    if data.dependence is not None:
        count = len(components[""])
        components[DEPENDENT] = data.draw_dependent(data.train_indices, count, seed)
        count = min(size[0], len(held_out))
        measure("val", data.draw_dependent(held_out, count, seed), DEPENDENT)
    missing: dict[str, str] = {}
    if model.stochastic:
        count = len(components[""])
        how |= {"exact_components": count, "exact_components_from": "training images"}
        how["saturation"] = {}
        for end, chosen in components.items():
            exact = exact_terms(model, data, protocol, chosen)
            values |= {f"val/{name}{end}": value for name, value in exact.values.items()}
            for name in EXACT:
                lower, upper = exact.bounds[name]
                values |= {f"val/{name}_lower{end}": lower, f"val/{name}_upper{end}": upper}
            for name, mark in exact.marks(model.partition).items():
                how["saturation"][f"val/{name}{end}"] = mark
    else:
        values |= dict.fromkeys(f"val/{name}" for name in EXACT)
        missing |= dict.fromkeys(("elbo", "kl", *EXACT, "active_kl"), NO_POSTERIOR)
    if test and data.test_indices is not None:
        measure("test", subset(data.test_indices, size[0], seed))
    return Terms(values, how, missing)


def held_out_elbo(
    model: LatentModel, data: ImageDataModule, indices: np.ndarray, protocol: EvaluationProtocol
) -> dict[str, float | None]:
    """elbo = reconstruction - kl on the images of `indices` (n,), with one sample of z an image.

    `reconstruction` is E log p(x|z), `kl` analytic. The noise of image i depends on (seed, i)
    alone, not on the batch size. A model without posterior has neither KL nor ELBO.
    """
    reconstruction, kl, start = 0.0, 0.0, 0
    shape = (len(indices), model.latent_dim)
    noise = standard_normal(protocol.seed, 0, shape, like=torch.zeros(()))
    with evaluation_mode(model):
        for x in image_batches(data, indices, protocol.batch_size, model):
            out = model.forward_pass(x, noise[start : start + len(x)].to(x))
            reconstruction += out.log_px.double().sum().item()
            kl += out.kl.double().sum().item() if model.stochastic else 0.0
            start += len(x)
    reconstruction, kl = reconstruction / len(indices), kl / len(indices)
    if not model.stochastic:
        return {"elbo": None, "reconstruction": reconstruction, "kl": None}
    return {"elbo": reconstruction - kl, "reconstruction": reconstruction, "kl": kl}


class ExactTerms(NamedTuple):
    """The four terms, and TC_within by group, under a mixture of images' posteriors, in nats."""

    values: dict[str, float]
    bounds: dict[str, tuple[float, float]]  # see `elbo.bracket_exact`
    entropy: float  # of the mixture's weights

    def marks(self, partition: LatentPartition) -> dict[str, dict[str, Any]]:
        """Return by term the most that the mixture can show, the bounds, and whether to doubt it:
        `saturated` near the most, `wide` where the bounds are far apart.

        >>> values = {"mutual_information": 4.6, "between_group_tc": 1.0, "within_group_tc": 0.5}
        >>> values |= {"dimension_kl": 0.1, "within_group_tc/z0-z1": 0.5}
        >>> bounds = dict.fromkeys(values, (0.4, 1.2)) | {"mutual_information": (4.5, 9.0)}
        >>> pair = LatentPartition.from_sizes([2, 1])
        >>> marks = ExactTerms(values, bounds, entropy=4.605).marks(pair)
        >>> [name for name, mark in marks.items() if mark.get("saturated")]
        ['mutual_information']
        >>> [mark["wide"] for mark in marks.values()]
        [True, True, True, True, True]
        """
        marks: dict[str, dict[str, Any]] = {}
        bounds_by_mixture = saturations(self.values, partition, self.entropy)
        for name, value in self.values.items():
            lower, upper = self.bounds[name]
            wide = upper - lower > max(WIDE_NATS, WIDE_SHARE * abs(value))
            limit = asdict(bounds_by_mixture[name]) if name in bounds_by_mixture else {}
            marks[name] = {"value": value, **limit, "lower": lower, "upper": upper, "wide": wide}
        return marks


def exact_terms(
    model: LatentModel, data: ImageDataModule, protocol: EvaluationProtocol, chosen: np.ndarray
) -> ExactTerms:
    """Return the four terms under the mixture of the chosen images' posteriors, their bounds, and
    the same of TC_within by group.

    Float32 and chunked; M posteriors, of the indices `chosen` (M,), with weight 1/M, and
    S = `num_samples` draws from it. An index that is there k times is one component of weight k/M:
    leaving a sample's own component out must leave no copy of it.
    """
    distinct, position, counts = np.unique(chosen, return_inverse=True, return_counts=True)
    weights = counts / len(chosen)
    _, mu, logvar = encode_table(model, data, distinct, protocol.batch_size)
    shape = (protocol.num_samples, model.latent_dim)
    drawn = np.random.default_rng(protocol.seed).integers(len(chosen), size=protocol.num_samples)
    component = torch.from_numpy(position[drawn])
    noise = standard_normal(protocol.seed, 1, shape, like=mu)
    z = reparametrise(mu[component], logvar[component], noise)
    with progress_bar("exact terms", len(z) * len(mu), model.latent_dim) as progress:
        terms, bounds = bracket_exact(
            z,
            mu,
            logvar,
            partition=model.partition,
            component=component,
            log_weight=torch.from_numpy(np.log(weights)).to(mu),
            progress=progress,
        )
    values = {name: value.item() for name, value in term_means(terms).items()}
    brackets = {name: _pair(getattr(bounds, name)) for name in EXACT}
    each_tc = terms.within_group_tc.mean(0).tolist()
    for g, label in enumerate(model.partition.labels):
        if len(model.partition.groups[g]) > 1:
            values[f"within_group_tc/{label}"] = each_tc[g]
            brackets[f"within_group_tc/{label}"] = _pair(bounds.each_within_group_tc[:, g])
    return ExactTerms(values, brackets, float(-(weights * np.log(weights)).sum()))


def _pair(bounds: torch.Tensor) -> tuple[float, float]:
    lower, upper = bounds.tolist()
    return lower, upper


def saturations(
    exact: dict[str, float], partition: LatentPartition, entropy: float
) -> dict[str, Saturation]:
    """Return what a mixture whose weights have this entropy (log M for M equal ones) lets the
    mutual information and each total correlation show.

    >>> exact = {"mutual_information": 4.6, "between_group_tc": 1.0, "within_group_tc": 0.5}
    >>> exact["within_group_tc/z0-z1"] = 0.5
    >>> marks = saturations(exact, LatentPartition.from_sizes([2, 1]), entropy=4.605)
    >>> [name for name, mark in marks.items() if mark.saturated]
    ['mutual_information']
    """
    dim, groups = partition.latent_dim, partition.num_groups
    # Units of each total correlation; the sum over groups adds |g| - 1 for each.
    units = {"between_group_tc": groups, "within_group_tc": dim - groups + 1}
    units |= _several(partition)
    bounds = {name: tc_saturation(exact[name], k, entropy) for name, k in units.items()}
    mutual_information = mi_saturation(exact["mutual_information"], entropy)
    return {"mutual_information": mutual_information} | bounds


def _several(partition: LatentPartition) -> dict[str, int]:
    """Name of TC_within to size, of the groups of several dimensions."""
    sizes = zip(partition.labels, partition.sizes, strict=True)
    return {f"within_group_tc/{label}": size for label, size in sizes if size > 1}

"""Disentanglement scores, all from one encoding of the data set's images."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from vae_granularity.data.base import ImageDataModule
from vae_granularity.data.blocks import Blocks
from vae_granularity.densities.gaussian import reparametrise
from vae_granularity.densities.noise import standard_normal
from vae_granularity.evaluation.encoding import GridCodes, encode_table, num_images, subset
from vae_granularity.evaluation.protocol import EvaluationProtocol
from vae_granularity.evaluation.score_table import DEPENDENT
from vae_granularity.metrics.core.common_partition import best_block_partition
from vae_granularity.metrics.core.inactive import silenced
from vae_granularity.metrics.core.inputs import TooLittleData
from vae_granularity.metrics.core.result import MetricResult
from vae_granularity.metrics.core.suite import Companions, SuiteResult, run_suite
from vae_granularity.models.base import LatentModel
from vae_granularity.partition import LatentPartition

Metrics = Mapping[str, Callable[..., MetricResult]]

BLOCK_ROWS = 2_000  # behind the assignment of latents to true blocks
# Different images without which scores under dependent factors are not computed.
LEAST_DISTINCT = 500


def score(
    model: LatentModel, data: ImageDataModule, protocol: EvaluationProtocol, metrics: Metrics
) -> SuiteResult:
    """The metrics on means (evaluation mode), under the model's partition and the common ones.

    `num_codes` points of the metrics and `num_test_codes` test points are drawn together, without
    replacement, from all images of the data set; where it has fewer, both parts shrink in
    proportion. Where factors depend on each other in training, the metrics of such tables also have
    scores of as many different images drawn so, under names that end in `DEPENDENT`: no image is
    both a training point and a test point of a metric. Where an image would have to be drawn twice,
    there are fewer; with fewer than half of them and than `LEAST_DISTINCT` there are no such
    scores, and a reason.
    """
    if not metrics:
        return SuiteResult()
    every_image = num_images(data)
    size, seed = protocol.num_codes + protocol.num_test_codes, protocol.seed
    indices = np.random.default_rng(seed).permutation(subset(every_image, size, seed))
    suite = _scores_at(indices, model, data, protocol, metrics)
    if data.dependence is not None:
        drawn = data.draw_distinct(np.arange(every_image), len(indices), seed)
        if len(drawn) < min(LEAST_DISTINCT, len(indices) // 2):
            suite.not_applicable[f"*{DEPENDENT}"] = (
                f"only {len(drawn)} different images can be drawn as the factors depend, "
                f"fewer than {LEAST_DISTINCT}"
            )
            return suite
        dependent = _scores_at(drawn, model, data, protocol, metrics, grid=False)
        for name in set(suite.results) & set(dependent.results):
            ended = {f"{key}{DEPENDENT}": v for key, v in dependent.scores_of(name).items()}
            suite.beside[name] = {**suite.beside.get(name, {}), **ended}
    return suite


def _scores_at(
    indices: np.ndarray,
    model: LatentModel,
    data: ImageDataModule,
    protocol: EvaluationProtocol,
    metrics: Metrics,
    *,
    grid: bool = True,
) -> SuiteResult:
    """The metrics on the images of `indices` (n,); without `grid`, not those that intervene."""
    size, seed = protocol.num_codes + protocol.num_test_codes, protocol.seed
    table = encode_table(model, data, indices, protocol.batch_size)
    train = round(len(indices) * protocol.num_codes / size)
    mu, labels = table.mu[:train], data.labels(indices)
    kl = table.mean_kl(train) if model.stochastic else None
    inputs: dict[str, Any] = {"latents": mu, "mu": mu}
    absent: dict[str, str] = {}
    if model.stochastic:
        noise = standard_normal(seed, 2, table.mu.shape, like=table.mu)
        z = reparametrise(table.mu, table.logvar, noise)
        inputs |= {"logvar": table.logvar[:train], "kl": kl, "z": z[:train]}
    else:
        absent |= dict.fromkeys(("logvar", "z", "kl"), "the model has no posterior q(z|x)")
    if model.discrete_codes:
        inputs["discrete_latents"] = True
    if labels is not None:
        test = (table.mu[train:], labels[train:])
        inputs |= {"factors": labels[:train], "test": test, "factor_names": data.label_names}
        inputs["factor_kinds"] = data.factor_kinds
    else:
        absent |= dict.fromkeys(("factors", "test"), "the data set has no labels")
    if (space := data.factor_space) is not None and grid:
        encode = GridCodes(model, data, table, protocol.batch_size)
        inputs |= {"encode": encode, "space": space}
        inputs["images"] = lambda factors: data.images(space.index(factors))
    else:
        no_grid = "the data set has no grid of factors"
        absent |= dict.fromkeys(("encode", "space", "images"), no_grid)
    active = silenced(mu.numpy(), kl)
    partitions = common_partitions(model.partition, protocol, data, active, inputs.get("factors"))
    fields = ("nulls", "null_draws", "seed")
    companions = Companions(partitions, **{name: getattr(protocol, name) for name in fields})
    inputs["partitions"] = partitions
    return run_suite(metrics, inputs, model.partition, companions=companions, absent=absent)


def common_partitions(
    own: LatentPartition,
    protocol: EvaluationProtocol,
    data: ImageDataModule,
    latents: np.ndarray,
    labels: np.ndarray | None,
) -> dict[str, LatentPartition]:
    """What models are compared under: `own`, contiguous `g1`, `g2` …, and `blocks`, the true ones.

    latents (n, D) and labels (n, K) decide which latents go to which block.
    """
    dim, found = own.latent_dim, {"own": own}
    for g in protocol.granularities:
        if g <= dim:
            found[f"g{g}"] = LatentPartition.from_granularity(dim, g)
    if isinstance(data, Blocks) and labels is not None:
        table = (latents[:BLOCK_ROWS], labels[:BLOCK_ROWS], data.partition.sizes)
        # A block that stays the same, or a handful of rows, says nothing of latents: no `blocks`.
        with suppress(TooLittleData):
            found["blocks"] = best_block_partition(*table, seed=protocol.seed)
    return found

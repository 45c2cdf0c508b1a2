"""Disentanglement scores, all from one encoding of the data set's images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from vae_granularity.data.base import ImageDataModule
from vae_granularity.data.blocks import Blocks
from vae_granularity.densities.gaussian import reparametrise
from vae_granularity.densities.noise import standard_normal
from vae_granularity.evaluation.encoding import LatentTable, encode_table, subset
from vae_granularity.evaluation.lookup import GridCodes
from vae_granularity.evaluation.protocol import EvaluationProtocol
from vae_granularity.metrics.core.annotate_scores import Companions
from vae_granularity.metrics.core.common_partition import best_block_partition
from vae_granularity.metrics.core.inactive import mean_kl, silenced
from vae_granularity.metrics.core.inputs import TooLittleData
from vae_granularity.metrics.core.result import MetricResult
from vae_granularity.metrics.core.suite import SuiteResult, run_suite
from vae_granularity.models.base import LatentModel
from vae_granularity.partition import LatentPartition

Metrics = Mapping[str, Callable[..., MetricResult]]

BLOCK_ROWS = 2_000  # behind the assignment of latents to true blocks


def score(
    model: LatentModel, data: ImageDataModule, protocol: EvaluationProtocol, metrics: Metrics
) -> SuiteResult:
    """The given metrics under the model's own partition and the common ones: explicit means,
    evaluation mode.

    `num_codes` training points of the metrics and `num_test_codes` test points are drawn together,
    without replacement, from all images of the data set; where it has fewer, both parts shrink in
    proportion.
    """
    if not metrics:
        return SuiteResult()
    parts = (data.train_indices, data.val_indices, data.test_indices)
    every_image = sum(len(part) for part in parts if part is not None)
    indices = subset(every_image, protocol.num_codes + protocol.num_test_codes, protocol.seed)
    table = encode_table(
        model, data, np.random.default_rng(protocol.seed).permutation(indices), protocol.batch_size
    )
    train = round(
        len(indices) * protocol.num_codes / (protocol.num_codes + protocol.num_test_codes)
    )
    labels = data.labels(table.indices)
    kl = _mean_kl(model, table, train)
    inputs: dict[str, Any] = {"latents": table.mu[:train], "mu": table.mu[:train]}
    absent: dict[str, str] = {}
    if model.stochastic:
        noise = standard_normal(protocol.seed, 2, table.mu.shape, like=table.mu)
        inputs |= {
            "logvar": table.logvar[:train],
            "kl": kl,
            "z": reparametrise(table.mu, table.logvar, noise)[:train],
        }
    else:
        inputs["discrete_latents"] = True  # a deterministic code here is a quantised one
        absent |= dict.fromkeys(("logvar", "z", "kl"), "the model has no posterior q(z|x)")
    if labels is not None:
        inputs |= {
            "factors": labels[:train],
            "test": (table.mu[train:], labels[train:]),
            "factor_names": data.label_names,
        }
    else:
        absent |= dict.fromkeys(("factors", "test"), "the data set has no labels")
    if data.factor_space is not None:
        inputs |= _grid(model, data, table, protocol)
    else:
        absent |= dict.fromkeys(
            ("encode", "space", "images"), "the data set has no grid of factors"
        )
    partitions = common_partitions(
        model.partition,
        protocol,
        data,
        silenced(table.mu[:train].numpy(), kl),
        None if labels is None else labels[:train],
    )
    companions = Companions(
        partitions,
        protocol.nulls,
        protocol.null_draws,
        protocol.subsamples,
        protocol.draws,
        protocol.seed,
    )
    return run_suite(
        metrics,
        inputs | {"partitions": partitions},
        model.partition,
        companions=companions,
        absent=absent,
    )


def common_partitions(
    own: LatentPartition,
    protocol: EvaluationProtocol,
    data: ImageDataModule,
    latents: np.ndarray,
    labels: np.ndarray | None,
) -> dict[str, LatentPartition]:
    """Partitions that models are compared under: `own`, contiguous groups `g1`, `g2` …, and
    `blocks`, the best for the true blocks.

    latents (n, D) and labels (n, K) decide which latents go to which block.
    """
    dim = own.latent_dim
    found = {"own": own} | {
        f"g{g}": LatentPartition.from_granularity(dim, g)
        for g in protocol.granularities
        if g <= dim
    }
    if isinstance(data, Blocks) and labels is not None:
        rows = slice(BLOCK_ROWS)
        with suppress(
            TooLittleData
        ):  # a block that stays the same, or a handful of rows, says nothing of latents: no such partition
            found["blocks"] = best_block_partition(
                latents[rows], labels[rows], data.partition.sizes, seed=protocol.seed
            )
    return found


def _mean_kl(model: LatentModel, table: LatentTable, rows: int) -> np.ndarray | None:
    """(D,) mean KL of the first rows in nats; None for a model without posterior."""
    if not model.stochastic:
        return None
    return mean_kl(*(part[:rows].double().numpy() for part in (table.mu, table.logvar)))


def _grid(
    model: LatentModel, data: ImageDataModule, table: LatentTable, protocol: EvaluationProtocol
) -> dict[str, Any]:
    """What metrics that draw from the grid of factors need."""
    codes, space = GridCodes(model, data, protocol.batch_size), data.factor_space
    assert space is not None
    codes.add(table.indices, table.mu)
    return {
        "encode": codes,
        "space": space,
        "images": lambda factors: data.images(space.index(factors)),
    }

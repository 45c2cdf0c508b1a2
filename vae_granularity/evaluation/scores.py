"""Disentanglement scores, all from one encoding of the data set's images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from vae_granularity.data.base import ImageDataModule
from vae_granularity.evaluation.encoding import encode_table, subset
from vae_granularity.evaluation.lookup import GridCodes
from vae_granularity.evaluation.protocol import EvaluationProtocol
from vae_granularity.gaussian import reparametrise
from vae_granularity.metrics.result import MetricResult
from vae_granularity.metrics.suite import SuiteResult, run_suite
from vae_granularity.models.base import LatentModel
from vae_granularity.noise import standard_normal

Metrics = Mapping[str, Callable[..., MetricResult]]


def score(model: LatentModel, data: ImageDataModule, protocol: EvaluationProtocol, metrics: Metrics) -> SuiteResult:
    """The given metrics under the model's own partition: explicit means, evaluation mode.

    `num_codes` training points of the metrics and `num_test_codes` test points are drawn together, without replacement, from all images
    of the data set; where it has fewer, both parts shrink in proportion.
    """
    if not metrics:
        return SuiteResult()
    parts = (data.train_indices, data.val_indices, data.test_indices)
    every_image = sum(len(part) for part in parts if part is not None)
    indices = subset(every_image, protocol.num_codes + protocol.num_test_codes, protocol.seed)
    table = encode_table(model, data, np.random.default_rng(protocol.seed).permutation(indices), protocol.batch_size)
    train = round(len(indices) * protocol.num_codes / (protocol.num_codes + protocol.num_test_codes))
    labels = data.labels(table.indices)
    inputs: dict[str, Any] = {
        "latents": table.mu[:train],
        "mu": table.mu[:train],
        "logvar": table.logvar[:train],
        "z": reparametrise(table.mu, table.logvar, standard_normal(protocol.seed, 2, table.mu.shape, like=table.mu))[:train],
    }
    if labels is not None:
        inputs |= {"factors": labels[:train], "test": (table.mu[train:], labels[train:])}
    if data.factor_space is not None:
        codes = GridCodes(model, data, protocol.batch_size)
        codes.add(table.indices, table.mu)
        inputs |= {"encode": codes, "space": data.factor_space}
    return run_suite(metrics, inputs, model.partition)

"""Disentanglement scores from one encoding of the data set's images."""

from __future__ import annotations

from typing import Any

from vae_granularity import metrics
from vae_granularity.data.base import ImageDataModule
from vae_granularity.evaluation.encoding import encode_table, subset
from vae_granularity.evaluation.protocol import EvaluationProtocol
from vae_granularity.models.base import GaussianVAE


def label_scores(
    model: GaussianVAE, data: ImageDataModule, protocol: EvaluationProtocol
) -> tuple[dict[str, float | None], dict[str, dict[str, Any]]]:
    """Scores and their protocols by metric, on `num_codes` images drawn from all of them; explicit means, evaluation mode."""
    every_image = sum(len(part) for part in (data.train_indices, data.val_indices, data.test_indices) if part is not None)
    indices = subset(every_image, protocol.num_codes, protocol.seed)
    factors = data.labels(indices)
    if factors is None:
        return {}, {"mig": {"not_applicable": f"{data.name} has no labels"}}
    table = encode_table(model, data, indices, protocol.batch_size)
    found = metrics.mig(table.mu, factors)
    how = {"codes": "means", "images": len(indices), "labels": list(data.label_names)}
    return dict(found.scores), {"mig": how | found.protocol}

"""One evaluation of a model: terms, scores and the protocol behind them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from vae_granularity.data.base import ImageDataModule
from vae_granularity.evaluation.encoding import subset
from vae_granularity.evaluation.protocol import EvaluationProtocol
from vae_granularity.evaluation.scores import Metrics, score
from vae_granularity.evaluation.terms import exact_terms, held_out_elbo
from vae_granularity.models.base import LatentModel


@dataclass(frozen=True)
class Evaluation:
    """What was measured: flat maps from name to number, None where something is undefined."""

    terms: dict[str, float | None]
    scores: dict[str, float | None] = field(default_factory=dict)
    protocol: dict[str, Any] = field(default_factory=dict)

    @property
    def logged(self) -> dict[str, float]:
        """Terms and scores with a value, by log key."""
        named = self.terms | {f"scores/{name}": value for name, value in self.scores.items()}
        return {name: value for name, value in named.items() if value is not None}


def evaluate(
    model: LatentModel, data: ImageDataModule, protocol: EvaluationProtocol, metrics: Metrics, *, test: bool = False
) -> Evaluation:
    """Held-out ELBO, exact terms and scores of the model as it is now.

    `test` adds the ELBO on the official test images, where the data set has them.
    """
    held_out = data.val_indices if len(data.val_indices) else data.train_indices
    images = subset(held_out, protocol.num_images, protocol.seed)
    terms = {f"val/{name}": value for name, value in held_out_elbo(model, data, images, protocol).items()}
    terms |= {f"val/{name}": value for name, value in exact_terms(model, data, protocol).items()}
    how: dict[str, Any] = {
        **protocol.as_dict(),
        "weights": "last",
        "likelihood": type(model.likelihood).__name__,
        "val": "held-out training images" if len(data.val_indices) else "training images (dataset.val_fraction is 0)",
        "val_images": len(images),
        "elbo": "plain: E log p(x|z) - analytic KL, one sample of z an image, summed over pixels",
        "exact_components": min(protocol.num_components, data.train_size),
        "exact_components_from": "training images",
        "partition": [list(group) for group in model.partition.groups],
    }
    if test and data.test_indices is not None:
        images = subset(data.test_indices, protocol.num_images, protocol.seed)
        terms |= {f"test/{name}": value for name, value in held_out_elbo(model, data, images, protocol).items()}
        how["test_images"] = len(images)
    suite = score(model, data, protocol, metrics)
    how |= {"codes": "means", "label_names": list(data.label_names), "metrics": suite.protocol, "not_applicable": suite.not_applicable}
    return Evaluation(terms, suite.scores, how)

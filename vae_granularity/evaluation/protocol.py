"""How a run is measured. Two numbers compare only if their protocols are equal."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from vae_granularity.checks import integer


@dataclass(frozen=True)
class EvaluationProtocol:
    """Sizes and seed of an evaluation.

    Args:
        every: training steps between evaluations.
        num_images: held-out images behind the ELBO, at most.
        num_components: training images whose posteriors are the mixture of the exact terms, at most.
        num_samples: samples drawn from that mixture.
        num_codes: images behind the metrics, drawn from all images, at most.
        num_test_codes: further images for the metrics that are fitted on the first ones.
        batch_size: images encoded at once; changes no number beyond rounding.
        figures: draw pictures too; changes no number.
        seed: of every draw.

    Raises:
        ArgumentError: a size below 1 (2 for the components).
    """

    every: int = 5000
    num_images: int = 10_000
    num_components: int = 10_000
    num_samples: int = 1_000
    num_codes: int = 10_000
    num_test_codes: int = 5_000
    batch_size: int = 256
    figures: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("every", "num_images", "num_samples", "num_codes", "num_test_codes", "batch_size"):
            integer(f"evaluation.{name}", getattr(self, name), 1)
        integer("evaluation.num_components", self.num_components, 2)
        integer("evaluation.seed", self.seed, 0)

    def as_dict(self) -> dict[str, Any]:
        """The fields that change numbers."""
        return {key: value for key, value in asdict(self).items() if key not in ("every", "batch_size", "figures")}

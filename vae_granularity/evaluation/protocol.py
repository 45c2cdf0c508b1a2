"""How a run is measured. Two numbers compare only if their protocols are equal."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vae_granularity.errors import ArgumentError, choice, integer

OF_TERMS = ("num_images", "num_components", "num_samples", "seed")
OF_SCORES = ("num_codes", "num_test_codes", "granularities", "nulls", "null_draws", "seed")
SIZES = ("every", "num_images", "num_samples", "num_codes", "num_test_codes", "batch_size")


@dataclass(frozen=True)
class EvaluationProtocol:
    """Sizes and seed of an evaluation.

    Args:
        every: training steps between evaluations.
        num_images: held-out images behind the ELBO, at most.
        num_components: training images whose posteriors are the mixture of the exact terms, at
            most.
        num_samples: samples drawn from that mixture.
        num_codes: images behind the metrics, drawn from all images, at most.
        num_test_codes: further images for the metrics that are fitted on the first ones.
        granularities: of the contiguous partitions under which every model is scored, whatever its
            own; those above D are left out.
        nulls: `cheap`, of the group scores that need no new fit, or `all`.
        null_draws: random partitions behind the null of a group score; 0 for no nulls.
        batch_size: images encoded at once; changes no number beyond rounding.
        figures: draw pictures too; changes no number.
        metric_figures: among them the matrices, the profile and the table of scores.
        seed: of every draw.

    Raises:
        ArgumentError: a number out of range.

    >>> EvaluationProtocol(num_images=100).of_terms()
    {'num_images': 100, 'num_components': 10000, 'num_samples': 1000, 'seed': 0}
    """

    every: int = 5000
    num_images: int = 10_000
    num_components: int = 10_000
    num_samples: int = 1_000
    num_codes: int = 10_000
    num_test_codes: int = 5_000
    granularities: Sequence[int] = (1, 2, 3, 5, 10)
    nulls: str = "cheap"
    null_draws: int = 20
    batch_size: int = 256
    figures: bool = True
    metric_figures: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        lowest = dict.fromkeys(SIZES, 1) | {"num_components": 2, "null_draws": 0, "seed": 0}
        for name, low in lowest.items():
            integer(f"evaluation.{name}", getattr(self, name), low)
        if self.null_draws == 1:
            raise ArgumentError("evaluation.null_draws must be 0 or at least 2, got 1")
        choice("evaluation.nulls", self.nulls, ("cheap", "all"))
        given = tuple(integer("evaluation.granularities", g, 1) for g in self.granularities)
        object.__setattr__(self, "granularities", given)

    @property
    def draws_metrics(self) -> bool:
        """Whether figures of the metrics are asked for."""
        return self.figures and self.metric_figures

    def of_terms(self) -> dict[str, Any]:
        """The fields that change the terms."""
        return {name: getattr(self, name) for name in OF_TERMS}

    def of_scores(self) -> dict[str, Any]:
        """The fields that change the scores."""
        found = {name: getattr(self, name) for name in OF_SCORES}
        return found | {"granularities": list(self.granularities)}

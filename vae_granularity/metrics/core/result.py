"""What every metric returns: scores by name, the protocol they were computed under, and the
matrices behind them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from vae_granularity.partition import LatentPartition

Scores = dict[str, float | None]


@dataclass(frozen=True, eq=False, kw_only=True)
class MetricResult:
    """Base of the metrics' results; each metric adds its matrices as named attributes.

    Attributes:
        scores: name to value. None is a score that is undefined for this input (a gap between one
            unit, say): missing, not 0.
        protocol: what the numbers depend on (sample sizes, bins, classifier and version, seed,
            dropped factors …), JSON-serialisable; under `found`, what this input made of it (dead
            dimensions, fits that did not converge). Scores whose protocols differ in
            more than `seed` and `found` must not be averaged: see `confidence.same_protocol`.
        standard_error: how a standard error of these scores is had, see `confidence`: from
            `subsamples` of the rows, from repeated `draws` from the ground truth (of the metric's
            own, or of `fresh` latents and factors), or not at all (trees and linear classifiers are
            refitted at a cost nobody pays).
        error_of_groups: False where the error is had without the partition, as the group scores
            cost many times the rest.
    """

    scores: Scores
    protocol: dict[str, object] = field(default_factory=dict)
    standard_error: ClassVar[Literal["subsamples", "draws", "fresh"] | None] = None
    error_of_groups: ClassVar[bool] = True

    def rescore(self, partition: LatentPartition) -> Scores:
        """The group scores under another partition, from the matrices at hand; none where that
        takes another fit.
        """
        return {}

"""What every metric returns: scores by name, the protocol they were computed under, and the matrices behind them."""

from __future__ import annotations

from dataclasses import dataclass, field

Scores = dict[str, float | None]


@dataclass(frozen=True, eq=False, kw_only=True)
class MetricResult:
    """Base of the metrics' results; each metric adds its matrices as named attributes.

    Attributes:
        scores: name to value. None is a score that is undefined for this input (a gap between one unit, say): missing, not 0.
        protocol: what the numbers depend on (sample sizes, bins, classifier and version, seed, dropped factors, dead dimensions …),
            JSON-serialisable. Scores under different protocols must not be averaged.
    """

    scores: Scores
    protocol: dict[str, object] = field(default_factory=dict)


def finite_or_none(value: float) -> float | None:
    """A float, or None (missing) where a formula gave no finite number."""
    return float(value) if abs(value) < float("inf") else None

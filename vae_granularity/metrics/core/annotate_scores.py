"""What must stand beside a score: its standard error, its null under random partitions, and the
group scores under common partitions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from vae_granularity.errors import ArgumentError, choice, integer
from vae_granularity.metrics.core.confidence import error_by_draws, error_by_subsampling
from vae_granularity.metrics.core.harmonic_scores import group_headlines
from vae_granularity.metrics.core.inputs import TooLittleData
from vae_granularity.metrics.core.partition_null import null_scores, partition_null
from vae_granularity.metrics.core.result import MetricResult, Scores
from vae_granularity.partition import LatentPartition

ROWS = ("latents", "factors", "z", "mu", "logvar")  # inputs with a row a point
NULLS = ("_null_group", "_null_sd_group", "_lift_group")


@dataclass(frozen=True)
class Companions:
    """What to compute beside the scores.

    Args:
        partitions: common partitions by name; scores under them are named `<partition>/<score>`.
        nulls: `cheap`: of the group scores that need no new fit; `all`: of every group score, at
            the price of its metric a draw.
        null_draws: random partitions behind a null; 0 for no nulls.
        subsamples: halves behind a standard error (`se/<score>`) of scores that are estimated from
            rows; 0 for none.
        draws: repetitions behind one of scores that draw from the ground truth, themselves or as
            `fresh` samples; 0 for none.
        seed: of the draws.

    Raises:
        ArgumentError: an argument is out of range.
    """

    partitions: Mapping[str, LatentPartition] = field(default_factory=dict)
    nulls: str = "cheap"
    null_draws: int = 20
    subsamples: int = 20
    draws: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        choice("nulls", self.nulls, ("cheap", "all"))
        for name in ("null_draws", "subsamples", "draws"):
            number = integer(name, getattr(self, name), 0)
            if number == 1:
                raise ArgumentError(f"{name} must be 0 or at least 2, got 1")

    def beside(
        self,
        metric: Callable[..., MetricResult],
        given: Mapping[str, Any],
        result: MetricResult,
        fresh: Callable[[int], Mapping[str, Any]] | None = None,
    ) -> Scores:
        """Nulls, standard errors and scores under the common partitions of one metric's result on
        the inputs `given`.

        Args:
            fresh: seed to another sample of the same size; None where there is no ground truth to
                draw one from.
        """
        return (
            self._nulls(metric, given, result)
            | self._common(result)
            | self._errors(metric, given, result, fresh)
        )

    def _nulls(
        self, metric: Callable[..., MetricResult], given: Mapping[str, Any], result: MetricResult
    ) -> Scores:
        partition = given.get("partition")
        if partition is None or not self.null_draws:
            return {}
        cheap = bool(result.rescore(partition))
        if not cheap and self.nulls == "cheap":
            return {}

        def rescore(dealt: LatentPartition) -> Scores:
            scores = (
                result.rescore(dealt) if cheap else metric(**{**given, "partition": dealt}).scores
            )
            return scores | group_headlines(scores)

        own = result.rescore(partition) if cheap else result.scores
        names = [name for name in own if name.endswith("_group") and not name.endswith(NULLS)]
        names += [name for name, value in group_headlines(own).items() if value is not None]
        return (
            null_scores(
                partition_null(rescore, partition, num_draws=self.null_draws, seed=self.seed), names
            )
            if names
            else {}
        )

    def _common(self, result: MetricResult) -> Scores:
        found: Scores = {}
        for name, partition in self.partitions.items():
            scores = result.rescore(partition)
            found |= {
                f"{name}/{score}": value
                for score, value in (scores | group_headlines(scores)).items()
            }
        return found

    def _errors(
        self,
        metric: Callable[..., MetricResult],
        given: Mapping[str, Any],
        result: MetricResult,
        fresh: Callable[[int], Mapping[str, Any]] | None,
    ) -> Scores:
        def again(**changed: Any) -> Scores:
            try:
                found = metric(**{**given, **changed})
            except TooLittleData:  # for its bins or neighbours: the error is missing, not the score
                return {}
            same = found.protocol.get("kept_factors") == result.protocol.get("kept_factors")
            return found.scores if same else {}

        how = result.standard_error
        if how == "subsamples" and self.subsamples:
            count = len(next(value for name, value in given.items() if name in ROWS))
            groups = {} if result.error_of_groups else {"partition": None}
            errors = (
                error_by_subsampling(
                    lambda rows: again(
                        **groups, **{name: given[name][rows] for name in ROWS if name in given}
                    ),
                    count,
                    num_draws=self.subsamples,
                    seed=self.seed,
                )
                if count >= 4
                else {}
            )
        elif self.draws and (draw := {"draws": _own_draws, "fresh": fresh}.get(str(how))):
            errors = error_by_draws(
                lambda seed: again(**draw(seed)), num_draws=self.draws, seed=self.seed
            )
        else:
            return {}
        return {f"se/{name}": errors.get(name) for name in errors or result.scores}


def _own_draws(seed: int) -> Mapping[str, Any]:
    return {"seed": seed}

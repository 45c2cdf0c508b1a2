"""What must stand beside a score: its standard error, its null, the scores of common partitions."""

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from typing import Any

from vae_granularity.errors import ArgumentError, choice, integer
from vae_granularity.metrics.core.confidence import error_by_draws, error_by_subsampling
from vae_granularity.metrics.core.harmonic_scores import with_harmonic
from vae_granularity.metrics.core.inputs import TooLittleData
from vae_granularity.metrics.core.partition_null import NULLS, null_scores, partition_null
from vae_granularity.metrics.core.result import MetricResult, Scores
from vae_granularity.partition import LatentPartition

ROWS = ("latents", "factors", "z", "mu", "logvar")  # inputs with a row a point
Metric = Callable[..., MetricResult]
Fresh = Callable[[int], Mapping[str, Any]] | None  # seed to another sample of the same size


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
        draws: repetitions behind one of scores that draw from the ground truth; 0 for none.
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
            if integer(name, getattr(self, name), 0) == 1:
                raise ArgumentError(f"{name} must be 0 or at least 2, got 1")

    def annotate_scores(
        self,
        metric: Metric,
        given: Mapping[str, Any],
        result: MetricResult,
        fresh: Fresh = None,
        known: Container[str] = (),
    ) -> Scores:
        """Nulls, standard errors and scores under the common partitions of one metric's result.

        Args:
            given: the inputs of the metric that the result is of.
            fresh: seed to another sample of the same size; None without a ground truth.
            known: names of scores that another metric gives, whose nulls are not computed here.
        """
        found = self._nulls(metric, given, result, known)
        for name, partition in self.partitions.items():
            scores = with_harmonic(result.rescore(partition))
            found |= {f"{name}/{score}": value for score, value in scores.items()}
        return found | self._errors(metric, given, result, fresh)

    def _nulls(
        self, metric: Metric, given: Mapping[str, Any], result: MetricResult, known: Container[str]
    ) -> Scores:
        partition = given.get("partition")
        if partition is None or not self.null_draws:
            return {}
        own = result.rescore(partition)
        cheap = bool(own)
        if not cheap and self.nulls == "cheap":
            return {}

        def rescore(dealt: LatentPartition) -> Scores:
            again = {**given, "partition": dealt}
            return with_harmonic(result.rescore(dealt) if cheap else metric(**again).scores)

        own = own if cheap else result.scores
        names = [
            name
            for name, value in with_harmonic(own).items()
            if name.endswith("_group")
            and not name.endswith(NULLS)
            and name.removesuffix("_group") + NULLS[0] not in known
            and (name in own or value is not None)
        ]
        if not names:
            return {}
        nulls = partition_null(rescore, partition, num_draws=self.null_draws, seed=self.seed)
        return null_scores(nulls, names)

    def _errors(
        self, metric: Metric, given: Mapping[str, Any], result: MetricResult, fresh: Fresh
    ) -> Scores:
        def again(**changed: Any) -> Scores:
            try:
                found = metric(**{**given, **changed})
            except TooLittleData:  # for its bins or neighbours: the error is missing, not the score
                return {}
            same = found.protocol.get("kept_factors") == result.protocol.get("kept_factors")
            return found.scores if same else {}

        def of(rows: Any) -> Scores:
            return again(**{name: given[name][rows] for name in ROWS if name in given})

        how, errors = result.standard_error if result.with_errors else None, {}
        if how == "subsamples" and self.subsamples:
            count = len(next(value for name, value in given.items() if name in ROWS))
            if count >= 4:
                errors = error_by_subsampling(of, count, num_draws=self.subsamples, seed=self.seed)
        elif self.draws and (draw := {"draws": _own_draws, "fresh": fresh}.get(str(how))):
            repeat = {"num_draws": self.draws, "seed": self.seed}
            errors = error_by_draws(lambda seed: again(**draw(seed)), **repeat)
        else:
            return {}
        return {f"se/{name}": errors.get(name) for name in errors or result.scores}


def _own_draws(seed: int) -> Mapping[str, Any]:
    return {"seed": seed}

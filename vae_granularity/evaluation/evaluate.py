"""One evaluation of a model: terms, scores and their protocol, logged and drawn."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch.loggers import Logger

from vae_granularity.data.base import ImageDataModule
from vae_granularity.errors import TOO_LITTLE
from vae_granularity.evaluation import figures, request
from vae_granularity.evaluation.encoding import num_images
from vae_granularity.evaluation.protocol import EvaluationProtocol
from vae_granularity.evaluation.request import FIGURES, MODEL, TERMS
from vae_granularity.evaluation.score_table import (
    as_text,
    dependence_notes,
    headline,
    holder_table,
    saturation_notes,
    score_notes,
    tables,
    term_lines,
)
from vae_granularity.evaluation.scores import Metrics, score
from vae_granularity.evaluation.terms import measure_terms
from vae_granularity.metrics.core.group_scores import harmonic_scores
from vae_granularity.metrics.core.result import MetricResult
from vae_granularity.metrics.gap import GapResult
from vae_granularity.models.base import LatentModel
from vae_granularity.runs.protocol import PROTOCOL_VERSION, VERSION, version_of

# How the reason begins why a score is null that a metric computed.
NOT_FINITE = "not finite: "


@dataclass(frozen=True)
class Evaluation:
    """What was measured: flat maps from name to number, None where something is undefined."""

    terms: dict[str, float | None]
    scores: dict[str, float | None] = field(default_factory=dict)
    protocol: dict[str, Any] = field(default_factory=dict)
    results: dict[str, MetricResult] = field(default_factory=dict)  # of the metrics computed now
    kept: tuple[str, ...] = ()  # `terms` and metrics that were there under the same protocol

    @property
    def logged(self) -> dict[str, float]:
        """Terms and scores with a value, by log key.

        >>> Evaluation({"val/elbo": -9.0, "val/kl": None}, {"mig": 0.5}).logged
        {'val/elbo': -9.0, 'scores/mig': 0.5}
        """
        named = self.terms | {f"scores/{name}": value for name, value in self.scores.items()}
        return {name: value for name, value in named.items() if value is not None}


def in_short(found: Evaluation, directory: Path) -> str:
    """The headline of a finished run for a terminal: its numbers, what they mean, what is next."""
    drawn = f", figures in {directory / 'figures'}" if found.protocol.get(FIGURES) else ""
    notes = [
        *saturation_notes(found.protocol),
        *dependence_notes(found.protocol),
        *score_notes(found.scores, found.protocol),
    ]
    where = f"all scores in {directory / 'results.json'}"
    following = f"next: python -m vae_granularity.analyze runs={directory.parent}{drawn}"
    holders = _holders(found)
    tables_shown = [as_text(headline(found.terms, found.scores)), *holders]
    return "\n".join((*tables_shown, *notes, where, following))


def _holders(evaluation: Evaluation) -> list[str]:
    """Return the table of where each factor is held, if the gap was computed now."""
    result = evaluation.results.get("gap")
    if not isinstance(result, GapResult):
        return []
    factors = [evaluation.protocol["label_names"][f] for f in result.kept_factors]
    shares = result.share if result.share_group is None else result.share_group
    units = evaluation.protocol["partition_labels"]
    if len(units) != len(shares):
        units = [f"z{d}" for d in range(len(shares))]
    return [as_text(holder_table(np.nan_to_num(shares), factors, units))]


def as_lines(found: Evaluation, computed: Collection[str]) -> str:
    """What was `computed` now, for a terminal: `terms` and the scores of the metrics by name."""
    entries = found.protocol.get("metrics", {})
    names = {score for one in computed for score in entries.get(one, {}).get("scores", ())}
    scores = {name: value for name, value in found.scores.items() if name in names}
    lines = term_lines(found.terms, found.protocol) if TERMS in computed else []
    notes = score_notes(scores, {"metrics": {name: entries.get(name, {}) for name in computed}})
    return "\n".join([*lines, *map(as_text, tables(scores, found.protocol)), *notes])


def report(
    model: LatentModel,
    data: ImageDataModule,
    protocol: EvaluationProtocol,
    metrics: Metrics,
    loggers: list[Logger],
    step: int,
    directory: Path,
    *,
    final: bool = False,
    before: Mapping[str, Any] | None = None,
) -> Evaluation:
    """Evaluate, log under `step`, draw into `directory`/figures.

    Args:
        final: adds the test images, where there are any.
        before: an earlier results.json; what it holds under the same protocol is not drawn again.
    """
    evaluation = evaluate(model, data, protocol, metrics, test=final, before=before)
    # Logged before it is drawn: the curves of metrics.csv reach this step.
    for logger in loggers:
        logger.log_metrics(evaluation.logged, step=step)
    drawn = request.drawn_before(before or {}) - set(evaluation.results)
    paths: dict[str, Path] = {}
    if protocol.figures:
        # The same weights draw the same pictures.
        if MODEL not in drawn or TERMS not in evaluation.kept:
            paths |= figures.draw_model(model, data, protocol, step, directory)
        drawn.add(MODEL)
        if protocol.metric_figures:
            paths |= figures.draw_metrics(
                evaluation.results, evaluation.protocol, model, data, step, directory
            )
            drawn |= set(evaluation.results)
    evaluation.protocol[FIGURES] = sorted(drawn)
    for logger in loggers:
        # Of W&B's logger, not of metrics.csv's.
        log_image = getattr(logger, "log_image", None)
        if log_image is not None:
            for name, path in paths.items():
                log_image(key=f"figures/{name}", images=[str(path)], step=step)
    return evaluation


def evaluate(
    model: LatentModel,
    data: ImageDataModule,
    protocol: EvaluationProtocol,
    metrics: Metrics,
    *,
    test: bool = False,
    before: Mapping[str, Any] | None = None,
) -> Evaluation:
    """Held-out ELBO, exact terms and scores of the model as it is now.

    Args:
        test: adds the ELBO on the official test images, where the data set has them.
        before: an earlier results.json of the same weights. What it holds under the same protocol
            is kept and not computed again; what it holds besides is kept too. Of another version of
            the protocol nothing is.
    """
    if not before or version_of(before.get("protocol", {})) != PROTOCOL_VERSION:
        before = {}
    how: dict[str, Any] = dict(before.get("protocol", {}))
    terms, scores = dict(before.get("terms", {})), dict(before.get("scores", {}))
    missing, entries = dict(how.get("not_applicable", {})), dict(how.get("metrics", {}))
    groups = [list(group) for group in model.partition.groups]
    asked = request.requests(metrics, protocol, groups)
    kept = request.kept(metrics, protocol, groups, before)
    if TERMS not in kept:
        measured = measure_terms(model, data, protocol, test=test)
        terms_asked = request.asked_of_terms(protocol, groups)
        terms, how[TERMS] = measured.values, {"asked": terms_asked, **measured.protocol}
        missing |= measured.not_applicable
    new = {name: metric for name, metric in metrics.items() if name not in kept}
    suite = score(model, data, protocol, new)
    for name, entry in suite.protocol.items():
        for old in entries.get(name, {}).get("scores", []):
            scores.pop(old, None)
        scores |= suite.scores_of(name)
        for other in [other for other in entries if other != name]:
            # Of another version, or of a metric that was called by another name.
            listed = entries[other]["scores"]
            rest = [score for score in listed if score not in entry["scores"]]
            entries[other] = {**entries[other], "scores": rest}
            if listed and not rest:
                del entries[other]
        entries[name] = {"asked": asked[name], **entry}
        missing.pop(name, None)
        for score_name in suite.scores_of(name):
            if missing.get(score_name, "").startswith(NOT_FINITE):
                missing.pop(score_name)
    for name, reason in suite.not_applicable.items():
        if reason.startswith(TOO_LITTLE):  # so that the same request is not computed again
            entries.setdefault(name, {"asked": asked[name], "scores": []})
    how |= {
        VERSION: PROTOCOL_VERSION,
        "weights": "last",
        "codes": _kind_of_codes(model),
        "label_names": list(data.label_names),
        "partition": groups,
        "partition_labels": list(model.partition.labels),
        "metrics": entries,
        "not_applicable": missing | suite.not_applicable,
    }
    if data.dependence is not None:
        drawn = data.draw_distinct(
            np.arange(num_images(data)), protocol.num_codes + protocol.num_test_codes, protocol.seed
        )
        # Behind the scores of dependent factors: an image is drawn once at most.
        how["dependence"] = data.dependence_stated() | {"distinct_images": len(drawn)}
    if suite.results:
        how["inactive_latents"] = list(suite.inactive)
    scores |= harmonic_scores(scores)
    not_finite = _not_finite(terms) | _not_finite(scores)
    how["not_applicable"] |= {
        name: f"{NOT_FINITE}the value is {value}" for name, value in not_finite.items()
    }
    terms |= dict.fromkeys(terms.keys() & not_finite, None)
    scores |= dict.fromkeys(scores.keys() & not_finite, None)
    return Evaluation(terms, scores, _finite(how), suite.results, tuple(kept))


def _not_finite(values: Mapping[str, float | None]) -> dict[str, float]:
    """Return the values that are not finite, which JSON cannot hold."""
    return {
        name: value
        for name, value in values.items()
        if value is not None and not math.isfinite(value)
    }


def _finite(node: Any) -> Any:
    """Return a protocol in which every number that is not finite is None."""
    if isinstance(node, Mapping):
        return {key: _finite(value) for key, value in node.items()}
    if isinstance(node, (list, tuple)):
        return [_finite(value) for value in node]
    if isinstance(node, float) and not math.isfinite(node):
        return None
    return node


def _kind_of_codes(model: LatentModel) -> str:
    if model.discrete_codes:
        return "quantised codes"
    return "means" if model.stochastic else "codes of a deterministic encoder"

"""An evaluation written out: numbers to the loggers, figures to the run directory and the
loggers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger
from matplotlib.figure import Figure

from vae_granularity.data.base import ImageDataModule
from vae_granularity.evaluation.evaluate import Evaluation, evaluate
from vae_granularity.evaluation.figures import model_figures, run_title, save_figures
from vae_granularity.evaluation.metric_figures import metric_figures
from vae_granularity.evaluation.protocol import EvaluationProtocol
from vae_granularity.evaluation.request import FIGURES, MODEL, drawn_before
from vae_granularity.evaluation.scores import Metrics
from vae_granularity.models.base import LatentModel


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
    """Evaluate, log under `step`, draw into `directory`/figures; the final evaluation adds the test
    images, where there are any.

    What `before` (an earlier results.json) holds under the same protocol is not computed and not
    drawn again.
    """
    found = evaluate(model, data, protocol, metrics, test=final, before=before)
    figures, drawn = {}, drawn_before(before or {}) - set(found.results)
    if protocol.figures:
        pictures = _figures(found, model, data, protocol, step, MODEL in drawn)
        figures = save_figures(pictures, directory / "figures")
        drawn |= {MODEL, *(found.results if protocol.metric_figures else ())}
    found.protocol[FIGURES] = sorted(drawn)
    for logger in loggers:
        logger.log_metrics(found.logged, step=step)
        log_image = getattr(
            logger, "log_image", None
        )  # W&B's logger has it, metrics.csv has no use for it
        if log_image is not None:
            for name, path in figures.items():
                log_image(key=f"figures/{name}", images=[str(path)])
    return found


def _figures(
    found: Evaluation,
    model: LatentModel,
    data: ImageDataModule,
    protocol: EvaluationProtocol,
    step: int,
    drawn: bool,
) -> Iterator[tuple[str, Figure]]:
    title = run_title(model, data, step)
    if not drawn or "terms" not in found.kept:  # the same weights draw the same pictures
        yield from model_figures(model, data, protocol, title)
    if protocol.metric_figures:
        yield from metric_figures(found, model.partition, title)

"""Measure finished runs again or further: only what results.json lacks; nothing is trained."""

import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from vae_granularity.data.base import ImageDataModule
from vae_granularity.errors import DataError, UserError
from vae_granularity.evaluation.evaluate import Evaluation, as_lines, report
from vae_granularity.evaluation.protocol import EvaluationProtocol
from vae_granularity.evaluation.request import FIGURES, TERMS, drawn_before, unmeasured
from vae_granularity.files import json_text, read_regular_file, write_text
from vae_granularity.models.base import LatentModel
from vae_granularity.runs.build import create, create_metrics
from vae_granularity.runs.checkpoint import check_images
from vae_granularity.runs.identity import RESULTS
from vae_granularity.runs.protocol import PROTOCOL_VERSION, version_of
from vae_granularity.runs.reading import load_run
from vae_granularity.runs.status import LOCK, only_writer
from vae_granularity.runs.table import read_results
from vae_granularity.runs.trust import check_links
from vae_granularity.runs.types import check_types
from vae_granularity.terminal import say

# Files and folders of a run directory that evaluating a finished run writes.
WRITTEN = (RESULTS, "figures", LOCK)


def lacks_measurements(directory: Path, config: Mapping[str, Any]) -> bool:
    """Return whether results.json lacks something that a resolved config asks to measure.

    Raises:
        DataError: results.json is damaged.
    """
    try:
        return bool(unmeasured(config, read_results(directory)))
    except DataError as error:
        raise DataError(f"{directory}: {error}") from None


def measure_missing(
    directory: Path,
    model: LatentModel,
    data: ImageDataModule,
    protocol: EvaluationProtocol,
    metrics: Mapping[str, Any],
) -> tuple[Evaluation, list[str]]:
    """Compute and print what results.json lacks or holds under another protocol; replace it.

    Nothing that it holds is lost, but for numbers of another version of the protocol that are not
    asked for. Whoever calls holds the lock of the directory.

    Args:
        model: with the run's last weights.
        data: set up.

    Returns:
        The evaluation, and the names of what was computed: metrics, `terms`, `figures`.

    Raises:
        DataError: results.json is damaged.
    """
    before = read_results(directory)
    steps = before["run"]["steps"]
    evaluation = report(
        model, data, protocol, metrics, [], steps, directory, final=True, before=before
    )
    skipped = {*evaluation.kept, *evaluation.protocol["not_applicable"]}
    computed = [name for name in (TERMS, *metrics) if name not in skipped]
    if set(evaluation.protocol[FIGURES]) - drawn_before(before) - set(computed):
        computed.append(FIGURES)
    measured = {
        "terms": evaluation.terms,
        "scores": evaluation.scores,
        "protocol": evaluation.protocol,
    }
    text = json_text(before | measured, RESULTS)
    say(as_lines(evaluation, computed))
    # A file that would not change keeps its time of writing.
    if text.encode() != read_regular_file(directory / RESULTS):
        write_text(directory / RESULTS, text)
    version = version_of(before["protocol"])
    if version != PROTOCOL_VERSION:
        lost = ", ".join(name for name in before["scores"] if name not in evaluation.scores)
        say(
            f"protocol version {version} became {PROTOCOL_VERSION}; "
            f"left out, not asked for: {lost or 'nothing'}"
        )
    return evaluation, computed


def evaluate_runs(cfg: DictConfig, directories: Sequence[Path], broken: dict[Path, str]) -> None:
    """Measure finished runs; those that cannot be, and those broken already, are listed at the end.

    Args:
        cfg: of the command: `metrics` (none: the run's own), `evaluation` (keys to change).

    Raises:
        DataError: a run was not evaluated.
    """
    for i, directory in enumerate(directories, 1):
        say(f"run {i} of {len(directories)}: {directory}")
        try:
            evaluate_run(directory, cfg)
        except UserError as error:
            broken[directory] = str(error)
        except Exception as error:  # of any kind: it is shown and listed, the others are measured
            say("".join(traceback.format_exception(error)), to_stderr=True)
            broken[directory] = f"{type(error).__name__}: {error}"
    for directory, reason in broken.items():
        say(f"not evaluated: {directory}: {reason}", to_stderr=True)
    if broken:
        count = len({*directories, *broken})
        raise DataError(f"{len(broken)} of {count} runs were not evaluated")


def evaluate_run(directory: Path, cfg: DictConfig) -> None:
    """Measure one run under its own protocol with the changes that the command's config asks for.

    Raises:
        UserError: the run cannot be read, or another process works on it.
    """
    check_links(directory, written=WRITTEN)
    with only_writer(directory):
        run = load_run(directory, cfg.trust, **cfg.paths)
        run.datamodule.setup()
        check_images(directory, run.datamodule.fingerprint)
        options: Any = OmegaConf.merge(run.config.evaluation, cfg.evaluation)
        check_types(OmegaConf.create({"evaluation": options, "metrics": cfg.get("metrics")}))
        metrics = create_metrics(cfg if cfg.get("metrics") else run.config)
        evaluation, computed = measure_missing(
            directory, run.model, run.datamodule, create(options), metrics
        )
    say(f"kept, same protocol: {', '.join(evaluation.kept) or 'nothing'}")
    say(f"computed: {', '.join(computed) or 'nothing'}")

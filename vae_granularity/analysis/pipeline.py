"""From folders of runs to everything that is known of them: one way, from the table to verdicts."""

import logging
from dataclasses import dataclass

import pandas as pd

from vae_granularity.analysis.analyse_models import ModelFindings, analyse_models
from vae_granularity.analysis.answer import Answer, answers
from vae_granularity.analysis.comparable import check_column, check_comparable, keep_where
from vae_granularity.analysis.missing import Missing, missing
from vae_granularity.analysis.page.labels import first_line
from vae_granularity.analysis.points import aggregate, far_seeds, numbers_of
from vae_granularity.analysis.runs_table import Collected, collect
from vae_granularity.analysis.settings import Settings
from vae_granularity.analysis.slices import SliceResult, analyse_slices, swept
from vae_granularity.errors import DataError
from vae_granularity.files import replace_file
from vae_granularity.runs.trust import check_links

TABLE = "runs.parquet"
log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Analysis:
    """What there is to tell of some runs."""

    settings: Settings
    collected: Collected
    table: pd.DataFrame  # the chosen runs, a row each
    parameters: dict[str, list[str]]  # swept ones, each with those that change together with it
    numbers: list[str]  # measured columns, the one to be optimised first
    points: pd.DataFrame  # a row a point: see `points.aggregate`
    answers: list[Answer]  # the best point of each data set
    far: pd.Series  # whether a run lies far from the other seeds of its point
    slices: list[SliceResult]
    missing: list[Missing]  # what would settle the undecided readings of the slices
    findings: ModelFindings
    mixed: list[str]  # in what the runs differ although they should not, and are allowed to


def analyse(settings: Settings) -> Analysis:
    """Read the runs that the settings name, compare and judge them; keeps the table in `folder`.

    Raises:
        ArgumentError: a column or value that no run has, or runs that do not compare.
        DataError: there is no finished run.
    """
    collected = _collected(settings)
    table = keep_where(collected.table, settings.where)
    for argument, name in (("value", settings.value), ("x", settings.x), ("y", settings.y)):
        if name is not None:
            check_column(table, argument, name)
    mixed = list(check_comparable(table, settings.allow_mixed).values())
    parameters = swept(table)
    names = list(parameters)
    findings = analyse_models(settings, table, names)
    if findings.udr is not None:
        table = table.join(findings.udr)
    numbers = list(dict.fromkeys((settings.value, *numbers_of(table))))
    points = aggregate(table, names, numbers)
    best = answers(table, names, settings)
    far = far_seeds(table, names, settings.value)
    slices = analyse_slices(table, names, settings)
    lacking = [found for result in slices for found in missing(result, settings)]
    return Analysis(
        settings,
        collected,
        table,
        parameters,
        numbers,
        points,
        best,
        far,
        slices,
        lacking,
        findings,
        mixed,
    )


def _collected(settings: Settings) -> Collected:
    if settings.out is None:
        check_links(settings.folder, settings.runs[0])
    file, last = settings.folder / TABLE, None
    try:
        last = pd.read_parquet(file) if file.is_file() else None
    except Exception as error:  # of any kind: damaged bytes make it raise whatever it likes
        log.warning("%s is damaged and is made again: %s", file, first_line(error))
    if settings.wandb is not None:
        from vae_granularity.analysis.wandb_source import collect_wandb

        found = collect_wandb(settings.wandb)
    else:
        found = collect(settings.runs, last)
    if found.table.empty:
        where = settings.wandb or ", ".join(map(str, settings.runs))
        first = next((f"; {file}: {reason}" for file, reason in found.broken.items()), "")
        counts = f"{len(found.unfinished)} unfinished, {len(found.broken)} broken"
        raise DataError(f"{where} has no finished run: {counts}{first}")
    settings.folder.mkdir(parents=True, exist_ok=True)
    if last is None or not found.reused == len(found.table) == len(last):
        with replace_file(file) as opened:
            found.table.to_parquet(opened)
    return found

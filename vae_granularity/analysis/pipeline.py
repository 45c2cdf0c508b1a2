"""Read folders of runs, compare the runs and judge them: from the table to verdicts."""

from dataclasses import dataclass

import pandas as pd

from vae_granularity.analysis.best_point import BestPoint, best_points
from vae_granularity.analysis.comparable import check_column, check_comparable, keep_where
from vae_granularity.analysis.models import ModelFindings, analyse_models
from vae_granularity.analysis.next_runs.suggest import SuggestedRuns, suggest_runs
from vae_granularity.analysis.points import average_seeds, far_seeds, numbers_of
from vae_granularity.analysis.runs import Collected, collect, read_table, write_table
from vae_granularity.analysis.settings import Settings
from vae_granularity.analysis.slices import SliceResult, analyse_slices, swept
from vae_granularity.errors import DataError
from vae_granularity.runs.trust import check_links

TABLE = "runs.parquet"


@dataclass(frozen=True, eq=False)
class Analysis:
    """Results of an analysis: what the page, the tables and the printed lines are made from."""

    settings: Settings
    collected: Collected
    table: pd.DataFrame  # the chosen runs, a row each
    parameters: dict[str, list[str]]  # swept ones, each with those that change together with it
    numbers: list[str]  # measured columns, the one to be optimised first
    points: pd.DataFrame  # a row a point: see `points.average_seeds`
    best_points: list[BestPoint]  # of each data set
    far: pd.Series  # whether a run lies far from the other seeds of its point
    slices: list[SliceResult]
    suggestions: list[SuggestedRuns]  # what would settle the undecided verdicts of the slices
    findings: ModelFindings
    mixed: list[str]  # in what the runs differ although they should not, and are allowed to


def analyse(settings: Settings) -> Analysis:
    """Read the runs that the settings name, compare and judge them; keep the table in `folder`.

    Raises:
        ArgumentError: a column or value that no run has, or runs that do not compare.
        DataError: there is no finished run.
    """
    collected = _collect(settings)
    # The chosen runs alone have to be comparable.
    table = keep_where(collected.table, settings.where)
    for argument, name in (("value", settings.value), ("x", settings.x), ("y", settings.y)):
        if name is not None:
            check_column(table, argument, name)
    mixed = list(check_comparable(table, settings.allow_mixed).values())
    parameters = swept(table)
    names = list(parameters)
    findings = analyse_models(settings, table, names)
    # From here on UDR is a score of the runs like any other.
    if findings.udr is not None:
        table = table.join(findings.udr)
    # The optimised number may be none that `numbers_of` lists, such as `run.num_parameters`.
    numbers = list(dict.fromkeys((settings.value, *numbers_of(table))))
    slices = analyse_slices(table, names, settings)
    suggestions = []
    for result in slices:
        suggestions += suggest_runs(result, settings)
    return Analysis(
        settings=settings,
        collected=collected,
        table=table,
        parameters=parameters,
        numbers=numbers,
        points=average_seeds(table, names, numbers),
        best_points=best_points(table, names, settings),
        far=far_seeds(table, names, settings.value),
        slices=slices,
        suggestions=suggestions,
        findings=findings,
        mixed=mixed,
    )


def _collect(settings: Settings) -> Collected:
    """Return the runs of the settings' folders; rows of the last pass that still hold are reused.

    Raises:
        DataError: there is no finished run.
    """
    # A run folder of somebody else may hold a link in place of `analysis`.
    if settings.out is None:
        check_links(settings.folder, settings.runs[0])
    file = settings.folder / TABLE
    last = read_table(file)
    collected = collect(settings.runs, last)
    if collected.table.empty:
        first = next((f"; {file}: {reason}" for file, reason in collected.broken.items()), "")
        raise DataError(
            f"{', '.join(map(str, settings.runs))} has no finished run: "
            f"{len(collected.unfinished)} unfinished, {len(collected.broken)} broken{first}"
        )
    settings.folder.mkdir(parents=True, exist_ok=True)
    # An unchanged table is not written again.
    if last is None or not collected.reused == len(collected.table) == len(last):
        write_table(file, collected.table)
    return collected

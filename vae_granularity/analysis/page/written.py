"""What an analysis leaves in its folder: the page, tables and figures; and what it prints."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import orjson
import pandas as pd
from filelock import Timeout

from vae_granularity.analysis.missing import missing_words
from vae_granularity.analysis.page import page_text
from vae_granularity.analysis.page.labels import settings_label
from vae_granularity.analysis.page.report import render, section
from vae_granularity.analysis.page.traversals import best_traversals
from vae_granularity.analysis.pipeline import Analysis, analyse
from vae_granularity.analysis.runs_table import check_places
from vae_granularity.analysis.settings import Settings
from vae_granularity.data.files.locks import locked
from vae_granularity.errors import writable_folder
from vae_granularity.files import write_text
from vae_granularity.runs.status import LOCK
from vae_granularity.runs.trust import check_links
from vae_granularity.terminal import say

MAX_COMMANDS = 6  # printed for one verdict; all are on the page and in missing.json
MAX_SECTIONS = 12  # slices with figures on the page


def write_analysis(settings: Settings) -> Path:
    """Analyse, and write report.html, runs.parquet, CSV tables and figures/; returns the page.

    Raises:
        ArgumentError: a column or value that no run has, or runs that do not compare.
        DataError: there is no finished run.
    """
    check_places(settings.runs)
    if settings.out is None and settings.runs:
        check_links(settings.folder, settings.runs[0])  # before anything is written there
    folder = writable_folder("out", settings.folder)
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(folder / LOCK, timeout=0))
        except Timeout:
            say(f"waiting for another analysis that writes into {folder}")
            stack.enter_context(locked(folder / LOCK))
        return _written(settings, folder)


def _written(settings: Settings, folder: Path) -> Path:
    started = time.monotonic()
    analysis = analyse(settings)
    _write_tables(analysis, folder)
    source = page_text.source(analysis.table)
    shown = analysis.slices[: max(MAX_SECTIONS, settings.figures)]
    sections = [section(number, result, source) for number, result in enumerate(shown)]
    if settings.figures:
        from vae_granularity.analysis.page.figures import save_figures  # matplotlib takes a second

        drawn = [(part, one) for part in sections[: settings.figures] for one in part.figures]
        charts = {one.id: (one.chart, one.words(part.held)) for part, one in drawn}
        save_figures(charts, folder / "figures")
    page = render(analysis, sections[:MAX_SECTIONS], *best_traversals(analysis))
    write_text(folder / "report.html", page)
    for line in _printed(analysis, time.monotonic() - started):
        say(line)
    say(f"done: {folder / 'report.html'}")
    return folder / "report.html"


def _write_tables(analysis: Analysis, folder: Path) -> None:
    columns = ["trajectory", "held", "verdict", "sentence", "support"]
    verdicts = []
    for held, way in ((s.part.title, way) for s in analysis.slices for way in s.readings):
        support = orjson.dumps(way.verdict.support).decode()
        verdicts.append((way.title, held, way.verdict.shape, way.verdict.sentence, support))
    broken = list(analysis.collected.broken.items())
    tables = {
        "points": analysis.points,
        "verdicts": pd.DataFrame(verdicts, columns=columns),
        "broken": pd.DataFrame(broken, columns=["file", "reason"]),
    }
    for name, table in tables.items():
        write_text(folder / f"{name}.csv", table.to_csv(index=False))
    findings = analysis.findings
    found: dict[str, Any] = {"missing": analysis.missing}
    if not findings.profile.empty:
        found |= {"complexity": findings.complexity, "correlation": findings.correlations}
    for name, values in found.items():
        text = orjson.dumps(values, option=orjson.OPT_INDENT_2).decode()
        write_text(folder / f"{name}.json", text)


def _printed(analysis: Analysis, seconds: float) -> Iterator[str]:
    collected = analysis.collected
    yield (
        f"{len(collected.table)} runs ({collected.reused} known from the last pass), "
        f"{len(collected.broken)} broken, {seconds:.1f} s"
    )
    for answer in analysis.answers:
        where = settings_label(answer.values) or "one point"
        yield f"best on {answer.dataset}: {where}: {answer.sentence}. {answer.beside}".rstrip()
    if analysis.far.any():
        yield f"note: {page_text.far_words(analysis)}"
    for result in analysis.slices:
        held = f" [{result.part.title}]" if result.part.title else ""
        for reading in result.readings:
            yield f"{reading.title}{held}: {reading.verdict.sentence}"
    for lacking in analysis.missing:
        held = f" [{lacking.held}]" if lacking.held else ""
        yield f"missing for the {lacking.reading}{held}: {missing_words(lacking)}"
        yield from (f"  {line}" for line in lacking.commands[:MAX_COMMANDS])
    for file, reason in list(collected.broken.items())[:10]:
        yield f"broken: {file}: {reason}"
    yield from analysis.findings.failures

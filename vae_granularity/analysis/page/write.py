"""Write the results of an analysis into its folder: the page, tables and figures."""

import time
from pathlib import Path
from typing import Any

import orjson
import pandas as pd

from vae_granularity.analysis.folder import results_folder
from vae_granularity.analysis.page.report import render
from vae_granularity.analysis.page.sections import Section, slice_sections
from vae_granularity.analysis.page.summary import print_summary
from vae_granularity.analysis.page.traversals import best_traversals
from vae_granularity.analysis.pipeline import Analysis, analyse
from vae_granularity.analysis.settings import Settings
from vae_granularity.files import write_text
from vae_granularity.terminal import say

MAX_SECTIONS = 12  # slices with figures on the page


def write_report(settings: Settings) -> Path:
    """Analyse, and write report.html, runs.parquet, CSV tables and figures/; return the page.

    Raises:
        ArgumentError: a column or value that no run has, or runs that do not compare.
        DataError: there is no finished run.
    """
    with results_folder(settings) as folder:
        started = time.monotonic()
        analysis = analyse(settings)
        _write_tables(analysis, folder)
        sections = slice_sections(analysis, max(MAX_SECTIONS, settings.figures))
        if settings.figures:
            _write_figures(sections[: settings.figures], folder / "figures")
        traversals, notes = best_traversals(analysis)
        page = folder / "report.html"
        write_text(page, render(analysis, sections[:MAX_SECTIONS], traversals, notes))
        print_summary(analysis, time.monotonic() - started)
        say(f"done: {page}")
        return page


def _write_figures(sections: list[Section], folder: Path) -> None:
    from vae_granularity.analysis.page.figures import save_figures  # matplotlib takes a second

    charts = {}
    for section in sections:
        for figure in section.figures:
            charts[figure.id] = (figure.chart, figure.words(section.held))
    save_figures(charts, folder)


def _write_tables(analysis: Analysis, folder: Path) -> None:
    """Write the CSV tables and JSON files beside the page."""
    verdicts = []
    for result in analysis.slices:
        for verdict in result.verdicts:
            verdicts.append(
                {
                    "trajectory": verdict.title,
                    "held": result.slice.title,
                    "verdict": verdict.shape,
                    "sentence": verdict.sentence,
                    "support": orjson.dumps(verdict.verdict.support).decode(),
                }
            )
    verdict_columns = ["trajectory", "held", "verdict", "sentence", "support"]
    broken = list(analysis.collected.broken.items())
    tables = {
        "points": analysis.points,
        "verdicts": pd.DataFrame(verdicts, columns=verdict_columns),
        "broken": pd.DataFrame(broken, columns=["file", "reason"]),
    }
    for name, table in tables.items():
        write_text(folder / f"{name}.csv", table.to_csv(index=False))
    findings = analysis.findings
    values: dict[str, Any] = {"missing": analysis.suggestions}
    if not findings.profile.empty:
        values["complexity"] = findings.complexity
        values["correlation"] = findings.claim_tests
    for name, value in values.items():
        text = orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
        write_text(folder / f"{name}.json", text)

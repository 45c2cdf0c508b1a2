"""The whole analysis: collect, compare, judge, write. One way from run directories to the page."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import orjson
import pandas as pd

from vae_granularity.analysis import axes, figures, points, tables
from vae_granularity.analysis.collect import Collected, collect
from vae_granularity.analysis.comparable import check_comparable
from vae_granularity.analysis.filters import check_column, keep_where
from vae_granularity.analysis.findings import ModelFindings
from vae_granularity.analysis.page import page_text as about_runs
from vae_granularity.analysis.page import traversals
from vae_granularity.analysis.page.feature_charts import profile_maps
from vae_granularity.analysis.page.line_charts import cuts
from vae_granularity.analysis.page.report import Page, render
from vae_granularity.analysis.settings import Settings
from vae_granularity.analysis.slice_result import SliceResult, analyse_slice
from vae_granularity.errors import ArgumentError, DataError
from vae_granularity.runs.identity import write_atomically

TABLE = "runs.parquet"


def analyse(settings: Settings) -> Path:
    """Write report.html, runs.parquet, points.csv, verdicts.csv, broken.csv and figures/ into the
    settings' folder; returns the page.

    Raises:
        ArgumentError: a column or value that no run has, or runs that do not compare.
        DataError: there is no finished run.
    """
    started = time.monotonic()
    collected = _collected(settings)
    table = keep_where(collected.table, settings.where)
    check_column(table, "value", settings.value)
    notes = list(check_comparable(table, settings.mix).values())
    parameters = axes.swept(table)
    asked = _asked(settings, table, parameters)
    if asked.udr is not None:
        table = table.join(asked.udr)
    numbers = [
        settings.value,
        *(name for name in points.numbers_of(table) if name != settings.value),
    ]
    found = points.aggregate(table, parameters, numbers)
    results = _slices(settings, table, parameters)
    folder = settings.folder
    found.to_csv(folder / "points.csv", index=False)
    _verdicts(results).to_csv(folder / "verdicts.csv", index=False)
    pd.DataFrame(list(collected.broken.items()), columns=["file", "reason"]).to_csv(
        folder / "broken.csv", index=False
    )
    if settings.figures:
        figures.save(results[: settings.figures], folder / "figures", about_runs.source(table))
    features = _features(asked, table, folder)
    notes += about_runs.unreadable(asked)
    shown = _traversals(settings, table, parameters, notes)
    page = Page(
        title=about_runs.title(settings),
        value=settings.value,
        source=about_runs.source(table),
        facts=about_runs.facts(table, found, parameters),
        notes=notes + about_runs.confounded(table) + about_runs.left_out(collected),
        slices=results,
        cuts=cuts(found, parameters, numbers, _best_point(found, settings)),
        numbers=numbers,
        traversals=shown,
        tables={
            "points": tables.point_table(
                found,
                parameters,
                numbers,
                settings.value,
                maximise=settings.maximise,
                rows=settings.rows,
            ),
            "runs": tables.run_table(
                table,
                parameters,
                numbers,
                settings.value,
                maximise=settings.maximise,
                rows=settings.rows,
            ),
        },
        provenance=about_runs.provenance(table, collected, settings),
        protocols=about_runs.protocols(table),
        broken=sorted(collected.broken.items()),
        features=features,
    )
    write_atomically(folder / "report.html", render(page))
    _say(collected, asked, results, folder, time.monotonic() - started)
    return folder / "report.html"


def _collected(settings: Settings) -> Collected:
    file = settings.folder / TABLE
    last = pd.read_parquet(file) if file.is_file() else None
    if settings.wandb is not None:
        from vae_granularity.analysis.wandb_source import collect_wandb

        found = collect_wandb(settings.wandb)
    else:
        found = collect(settings.runs, last)
    if found.table.empty:
        first = next((f"; {file}: {reason}" for file, reason in found.broken.items()), "")
        where = settings.wandb or ", ".join(map(str, settings.runs))
        raise DataError(
            f"{where} has no finished run: {len(found.unfinished)} unfinished, {len(found.broken)} broken{first}"
        )
    settings.folder.mkdir(parents=True, exist_ok=True)
    if last is None or found.reused < len(found.table) or len(last) != len(found.table):
        found.table.to_parquet(file)
    return found


def _asked(settings: Settings, table: pd.DataFrame, parameters: list[str]) -> ModelFindings:
    if not (settings.udr or settings.profile):
        return ModelFindings()
    from vae_granularity.analysis.analyse_models import ask_models  # torch takes seconds

    return ask_models(settings, table, parameters)


def _slices(settings: Settings, table: pd.DataFrame, parameters: list[str]) -> list[SliceResult]:
    results = []
    for x, y in axes.pairs(table, parameters, settings.x, settings.y):
        for argument, name in (("x", x), ("y", y)):
            check_column(table, argument, name)
        for part in axes.slices(table, parameters, x, y):
            results.append(
                analyse_slice(
                    part,
                    settings.value,
                    maximise=settings.maximise,
                    min_seeds=settings.min_seeds,
                    draws=settings.draws,
                    seed=settings.seed,
                )
            )
    if settings.x is not None and not results:
        raise ArgumentError(
            f"x and y must both take several values where the other parameters are held, got x={settings.x}, y={settings.y}; "
            f"swept here: {', '.join(parameters) or 'nothing'}"
        )
    return results


def _verdicts(results: list[SliceResult]) -> pd.DataFrame:
    rows = [
        {
            "trajectory": reading.title,
            "held": result.part.title,
            "verdict": reading.verdict.shape,
            "sentence": reading.verdict.sentence,
            "support": orjson.dumps(reading.verdict.support).decode(),
        }
        for result in results
        for reading in result.readings
    ]
    return pd.DataFrame(rows, columns=["trajectory", "held", "verdict", "sentence", "support"])


def _best_point(found: pd.DataFrame, settings: Settings) -> Any:
    known = found[settings.value].dropna()
    return None if known.empty else (known.idxmax() if settings.maximise else known.idxmin())


def _traversals(
    settings: Settings, table: pd.DataFrame, parameters: list[str], notes: list[str]
) -> list[dict[str, Any]]:
    shown = []
    for run in traversals.best_runs(table, parameters, settings.value, maximise=settings.maximise):
        if traversals.missing_figures(run):
            try:
                traversals.draw_figures(run)
            except (
                Exception
            ) as error:  # a damaged run, or one of another version, must not end the analysis
                notes.append(
                    f"no traversals of {run.name}: {(str(error).splitlines() or [type(error).__name__])[0]}"
                )
                continue
        images = traversals.embedded(run)
        if images:
            shown.append(
                {
                    "granularity": run.granularity,
                    "name": run.name,
                    "value": run.value,
                    "parameters": run.parameters,
                    "images": images,
                }
            )
        else:
            notes.append(f"no traversals of {run.name}: it has neither figures nor a checkpoint")
    return shown


def _features(asked: ModelFindings, table: pd.DataFrame, folder: Path) -> dict[str, Any] | None:
    if asked.profile.empty:
        return None
    write_atomically(
        folder / "complexity.json",
        orjson.dumps(asked.complexity, option=orjson.OPT_INDENT_2).decode(),
    )
    write_atomically(
        folder / "correlation.json",
        orjson.dumps(asked.correlations, option=orjson.OPT_INDENT_2).decode(),
    )
    maps = profile_maps(table, asked.profile, asked.complexity)
    return {"findings": [found.sentence for found in asked.correlations], "maps": maps}


def _say(
    collected: Collected,
    asked: ModelFindings,
    results: list[SliceResult],
    folder: Path,
    seconds: float,
) -> None:
    print(
        f"{len(collected.table)} runs ({collected.reused} known from the last pass), {len(collected.broken)} broken, {seconds:.1f} s"
    )
    for result in results:
        for reading in result.readings:
            held = f" [{result.part.title}]" if result.part.title else ""
            print(f"{reading.title}{held}: {reading.verdict.sentence}")
    for file, reason in list(collected.broken.items())[:10]:
        print(f"broken: {file}: {reason}")
    for line in about_runs.unreadable(asked):
        print(line)
    print(f"done: {folder / 'report.html'}")

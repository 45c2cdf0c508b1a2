"""Render the page: one HTML file with everything in it, that works without a network."""

import os
from collections.abc import Sequence
from importlib.resources import files
from typing import Any
from urllib.parse import quote

import orjson
from markupsafe import Markup

from vae_granularity.analysis.labels import name_of, settings_label, with_unit
from vae_granularity.analysis.next_runs.suggest import describe_suggestion
from vae_granularity.analysis.page import tables, text
from vae_granularity.analysis.page.charts import PALETTE, layout
from vae_granularity.analysis.page.correlation_charts import scatter_data
from vae_granularity.analysis.page.sections import (
    Figure,
    Section,
    correlation_figures,
    feature_figures,
)
from vae_granularity.analysis.page.sweep_rounds import describe_sweeps
from vae_granularity.analysis.pipeline import Analysis


def render(
    analysis: Analysis,
    sections: Sequence[Section],
    traversals: Sequence[dict[str, Any]],
    traversal_notes: Sequence[str],
) -> str:
    """Return the HTML text; notes are of runs without traversals."""
    from plotly.offline import get_plotlyjs  # takes a second

    settings = analysis.settings
    features = feature_figures(analysis)
    correlations = correlation_figures(analysis)
    sweeps, damaged = describe_sweeps(settings.runs)
    figures = [*features, *correlations]
    for section in sections:
        figures += section.figures
    data = _page_data(analysis, figures, traversals)
    # Only sections with content are in the navigation, in the order of the page.
    content = {
        "answer": True,
        "verdicts": True,
        "missing": analysis.suggestions,
        "rounds": sweeps,
        "features": features,
        "numbers": data["line_charts"],
        "relations": data["relations"],
        "curves": data["curves"],
        "traversals": traversals,
        "table": True,
        "provenance": True,
    }
    return _template().render(
        title=text.page_title(settings),
        facts=text.page_facts(analysis),
        notes=[*text.page_notes(analysis), *traversal_notes, *damaged],
        parts=[name for name, is_shown in content.items() if is_shown],
        value_name=name_of(settings.value),
        method=text.METHOD,
        verdicts=text.verdict_rows(analysis),
        suggestions=[
            vars(suggestion) | {"words": describe_suggestion(suggestion)}
            for suggestion in analysis.suggestions
        ],
        rounds=sweeps,
        min_seeds=settings.min_seeds,
        sections=sections,
        more_sections=len(analysis.slices) - len(sections),
        best_points=[
            vars(best) | {"where": settings_label(best.values)} for best in analysis.best_points
        ],
        relations=correlations,
        features=features,
        features_text=text.FEATURES,
        findings=[test.sentence for test in analysis.findings.claim_tests],
        num_traversals=len(traversals),
        provenance=text.provenance(analysis),
        protocols=text.protocols(analysis.table),
        broken=sorted(analysis.collected.broken.items()),
        # Our own text, which goes in as it is; everything else is escaped.
        css=Markup(_asset("report.css")),
        js=Markup(_asset("report.js")),
        plotly=Markup(get_plotlyjs()),
        data=Markup(_json(data)),
    )


def _page_data(
    analysis: Analysis, figures: Sequence[Figure], traversals: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """Return what the script of the page draws from."""
    settings = analysis.settings
    value = settings.value
    names = list(analysis.parameters)
    others = [name for name in analysis.numbers if name != value]
    point_columns = [*names, "runs", value, f"±{value}", *others]
    run_columns = ["run.name", *names, "seed", "run.num_parameters", value, *others]
    return {
        "charts": {figure.id: figure.chart for figure in figures},
        "line_charts": tables.line_charts(analysis.points, names, analysis.numbers, settings),
        "line_layout": layout("", "", ""),
        "numbers": {name: with_unit(name) for name in analysis.numbers},
        "palette": PALETTE,
        "source": text.data_source(analysis.table),
        "relations": scatter_data(analysis.table, value, analysis.numbers),
        "curves": tables.training_curves(traversals),
        "links": _links(analysis),
        "tables": {
            "points": tables.best_rows(
                analysis.points, point_columns, names, settings, "points.csv"
            ),
            "runs": tables.best_rows(analysis.table, run_columns, names, settings, "runs.parquet"),
        },
        "traversals": traversals,
    }


def _links(analysis: Analysis) -> dict[str, str]:
    """Return the addresses of the run directories in the table, relative to the page, by run."""
    settings = analysis.settings
    best = analysis.table.sort_values(settings.value, ascending=not settings.maximise)
    best = best.head(settings.max_rows)
    paths = zip(best["run.name"].astype(str), best["path"].astype(str), strict=True)
    return {
        # Quoted, since a colon would be a scheme.
        name: quote(os.path.relpath(path, settings.folder)) + "/"
        for name, path in paths
    }


def _asset(name: str) -> str:
    return (files("vae_granularity.analysis.page") / "assets" / name).read_text(encoding="utf-8")


def _json(data: Any) -> str:
    # "</" would end the script element that holds the data, "<!--" would open a comment in it.
    return orjson.dumps(data, option=orjson.OPT_SERIALIZE_NUMPY).decode().replace("<", "\\u003c")


def _template() -> Any:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.undefined = StrictUndefined
    return environment.from_string(_asset("report.html"))

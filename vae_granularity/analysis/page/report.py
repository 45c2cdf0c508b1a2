"""The page: one HTML file with everything in it, that works without a network."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any
from urllib.parse import quote

import orjson
import pandas as pd
from markupsafe import Markup

from vae_granularity.analysis.missing import missing_words
from vae_granularity.analysis.page import charts, page_text, relations, tables
from vae_granularity.analysis.page.labels import name_of, seeds_label, settings_label, with_unit
from vae_granularity.analysis.page.rounds import rounds_of
from vae_granularity.analysis.pipeline import Analysis
from vae_granularity.analysis.settings import Settings
from vae_granularity.analysis.slices import Reading, SliceResult
from vae_granularity.analysis.verdict import EDGE, MAX_CHANCE, MIN_SUPPORT, NOT_ENOUGH

METHOD = (
    "Each surface is the mean over seeds. The trajectory is the place of the optimum on the grid; "
    "rows whose differences seeds alone may have made (permutation test, "
    f"{MAX_CHANCE:.0%}) have none. A straight line, a monotone curve and a V are fitted to the "
    "others in grid steps, the simplest that fits wins (BIC), unless more than half of the optima "
    f"are on the edge. Either is said only if it also holds in {MIN_SUPPORT:.0%} of the bootstrap "
    "resamplings of the seeds, those that no shape describes well counting less, and if the path "
    "is better than the same path two or more places away (t test over seeds, all rows together). "
    "Seeds are resampled as a whole: what a seed does in every row alike has one weight, the rest "
    "one weight in each row. Rows in which a neighbour of the optimum has too few seeds are left "
    "out."
)
FEATURES = (
    "Models of every γ are seen under the same partitions of their latents. A factor is separated "
    "where its best unit holds a tenth of its entropy or more, twice what the second holds, and no "
    "other factor. Complexity: participation ratio of the images along the factor's orbit (1 is a "
    "straight line). The claim: the γ at which a factor separates grows with its complexity; "
    "the factors are the sample, so they are permuted, and γ is averaged over seeds."
)
PROFILE = (
    "Colour: share of the factor's entropy in its best unit. Cells: models that separate it. "
    "Means over seeds and settings."
)


@dataclass(frozen=True)
class Figure:
    """A chart with its words; the title stands in the chart too."""

    id: str
    chart: charts.Chart
    alt: str
    caption: str

    @property
    def title(self) -> str:
        """What is drawn, from which data."""
        return self.chart["layout"]["title"]["text"]

    def words(self, held: str) -> str:
        """Title and caption, with what is held, for a figure that stands alone."""
        return ". ".join(filter(None, (self.title, held, self.caption)))


@dataclass(frozen=True)
class Section:
    """One slice on the page: its surface and both trajectories."""

    id: str
    title: str
    held: str
    figures: tuple[Figure, ...]


def section(number: int, result: SliceResult, source: str) -> Section:
    """The figures of a slice; source: what `page_text.source` says of the data."""
    surface = result.surface
    forward, backward = result.readings
    value = with_unit(surface.value_name)
    over = f"over {name_of(surface.x_name)} and {name_of(surface.y_name)}"
    count = surface.count[surface.count > 0]
    least, most = int(count.min()), int(count.max())
    seeds = seeds_label(least) if least == most else f"{least} to {most} seeds"
    paths = (forward.trajectory, backward.trajectory)
    heat = Figure(
        f"surface_{number}",
        charts.surface_chart(surface, *paths, f"{value}, {source}"),
        f"Heat map of {value} {over}. {forward.verdict.sentence}. {backward.verdict.sentence}.",
        f"Mean over {seeds} a point; circles: {forward.title}; diamonds: {backward.title}.",
    )
    ways = [
        Figure(
            f"trajectory_{number}_{way}",
            charts.trajectory_chart(reading.trajectory, reading.verdict, reading.title),
            f"{reading.title}: {reading.verdict.sentence}",
            f"{_capital(reading.verdict.sentence)}. {_capital(source)}.",
        )
        for way, reading in zip(("forward", "backward"), result.readings, strict=True)
        if len(reading.trajectory.rows)  # rows that chance alone may have made have no optimum
    ]
    title = _capital(f"{name_of(surface.value_name)} {over}")
    return Section(f"slice{number}", title, result.part.title, (heat, *ways))


def render(
    analysis: Analysis,
    sections: Sequence[Section],
    traversals: Sequence[dict[str, Any]],
    missing: Sequence[str],
) -> str:
    """The HTML text; missing: notes on runs without traversals."""
    from plotly.offline import get_plotlyjs  # takes a second

    table, settings, collected = analysis.table, analysis.settings, analysis.collected
    source, names, value = page_text.source(table), list(analysis.parameters), settings.value
    others = [name for name in analysis.numbers if name != value]
    columns = {
        "points": [*names, "runs", value, f"±{value}", *others],
        "runs": ["run.name", *names, "seed", "run.num_parameters", value, *others],
    }
    frames = {"points": (analysis.points, "points.csv"), "runs": (table, "runs.parquet")}
    lines = tables.line_charts(analysis.points, names, analysis.numbers, settings)
    features = _features(analysis, source)
    related = _relations(analysis, source)
    figures = [*(figure for part in sections for figure in part.figures), *features, *related]
    against = relations.scatter(table, value, analysis.numbers)
    trained = tables.curves(traversals)
    rounds, damaged = rounds_of(settings.runs)
    data = {
        "charts": {figure.id: figure.chart for figure in figures},
        "line_charts": lines,
        "line_layout": charts.layout("", "", ""),
        "numbers": {name: with_unit(name) for name in analysis.numbers},
        "palette": charts.PALETTE,
        "source": source,
        "relations": against,
        "curves": trained,
        "links": _links(table, settings),
        "tables": {
            name: tables.best_rows(frame, columns[name], names, settings, file)
            for name, (frame, file) in frames.items()
        },
        "traversals": traversals,
    }
    parts = {
        "answer": True,
        "verdicts": True,
        "missing": analysis.missing,
        "rounds": rounds,
        "features": features,
        "numbers": lines,
        "relations": against,
        "curves": trained,
        "traversals": traversals,
        "table": True,
        "provenance": True,
    }
    return _template().render(
        title=page_text.title(settings),
        facts=page_text.facts(analysis),
        notes=[*page_text.notes(analysis), *missing, *damaged],
        parts=[name for name, shown in parts.items() if shown],
        value_name=name_of(value),
        method=METHOD,
        verdicts=[_verdict(way, s.part.title) for s in analysis.slices for way in s.readings],
        lacking=[vars(one) | {"words": missing_words(one)} for one in analysis.missing],
        rounds=rounds,
        min_seeds=settings.min_seeds,
        sections=sections,
        more_sections=len(analysis.slices) - len(sections),
        answers=[
            vars(answer) | {"where": settings_label(answer.values)} for answer in analysis.answers
        ],
        relations=related,
        features=features,
        features_text=FEATURES,
        findings=[found.sentence for found in analysis.findings.correlations],
        num_traversals=len(traversals),
        provenance=page_text.provenance(analysis),
        protocols=page_text.protocols(table),
        broken=sorted(collected.broken.items()),
        # Our own text, which goes in as it is; everything else is escaped.
        css=Markup(_asset("report.css")),
        js=Markup(_asset("report.js")),
        plotly=Markup(get_plotlyjs()),
        data=Markup(_json(data)),
    )


def _verdict(reading: Reading, held: str) -> dict[str, str]:
    """A row of the table of verdicts: the shape, set in bold, and the rest of the words."""
    shape, sentence = reading.verdict.shape, reading.verdict.sentence
    kinds = {EDGE: "edge", NOT_ENOUGH: "unsure"}
    starts = (f"{NOT_ENOUGH} to tell", f"the optimum sits on the {EDGE} of the grid", shape)
    start = next((start for start in starts if sentence.startswith(start)), "")
    return {
        "trajectory": reading.title,
        "held": held,
        "shape": start or shape,
        "rest": sentence[len(start) :] if start else f": {sentence}",
        "class": kinds.get(shape, "v" if shape.endswith("V") else "shape"),
    }


def _features(analysis: Analysis, source: str) -> list[Figure]:
    findings = analysis.findings
    if findings.profile.empty:
        return []
    maps = charts.profile_charts(analysis.table, findings.profile, findings.complexity, source)
    alt = "Heat map of factors by granularity under {}. " + PROFILE
    return [
        Figure(f"profile_{number}", chart, alt.format(partition), PROFILE)
        for number, (partition, chart) in enumerate(maps.items())
    ]


def _relations(analysis: Analysis, source: str) -> list[Figure]:
    value, numbers = analysis.settings.value, analysis.numbers
    found = {
        "correlations": (
            relations.correlations(analysis.table, value, numbers),
            "Over all runs of the page, so settings as well as seeds make them: they are no proof "
            "that one follows from the other.",
        ),
        "parallel": (
            relations.parallel(analysis.points, list(analysis.parameters), value, numbers),
            "A line is the mean over the seeds of a point; parameters take their values in order.",
        ),
    }
    return [
        Figure(name, chart, chart["layout"]["title"]["text"], f"{caption} {_capital(source)}.")
        for name, (chart, caption) in found.items()
        if chart is not None
    ]


def _links(table: pd.DataFrame, settings: Settings) -> dict[str, str]:
    """Run to the address of its directory, relative to the page, or of its page on W&B."""
    best = table.sort_values(settings.value, ascending=not settings.maximise)
    shown = best.head(settings.max_rows)
    places = zip(shown["run.name"].astype(str), shown["path"].astype(str), strict=True)
    if settings.wandb:
        return {name: path for name, path in places if path.startswith(("https://", "http://"))}
    return {
        name: quote(os.path.relpath(path, settings.folder)) + "/"  # a colon would be a scheme
        for name, path in places
    }


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


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

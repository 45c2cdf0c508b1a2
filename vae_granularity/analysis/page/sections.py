"""Make the figures of the page, each a chart with its words: of slices, features, correlations."""

from dataclasses import dataclass

from vae_granularity.analysis.labels import name_of, seeds_label, with_unit
from vae_granularity.analysis.page.charts import (
    Chart,
    profile_charts,
    surface_chart,
    trajectory_chart,
)
from vae_granularity.analysis.page.correlation_charts import parallel_chart, rank_correlation_chart
from vae_granularity.analysis.page.text import data_source
from vae_granularity.analysis.pipeline import Analysis
from vae_granularity.analysis.slices import SliceResult

PROFILE = (
    "Colour: share of the factor's entropy in its best unit. Cells: models that separate it. "
    "Means over seeds and settings."
)
CORRELATION = (
    "Over all runs of the page, so settings as well as seeds make them: they are no proof "
    "that one follows from the other."
)
PARALLEL = "A line is the mean over the seeds of a point; parameters take their values in order."


@dataclass(frozen=True)
class Figure:
    """Chart with its words; the title stands in the chart too."""

    id: str
    chart: Chart
    alt: str
    caption: str

    @property
    def title(self) -> str:
        """Return what is drawn, from which data."""
        return self.chart["layout"]["title"]["text"]

    def words(self, held: str) -> str:
        """Return title and caption, with what is held, for a figure that stands alone."""
        return ". ".join(filter(None, (self.title, held, self.caption)))


@dataclass(frozen=True)
class Section:
    """Slice on the page: its surface and both trajectories."""

    id: str
    title: str
    held: str
    figures: tuple[Figure, ...]


def slice_sections(analysis: Analysis, limit: int) -> list[Section]:
    """Return the sections of the first slices, at most `limit`."""
    source = data_source(analysis.table)
    slices = analysis.slices[:limit]
    return [_slice_section(number, result, source) for number, result in enumerate(slices)]


def _slice_section(number: int, result: SliceResult, source: str) -> Section:
    surface = result.surface
    forward, backward = result.verdicts
    value = with_unit(surface.value_name)
    over = f"over {name_of(surface.x_name)} and {name_of(surface.y_name)}"
    count = surface.count[surface.count > 0]
    fewest = int(count.min())
    seeds = seeds_label(fewest) if fewest == count.max() else f"{fewest} to {count.max()} seeds"
    title = f"{value}, {source}"
    heat = Figure(
        f"surface_{number}",
        surface_chart(surface, forward.trajectory, backward.trajectory, title),
        f"Heat map of {value} {over}. {forward.sentence}. {backward.sentence}.",
        f"Mean over {seeds} a point; circles: {forward.title}; diamonds: {backward.title}.",
    )
    paths = [
        Figure(
            f"trajectory_{number}_{direction}",
            trajectory_chart(verdict.trajectory, verdict.verdict, verdict.title),
            f"{verdict.title}: {verdict.sentence}",
            f"{_capital(verdict.sentence)}. {_capital(source)}.",
        )
        for direction, verdict in (("forward", forward), ("backward", backward))
        if len(verdict.trajectory.rows)  # rows that chance alone may have made have no optimum
    ]
    heading = _capital(f"{name_of(surface.value_name)} {over}")
    return Section(f"slice{number}", heading, result.slice.title, (heat, *paths))


def feature_figures(analysis: Analysis) -> list[Figure]:
    """Return a figure for each partition under which factors were profiled."""
    findings = analysis.findings
    if findings.profile.empty:
        return []
    source = data_source(analysis.table)
    charts = profile_charts(analysis.table, findings.profile, findings.complexity, source)
    return [
        Figure(
            f"profile_{number}",
            chart,
            f"Heat map of factors by granularity under {partition}. {PROFILE}",
            PROFILE,
        )
        for number, (partition, chart) in enumerate(charts.items())
    ]


def correlation_figures(analysis: Analysis) -> list[Figure]:
    """Return the figures of all runs: rank correlations, and points in parallel coordinates."""
    value = analysis.settings.value
    parameters = list(analysis.parameters)
    correlations = rank_correlation_chart(analysis.table, value, analysis.numbers)
    parallel = parallel_chart(analysis.points, parameters, value, analysis.numbers)
    source = _capital(data_source(analysis.table))
    charts = (("correlations", correlations, CORRELATION), ("parallel", parallel, PARALLEL))
    return [
        Figure(name, chart, chart["layout"]["title"]["text"], f"{caption} {source}.")
        for name, chart, caption in charts
        if chart is not None
    ]


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]

"""The page: one HTML file with everything in it, that works without a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import orjson
from markupsafe import Markup

from vae_granularity.analysis.page import charts
from vae_granularity.analysis.page.feature_charts import profile_chart
from vae_granularity.analysis.page.labels import name_of, with_unit
from vae_granularity.analysis.slice_result import Reading, SliceResult
from vae_granularity.analysis.verdict import EDGE, MIN_SUPPORT, NOT_ENOUGH

MAX_SLICES = 12


@dataclass
class Page:
    """What the page shows; each part may be empty."""

    title: str
    value: str  # column of the main number
    source: str  # data set and where its images come from, for every figure
    facts: list[str]
    notes: list[str]
    slices: Sequence[SliceResult]
    cuts: list[dict[str, Any]]
    numbers: list[str]
    traversals: list[dict[str, Any]]
    tables: dict[str, dict[str, Any]]
    provenance: list[tuple[str, str]]
    protocols: list[tuple[str, str]]
    broken: list[tuple[str, str]]
    features: dict[str, Any] | None = None
    charts: dict[str, Any] = field(default_factory=dict)


def render(page: Page) -> str:
    """The HTML text."""
    surfaces = [_slice(page, i, result) for i, result in enumerate(page.slices[:MAX_SLICES])]
    features = _features(page)
    data = {
        "charts": page.charts,
        "cuts": page.cuts,
        "cut_layout": charts.layout("", "", ""),
        "numbers": {name: with_unit(name) for name in page.numbers},
        "palette": charts.PALETTE,
        "source": page.source,
        "tables": page.tables,
        "traversals": page.traversals,
    }
    sections = [
        ("verdicts", "Verdicts"),
        ("features", "Features"),
        ("numbers", "Numbers"),
        ("traversals", "Traversals"),
        ("table", "Table"),
    ]
    absent = {"features": not features, "numbers": not page.cuts, "traversals": not page.traversals}
    more = len(page.slices) - MAX_SLICES
    return _template().render(
        title=page.title,
        facts=page.facts,
        notes=page.notes,
        sections=[*(s for s in sections if not absent.get(s[0])), ("provenance", "Provenance")],
        value_name=name_of(page.value),
        method=(
            "Each surface is the mean over seeds. The trajectory is the place of the optimum on the grid; a straight line, a monotone "
            "curve and a V are fitted to it in grid steps, the simplest that fits wins (BIC), and a shape is named only if it also wins in "
            f"{MIN_SUPPORT:.0%} of the bootstrap resamplings of the seeds."
        ),
        verdicts=[
            _verdict(reading, result.part.title)
            for result in page.slices
            for reading in result.readings
        ],
        surfaces=surfaces,
        more_surfaces=f"{more} more slices are in the table of verdicts and in verdicts.csv, without figures."
        if more > 0
        else None,
        features=features,
        has_cuts=bool(page.cuts),
        traversals=page.traversals,
        has_points="points" in page.tables,
        provenance=page.provenance,
        protocols=page.protocols,
        broken=page.broken,
        # Our own text, which goes in as it is; everything else is escaped.
        css=Markup(_asset("report.css")),
        js=Markup(_asset("report.js")),
        plotly=Markup(_plotly()),
        data=Markup(_json(data)),
    )


def _slice(page: Page, number: int, result: SliceResult) -> dict[str, Any]:
    surface = result.surface
    x, y = name_of(surface.x_name), name_of(surface.y_name)
    value = with_unit(surface.value_name)
    title = f"{name_of(surface.value_name)} over {x} and {y}"
    page.charts[f"surface{number}"] = charts.surface_chart(
        surface,
        result.forward.trajectory,
        result.backward.trajectory,
        f"{with_unit(surface.value_name)}, {page.source}",
    )
    trajectories = []
    for way, reading in enumerate(result.readings):
        key = f"trajectory{number}-{way}"
        page.charts[key] = charts.trajectory_chart(
            reading.trajectory, reading.verdict, reading.title
        )
        caption = (
            f"{_sentence(reading.verdict.sentence)} {page.source[0].upper()}{page.source[1:]}."
        )
        trajectories.append(
            {
                "id": key,
                "title": _title(page, key),
                "alt": f"{reading.title}: {reading.verdict.sentence}",
                "caption": caption,
            }
        )
    least, most = (int(f(surface.count[surface.count > 0])) for f in (np.min, np.max))
    seeds = (
        f"{least} seed{'s' if least > 1 else ''}" if least == most else f"{least} to {most} seeds"
    )
    return {
        "id": f"slice{number}",
        "title": title[0].upper() + title[1:],
        "held": result.part.title,
        "surface": {
            "id": f"surface{number}",
            "title": _title(page, f"surface{number}"),
            "alt": f"Heat map of {value} over {x} and {y}. {result.forward.verdict.sentence}. {result.backward.verdict.sentence}.",
            "caption": f"Mean over {seeds} a point; circles: {result.forward.title}; diamonds: {result.backward.title}.",
        },
        "trajectories": trajectories,
    }


def _verdict(reading: Reading, held: str) -> dict[str, str]:
    verdict = reading.verdict
    kind = {EDGE: "edge", NOT_ENOUGH: "unsure"}.get(
        verdict.shape, "v" if verdict.shape.endswith("V") else "shape"
    )
    rest = verdict.sentence
    for start in (
        f"{NOT_ENOUGH} to tell",
        f"the optimum sits on the {EDGE} of the grid",
        verdict.shape,
    ):
        if rest.startswith(start):
            return {
                "trajectory": reading.title,
                "held": held,
                "shape": start,
                "rest": rest[len(start) :],
                "class": kind,
            }
    return {
        "trajectory": reading.title,
        "held": held,
        "shape": verdict.shape,
        "rest": f": {rest}",
        "class": kind,
    }


def _features(page: Page) -> dict[str, Any] | None:
    if not page.features:
        return None
    listed = []
    for number, profile in enumerate(page.features["maps"]):
        page.charts[f"profile{number}"] = profile_chart(profile, page.source)
        caption = "Colour: share of the factor's entropy in its best unit. Cells: models that separate it. Means over seeds and settings."
        alt = f"Heat map of factors by granularity under {profile.partition}. {caption}"
        listed.append(
            {
                "id": f"profile{number}",
                "title": _title(page, f"profile{number}"),
                "alt": alt,
                "caption": caption,
            }
        )
    intro = (
        "Models of every γ are seen under the same partitions of their latents. A factor is separated where its best unit holds a tenth of "
        "its entropy or more, twice what the second holds, and no other factor. Complexity: participation ratio of the images along the "
        "factor's orbit (1 is a straight line). The claim: the γ at which a factor separates grows with its complexity."
    )
    return {"intro": intro, "findings": page.features["findings"], "charts": listed}


def _title(page: Page, chart: str) -> str:
    return page.charts[chart]["layout"]["title"]["text"]


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."


def _asset(name: str) -> str:
    return (files("vae_granularity.analysis.page") / "assets" / name).read_text(encoding="utf-8")


@cache
def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    return get_plotlyjs()


def _json(data: Any) -> str:
    # "</" would end the script element that holds the data, "<!--" would open a comment in it.
    return orjson.dumps(data, option=orjson.OPT_SERIALIZE_NUMPY).decode().replace("<", "\\u003c")


def _template() -> Any:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_asset("report.html"))

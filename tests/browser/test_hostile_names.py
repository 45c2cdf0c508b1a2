"""Names that someone else chose, on the page: words to read, not markup, addresses or formulas."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from fake_runs import grid, v_elbo, write_run
from pages import TEXTS_CUT
from PIL import Image

from vae_granularity import analyze
from vae_granularity.analysis import pipeline
from vae_granularity.analysis.models import ModelFindings
from vae_granularity.training.config import compose

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SCRIPT = "</script><script>window.owned = 1</script>"
NAMES = {
    # what is named: how
    "run": "<img src=x onerror='owned=1'> \"$x^$\" & {{ 7 * 7 }}",
    "factor": f"hue {SCRIPT}",
    "data set": "$\\frac{$ <b>blocks</b> <!-- &lt; &amp;",
    "source": "javascript:window.owned=1",
    "label": '<a href="javascript:owned=1">m\'ws</a><br>%{x}',
    "score": "<svg onload=owned=1> constructor",
}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a sweep with such names, two values of a swept parameter among them."""
    folder = tmp_path_factory.mktemp("hostile") / "sweep <i>"
    for number, results in enumerate(
        grid(v_elbo, widths=(1.0, 2.0), granularities=(1, 2), seeds=2)
    ):
        results["run"]["name"] = f"{NAMES['run']} {number}"
        results["run"]["title"] = results["run"]["model"] = SCRIPT
        results["data"] |= {"name": NAMES["data set"], "source": NAMES["source"]}
        net, model = results["config"]["net"], results["config"]["model"]
        model["estimator"] = NAMES["label"] if net["width"] > 1 else "constructor"
        net["width"] = 1.0
        results["scores"][NAMES["score"]] = float(number)
        results["protocol"]["terms"]["likelihood"] = SCRIPT
        directory = write_run(folder, results)
        (directory / "figures").mkdir()
        (directory / "metrics.csv").write_text("step,val/elbo\n1000,-2\n2000,-1\n")
        Image.new("RGB", (60, 40)).save(directory / "figures" / "traversals.png")
    (folder / f"broken {NAMES['score']}").mkdir()
    (folder / f"broken {NAMES['score']}" / "results.json").write_text("{")

    def found(_settings, table, _parameters) -> ModelFindings:
        row = {"partition": NAMES["label"], "factor": NAMES["factor"], "separated": 1.0}
        rows = [row | {"run": run, "share": 0.5} for run in table.index]
        return ModelFindings(profile=pd.DataFrame(rows), complexity={NAMES["factor"]: 1.5})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "analyse_models", found)
        analyze.run(compose("analyze", [f"runs='{folder}'", "figures=1", "min_seeds=2"]))
    return folder / "analysis" / "report.html"


@pytest.fixture(scope="module", params=(1280, 390))
def page(request, browser: Browser, report: Path) -> Iterator[tuple[Page, list[str]]]:
    """The page with every chart drawn, and what it said, opened or asked for."""
    page = browser.new_page(viewport={"width": request.param, "height": 800})
    noticed: list[str] = []
    page.on("console", lambda m: noticed.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: noticed.append(str(error)))
    page.on("dialog", lambda dialog: noticed.append(dialog.message))
    page.on("popup", lambda other: noticed.append(other.url))
    page.on("request", lambda asked: noticed.append(asked.url))
    page.goto(report.as_uri())
    noticed.remove(report.as_uri())
    page.locator("#table-kind").select_option(label="runs")
    for chart in page.locator(".chart").all():
        chart.scroll_into_view_if_needed()
        chart.locator("svg.main-svg").first.wait_for(timeout=30_000)
    yield page, noticed
    page.close()


def test_nothing_of_it_runs_opens_or_is_asked_for(page: tuple[Page, list[str]]) -> None:
    opened, noticed = page
    assert opened.evaluate("window.owned") is None
    assert [text for text in noticed if not text.startswith(("data:", "blob:"))] == []
    assert opened.locator(".chart a, .chart img, .chart b, main script, main svg a").count() == 0
    links = opened.evaluate("[...document.links].map((a) => a.getAttribute('href'))")
    assert links
    assert all(link.startswith(("#", "../")) for link in links)


@pytest.mark.parametrize("what", NAMES)
def test_each_name_is_shown_letter_by_letter(what: str, page: tuple[Page, list[str]]) -> None:
    opened, _ = page
    shown = opened.locator("main").evaluate("(main) => main.textContent")
    assert "".join(NAMES[what].split()) in "".join(shown.split())


@pytest.mark.parametrize("what", ["factor", "label", "score"])
def test_charts_show_it_letter_by_letter_too(what: str, page: tuple[Page, list[str]]) -> None:
    """As lines of a legend, ticks or titles: Plotly would take them for markup."""
    opened, _ = page
    if what == "score":
        opened.locator("#line-number").select_option(label=NAMES[what])
    if what == "label":
        opened.locator("#line-pair").select_option(index=0)
    found = "[...document.querySelectorAll('.chart text')].map((t) => t.textContent)"
    texts = ["".join(text.split()) for text in opened.evaluate(found)]
    assert any("".join(NAMES[what].split()) in text for text in texts), texts


def test_what_hovers_over_a_run_is_its_name(page: tuple[Page, list[str]]) -> None:
    opened, _ = page
    opened.locator("#against-chart").scroll_into_view_if_needed()
    opened.evaluate("Plotly.Fx.hover('against-chart', [{curveNumber: 0, pointNumber: 0}])")
    hover = opened.locator("#against-chart .hovertext").first
    hover.wait_for()
    assert NAMES["run"] in (hover.text_content() or "")


def test_nothing_sticks_out_and_no_label_is_cut(page: tuple[Page, list[str]]) -> None:
    opened, _ = page
    width = opened.evaluate("window.innerWidth")
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    assert opened.evaluate(TEXTS_CUT) == []

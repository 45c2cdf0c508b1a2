"""The page in headless Chromium, on a laptop and on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from fake_runs import grid, v_elbo, write_run
from pages import TEXTS_CUT
from PIL import Image

from vae_granularity import analyze
from vae_granularity.training.config import compose

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

WIDTHS = (1280, 390)
CHARTS = 8


class Opened(NamedTuple):
    """A page, with what it said and asked for."""

    page: Page
    messages: list[str]
    requests: list[str]


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a sweep of four granularities whose runs have traversals."""
    folder = tmp_path_factory.mktemp("browser") / "sweep"
    for results in grid(v_elbo, granularities=(1, 2, 3, 4)):
        directory = write_run(folder, results)
        (directory / "figures").mkdir()
        elbo = results["terms"]["val/elbo"]
        (directory / "metrics.csv").write_text(
            f"step,train/elbo,val/elbo\n1000,{elbo - 1},{elbo - 2}\n2000,{elbo},{elbo}\n"
        )
        shade = 60 * results["config"]["model"]["granularity"]
        Image.new("RGB", (60, 40), (shade, shade, shade)).save(
            directory / "figures" / "traversals.png"
        )
    analyze.run(compose("analyze", [f"runs={folder}", "figures=0"]))
    return folder / "analysis" / "report.html"


@pytest.fixture(params=WIDTHS)
def opened(request: pytest.FixtureRequest, browser: Browser, report: Path) -> Iterator[Opened]:
    """The page, just loaded, in a window of one of the widths."""
    page = browser.new_page(viewport={"width": request.param, "height": 800})
    messages: list[str] = []
    requests: list[str] = []
    page.on(
        "console",
        lambda message: (
            messages.append(message.text) if message.type in ("error", "warning") else None
        ),
    )
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.on("request", lambda asked: requests.append(asked.url))
    page.goto(report.as_uri())
    yield Opened(page, messages, requests)
    page.close()


def test_the_whole_page_loads_without_errors_or_requests(opened: Opened, report: Path) -> None:
    page = opened.page
    for chart in page.locator(".chart").all():
        chart.scroll_into_view_if_needed()
        chart.locator("svg.main-svg").first.wait_for(timeout=30_000)
    # The surface, both trajectories, any number, one against another, correlations, all points,
    # training curves.
    assert page.locator(".chart").count() == CHARTS
    assert opened.messages == []
    assert [url for url in opened.requests if not url.startswith(("data:", "blob:"))] == [
        report.as_uri()
    ]


def test_nothing_sticks_out_to_the_side(opened: Opened) -> None:
    size: Any = opened.page.viewport_size
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= size["width"]


def test_no_title_or_label_of_a_chart_is_cut(opened: Opened) -> None:
    page = opened.page
    for chart in page.locator(".chart").all():
        chart.scroll_into_view_if_needed()
        chart.locator("svg.main-svg").first.wait_for(timeout=30_000)
    assert page.evaluate("document.querySelectorAll('.chart text').length") > 30
    assert page.evaluate(TEXTS_CUT) == []
    titles = page.locator(".chart-title")
    assert titles.count() == CHARTS
    assert all(titles.all_inner_texts())
    assert page.evaluate(
        "[...document.querySelectorAll('.chart-title')].every((title) => title.scrollWidth <= "
        "title.clientWidth)"
    )


def test_the_slider_moves_the_traversals_by_keyboard(opened: Opened) -> None:
    page = opened.page
    slider, image = page.locator("#gamma"), page.locator("#gamma-image")
    first, alt = image.get_attribute("src"), image.get_attribute("alt") or ""
    assert "granularity 1" in alt
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#gamma-value").inner_text() == "2"
    assert image.get_attribute("src") != first
    assert "granularity 2" in (image.get_attribute("alt") or "")
    page.keyboard.press("End")
    assert slider.get_attribute("aria-valuetext") == "granularity 4"
    page.locator("#strip button").first.click()
    assert image.get_attribute("src") == first


def test_the_table_sorts_and_filters(opened: Opened) -> None:
    page = opened.page

    def column(number: int) -> list[float]:
        return [
            float(text)
            for text in page.locator(f"#table-body tbody td:nth-child({number})").all_inner_texts()
        ]

    assert len(column(1)) == 24
    head = page.locator("#table-body thead th").nth(3)
    head.locator("button").click()
    assert column(4) == sorted(column(4))
    assert head.get_attribute("aria-sort") == "ascending"
    page.keyboard.press("Enter")  # the focus stays on the button
    assert column(4) == sorted(column(4), reverse=True)
    page.locator("#table-filter").fill("γ=3 width=0.5")
    assert (column(1), column(2)) == ([0.5], [3.0])
    assert page.locator("#table-count").inner_text() == "1 of 24 rows"
    page.locator("#table-filter").fill("")
    page.locator("#table-kind").select_option(label="runs")
    assert page.locator("#table-body tbody tr").count() == 72


def test_any_number_can_be_drawn_over_any_parameter(opened: Opened) -> None:
    page = opened.page
    page.locator("#line-number").select_option(label="mig")
    page.locator("#line-pair").select_option(label="granularity γ, a line for each network width")
    page.locator("#line-chart svg.main-svg").first.wait_for()
    assert page.locator("#line-chart").get_attribute("aria-label") == "mig over granularity γ"
    assert page.locator("#line-chart .scatterlayer .trace").count() == 6


def test_the_page_opens_with_the_best_point_and_its_seeds(opened: Opened) -> None:
    answer = opened.page.locator("main > section").first
    assert answer.get_attribute("id") == "answer"
    assert answer.locator(".best").inner_text() == "network width = 1, granularity γ = 2"
    words = answer.inner_text()
    assert "the best of 24 points in these seeds" in words
    assert "3 seeds: " in words
    assert "Next best: " in words
    # The runs are made up and recorded no overrides: the page says so in place of a command.
    assert "No command: the run is of a version that did not record its overrides" in words
    assert answer.locator(".command").count() == 0


def test_numbers_against_each_other_and_curves_are_chosen(opened: Opened) -> None:
    page = opened.page
    page.locator("#against").select_option(label="mig")
    page.locator("#against-chart svg.main-svg").first.wait_for()
    assert "against mig" in page.locator("#against-title").inner_text()
    assert page.locator("#against-chart .scatterlayer .trace").count() == 4  # granularities
    page.locator("#curve").select_option(label="ELBO of training batches (nats)")
    page.locator("#curve-chart svg.main-svg").first.wait_for()
    assert page.locator("#curve-chart .scatterlayer .trace").count() == 4


def test_runs_link_to_their_directories(opened: Opened) -> None:
    page = opened.page
    page.locator("#table-kind").select_option(label="runs")
    link = page.locator("#table-body tbody a").first
    assert link.get_attribute("href") == f"../{link.inner_text()}/"


def test_every_picture_has_a_text_and_every_control_a_name(opened: Opened) -> None:
    page = opened.page
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll('[role=img]')]
           .filter((e) => !e.getAttribute('aria-label')).length
           + [...document.querySelectorAll('select, input')].filter((e) => !e.labels.length).length
           + (document.documentElement.lang ? 0 : 1)"""
    )
    assert unnamed == 0


CONTRASTS = """() => {
  const channel = (v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const luminance = (colour) => {
    const [r, g, b] = colour.match(/[\\d.]+/g).map((v) => channel(v / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const background = (element) => {
    for (; element; element = element.parentElement) {
      const colour = getComputedStyle(element).backgroundColor;
      if (!/, 0\\)$/.test(colour)) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const words = "p, td, th, figcaption, h1, h2, h3, a, label, button, summary";
  const shown = [...document.querySelectorAll(words)].filter((element) => element.innerText);
  return shown.map((element) => {
    const colour = getComputedStyle(element).color;
    const pair = [luminance(colour), luminance(background(element))].sort((a, b) => b - a);
    return (pair[0] + 0.05) / (pair[1] + 0.05);
  });
}"""


def test_text_stands_out_from_its_background(opened: Opened) -> None:
    """WCAG 2.1, 1.4.3: a contrast of 4.5 or more, for the colours of the page's own text."""
    ratios = opened.page.evaluate(CONTRASTS)
    assert len(ratios) > 50
    assert min(ratios) >= 4.5

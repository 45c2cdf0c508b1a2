"""The pages of the documentation in headless Chromium, opened as files, on a laptop and a phone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pages import PAGES, ROOT, built_site

if TYPE_CHECKING:
    from playwright.sync_api import Browser

WIDTHS = (1280, 390)
# What may be wider than a phone, and scrolls.
SCROLLED = ".formula, .md-typeset__scrollwrap, .dataframe, pre, code"
CUT = f"""() => [...document.querySelectorAll("article *")].filter((element) => {{
  if (element.closest("{SCROLLED}") || !element.getClientRects().length) return false;
  return element.getBoundingClientRect().right > document.documentElement.clientWidth + 1;
}}).map((element) => element.outerHTML.slice(0, 80))"""
UNDRAWN = "() => [...document.images].filter((i) => !i.naturalWidth).map((i) => i.src)"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built_site(tmp_path_factory)


@pytest.mark.parametrize("width", WIDTHS)
def test_no_page_complains_asks_the_network_or_sticks_out(
    site: Path, browser: Browser, width: int
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900})
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda m: said.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    notebooks = (ROOT / "docs" / "tutorials").glob("*.ipynb")
    for source in [*PAGES, *notebooks]:
        name = source.relative_to(ROOT).with_suffix(".html")
        html = site / ("index.html" if name.name == "README.html" else name)
        page.goto(html.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        assert page.evaluate(CUT) == [], name
        assert page.evaluate(UNDRAWN) == [], name
    page.close()
    assert said == []
    assert not [url for url in asked if not url.startswith(("file:", "data:", "blob:"))]


def test_a_word_is_found_without_a_server(site: Path, browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto((site / "index.html").as_uri())
    page.keyboard.press("Control+k")
    page.keyboard.type("saturated")
    found = page.get_by_role("link", name="granularity").or_(page.locator("a[href*='scores.html']"))
    found.first.wait_for(timeout=10_000)
    page.close()

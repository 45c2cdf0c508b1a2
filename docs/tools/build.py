"""Builds the site of the documentation in build/docs/site: `make docs`.

The pages are the Markdown files of the repository, copied with their places kept, so that one
link is right on the site and in the repository; notebooks become Markdown on the way. A warning
of any of the tools ends the build.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / "docs" / "tools"
OUT = ROOT / "build" / "docs"
TOP = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE")
SUFFIXES = {".md", ".png", ".svg", ".css", ".js", ".json", ".csv", ".yaml", ".py", ".sh"}


def sources(root: Path) -> list[Path]:
    """What the site consists of: top-level texts, docs/, studies and examples."""
    files = [root / name for name in TOP]
    for folder in ("docs", "experiments", "examples"):
        found = sorted((root / folder).rglob("*"))
        files += [path for path in found if path.suffix in SUFFIXES | {".ipynb"}]
    return [path for path in files if root / "docs" / "tools" not in path.parents]


def stage(root: Path, target: Path) -> None:
    """Copy the sources of `root` below `target`, notebooks as Markdown beside their pictures."""
    shutil.rmtree(target, ignore_errors=True)
    for path in sources(root):
        place = target / path.relative_to(root)
        place.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".ipynb":
            convert(path, place.parent)
        elif path.suffix == ".md":
            place.write_text(to_pages(path.read_text()))
        else:
            shutil.copyfile(path, place)


def to_pages(text: str) -> str:
    """Markdown whose links to notebooks lead to their pages."""
    return re.sub(r"(\]\([^)\s]+)\.ipynb\b", r"\1.md", text)


def convert(notebook: Path, folder: Path) -> None:
    """Write a notebook with its committed outputs as a page."""
    from nbconvert import MarkdownExporter

    text, resources = MarkdownExporter().from_filename(
        str(notebook), resources={"output_files_dir": notebook.stem, "unique_key": notebook.stem}
    )
    (folder / f"{notebook.stem}.md").write_text(to_pages(text))
    (folder / notebook.stem).mkdir(exist_ok=True)
    for name, content in resources["outputs"].items():
        (folder / name).write_bytes(content)


def listed(entries: list[Any]) -> Iterator[str]:
    """The files that a navigation names."""
    for entry in entries:
        for value in [entry] if isinstance(entry, str) else entry.values():
            if isinstance(value, str):
                yield value
            else:
                yield from listed(value)


def config(pages: Path) -> str:
    """The configuration, with pages and studies that its navigation does not list under `More`."""
    text = (TOOLS / "zensical.toml").read_text()
    named = set(listed(tomllib.loads(text)["project"]["nav"]))
    places = ("docs/**/*.md", "experiments/*/README.md", "examples/*/README.md")
    found = {str(path.relative_to(pages)) for place in places for path in pages.glob(place)}
    if missing := named - {str(path.relative_to(pages)) for path in pages.rglob("*.md")}:
        raise SystemExit(f"docs/tools/zensical.toml lists pages that do not exist: {missing}")
    rest = ", ".join(f'"{name}"' for name in sorted(found - named))
    more = f'  {{ "More" = [{rest}] }},' if rest else ""
    text = text.replace("@ROOT@", str(ROOT))
    return re.sub(r"^# unlisted$", more, text, flags=re.MULTILINE)


class Page(HTMLParser):
    """What a page links to and what it loads."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if given.get("href"):
            (self.links if tag == "a" else self.loads).append(str(given["href"]))
        if given.get("src"):
            self.loads.append(str(given["src"]))


def faults(site: Path) -> Iterator[str]:
    """Files that pages name and that are not there, and whatever they would load from a network."""
    for path in sorted(site.rglob("*.html")):
        page, where = Page(path), path.relative_to(site)
        yield from (f"{where} loads {url}" for url in page.loads if "//" in url)
        for url in page.links + page.loads:
            parts = urlsplit(url)
            if parts.scheme or parts.netloc or not parts.path or where.name == "404.html":
                continue
            if not (path.parent / unquote(parts.path)).exists():
                yield f"{where} names {url}, which does not exist"


def build(out: Path = OUT, root: Path = ROOT) -> Path:
    """Build the pages of `root` in `out` and return the folder of the site.

    Raises:
        SystemExit: a warning of a tool, a link or picture that leads nowhere, or a page that would
            load something from a network.
    """
    stage(root, out / "pages")
    (out / "zensical.toml").write_text(config(out / "pages"))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(TOOLS), str(ROOT)])}
    command = [sys.executable, "-m", "zensical", "build", "--clean", "--strict"]
    done = subprocess.run(
        command, cwd=out, env=environment, capture_output=True, text=True, check=False
    )
    said = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)
    print(said)
    if done.returncode or re.search(r"griffe:|warning|error", said, flags=re.IGNORECASE):
        raise SystemExit("the documentation has warnings: see above")
    if found := list(faults(out / "site")):
        raise SystemExit("\n".join(found))
    return out / "site"


if __name__ == "__main__":
    print(build() / "index.html")

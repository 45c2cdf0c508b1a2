"""The texts of the documentation, and the commands in them."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest
from filelock import FileLock

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").rglob("*.md"))]


class Command(NamedTuple):
    """A line `python -m vae_granularity.NAME …` of a page, or one that goes on over some lines."""

    page: str
    module: str
    words: tuple[str, ...]


def commands(path: Path) -> list[Command]:
    """The commands of a page in the order they stand in."""
    text = re.sub(r"\\\n\s*", "", path.read_text())
    found = re.findall(r"^ *python -m (vae_granularity\.\w+)(.*)$", text, re.MULTILINE)
    page = str(path.relative_to(ROOT))
    return [
        Command(page, module, tuple(shlex.split(rest, comments=True))) for module, rest in found
    ]


def blocks(path: Path, language: str) -> list[str]:
    """The code blocks of a page in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", path.read_text(), re.MULTILINE | re.DOTALL)


def built_site(folders: pytest.TempPathFactory) -> Path:
    """The site, built strictly: a warning, a dead link or a dead anchor raises. All workers of a
    test run share one.
    """
    base = folders.getbasetemp()
    home = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with FileLock(home / "site.lock"):
        built = home / "site.txt"
        if not built.exists():
            built.write_text(str(site_tool("build").build(home / "docs")))
    return Path(built.read_text())


def site_tool(name: str) -> ModuleType:
    """A script of docs/tools as a module; skipped without what the extra `docs` installs."""
    for needed in ("zensical", "mkdocstrings_handlers", "latex2mathml", "nbconvert", "ipykernel"):
        pytest.importorskip(needed, reason="needs the extra `docs`")
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# Texts of a report's charts that stick out of them.
TEXTS_CUT = """() => [...document.querySelectorAll(".chart")].flatMap((chart) => {
  const frame = chart.getBoundingClientRect();
  return [...chart.querySelectorAll("text")].filter((text) => {
    const box = text.getBoundingClientRect();
    const aside = box.left < frame.left - 1 || box.right > frame.right + 1;
    return box.width && (aside || box.bottom > frame.bottom + 1);
  }).map((text) => text.textContent);
})"""

"""The site is built without a warning, needs no network, and its notebooks run."""

from __future__ import annotations

import json
import shutil
import subprocess
import warnings
from pathlib import Path

import commands
import matplotlib.pyplot as plt
import pytest
from pages import ROOT, built_site, site_tool

NOTEBOOKS = sorted((ROOT / "docs" / "tutorials").glob("*.ipynb"))


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    return built_site(tmp_path_factory)


def test_every_page_is_there_with_its_pictures(site):
    for path in [*(ROOT / "docs").rglob("*.md"), *NOTEBOOKS]:
        page = site / path.relative_to(ROOT).with_suffix(".html")
        assert page.is_file()
        assert "<h1" in page.read_text()


def test_formulas_and_docstrings_are_in_the_pages(site):
    idea = (site / "docs" / "granularity.html").read_text()
    assert idea.count("<math") > 10
    assert "$" not in idea.partition("<article")[2].partition("</article>")[0]
    metrics = (site / "docs" / "api" / "metrics.html").read_text()
    for word in ("num_bins", "Raises", "&gt;&gt;&gt;"):
        assert word in metrics


def test_every_public_name_is_in_the_api(site):
    import vae_granularity
    from vae_granularity import metrics

    text = "".join(page.read_text() for page in (site / "docs" / "api").glob("*.html"))
    functions = [name for name in metrics.__all__ if name.islower()]
    assert not [name for name in functions if f'id="vae_granularity.metrics.{name}"' not in text]
    exported = {name: getattr(vae_granularity, name) for name in vae_granularity.__all__}
    del exported["metrics"]
    missing = [
        name
        for name, item in exported.items()
        if f'id="{item.__module__}.{item.__qualname__}"' not in text
        and f'id="vae_granularity.{name}"' not in text
    ]
    assert not missing


@pytest.mark.parametrize(
    "text, message",
    [
        ("[a](nowhere.md)", "page does not exist"),
        ("[a](speed.md#nowhere)", "anchor does not exist"),
        ("[a](../Makefile)", "Makefile, which does not exist"),
        ('<img src="https://example.com/a.png">', "loads https://example.com/a.png"),
        ("::: vae_granularity.elbo.nothing", "nothing"),
    ],
)
def test_a_fault_of_a_page_ends_the_build(tmp_path, monkeypatch, capsys, text, message):
    build = site_tool("build")
    (tmp_path / "docs").mkdir()
    shutil.copytree(ROOT / "docs" / "assets", tmp_path / "docs" / "assets")
    shutil.copy(ROOT / "docs" / "speed.md", tmp_path / "docs" / "speed.md")
    (tmp_path / "README.md").write_text(f"# A page\n\n{text}\n".replace("(speed", "(docs/speed"))
    (tmp_path / "docs" / "speed.md").write_text("# Speed\n")
    config = (build.TOOLS / "zensical.toml").read_text()
    before, _, rest = config.partition("nav = [")
    short = f'{before}nav = ["README.md", "docs/speed.md"]\n{rest.partition(chr(10) + "]")[2]}'
    monkeypatch.setattr(build, "config", lambda pages: short)
    monkeypatch.setattr(build, "sources", lambda root: sorted(tmp_path.rglob("*.*")))
    with pytest.raises(SystemExit) as raised:
        build.build(tmp_path / "out", tmp_path)
    assert message in str(raised.value) + capsys.readouterr().out


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_cells_of_a_notebook_run_one_after_the_other(notebook, tmp_path, monkeypatch):
    """In its short form, in this process; its commands are forks of it, as every import counts."""

    def forked(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        process = commands.start_module(command[2], tmp_path / "log", *command[3:], cwd=tmp_path)
        process.join()
        said = commands.output(tmp_path / "log")
        return subprocess.CompletedProcess(command, process.exitcode or 0, said, "")

    monkeypatch.setenv("TUTORIAL_SHORT", "1")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(subprocess, "run", forked)
    monkeypatch.setattr(plt, "show", lambda: plt.close("all"))
    names: dict[str, object] = {}
    cells = [cell for cell in json.loads(notebook.read_text())["cells"] if "outputs" in cell]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a notebook shows them
        for number, cell in enumerate(cells):
            exec(compile("".join(cell["source"]), f"{notebook.name} cell {number}", "exec"), names)
    assert len(cells) > 4


@pytest.mark.slow  # kernels of their own, which load everything anew
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_in_its_short_form(notebook, tmp_path, monkeypatch):
    monkeypatch.setenv("TUTORIAL_SHORT", "1")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    content = site_tool("tutorials").execute(notebook, tmp_path)
    code = [cell for cell in content.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_committed_with_its_outputs(notebook):
    cells = [cell for cell in json.loads(notebook.read_text())["cells"] if "outputs" in cell]
    assert len(NOTEBOOKS) == 3
    assert all(cell["execution_count"] for cell in cells), "make tutorials"
    kinds = {kind for cell in cells for out in cell["outputs"] for kind in out.get("data", ())}
    assert "image/png" in kinds
    assert not any(out["output_type"] == "error" for cell in cells for out in cell["outputs"])
    assert notebook.stat().st_size < 300_000


@pytest.mark.slow
def test_the_pictures_from_the_mathematics_are_drawn(tmp_path, monkeypatch):
    figures = site_tool("figures")
    monkeypatch.setattr(figures, "ASSETS", tmp_path)
    monkeypatch.setattr("sys.argv", ["figures.py"])
    figures.main()
    drawn = {path.name for path in tmp_path.iterdir()}
    assert drawn == {"pairs.png", "split.png", "estimators.png"}

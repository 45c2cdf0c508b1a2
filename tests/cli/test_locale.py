"""Text is UTF-8 whatever the locale says, and printing never fails for want of a letter."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = [
    path
    for folder in ("vae_granularity", "hydra_plugins")
    for path in (ROOT / folder).rglob("*.py")
]
# Open files of their own kinds, none of which is text.
NOT_TEXT = ("os", "Image", "tarfile", "zipfile", "h5py", "gzip", "bz2", "lzma", "archive")


def opened_by_the_locale(source: str) -> list[int]:
    """Lines that open text in the encoding of the locale."""
    lines = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        function = node.func
        owner = getattr(getattr(function, "value", None), "id", None)
        name = getattr(function, "attr", getattr(function, "id", None))
        if name not in ("open", "read_text", "write_text", "fdopen") or owner in NOT_TEXT[1:]:
            continue
        if owner == "os" and name == "open":
            continue
        if isinstance(function, ast.Name) and name == "write_text":  # vae_granularity.files, UTF-8
            continue
        texts = [part.value for a in node.args for part in ast.walk(a) if hasattr(part, "value")]
        binary = any(text in ("rb", "wb", "ab", "r+b", "rb+", "w+b") for text in texts)
        if not binary and "encoding" not in [keyword.arg for keyword in node.keywords]:
            lines.append(node.lineno)
    return lines


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_text_is_opened_as_utf_8(path):
    assert opened_by_the_locale(path.read_text(encoding="utf-8")) == []


def test_text_opened_by_the_locale_is_noticed():
    assert opened_by_the_locale("path.read_text()\nopen('x')\nopen('x', 'rb')") == [1, 2]


ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.mark.parametrize("variables", [ASCII, ASCII | {"PYTHONIOENCODING": "latin-1"}])
def test_commands_print_and_write_in_any_locale(variables, tmp_path):
    """β and γ stand in what the commands print, log and write."""
    environment = os.environ | variables
    folder = tmp_path
    small = ["dataset=blocks", "dataset.num_samples=400", "model=stcvae", "trainer=debug"]
    small += ["net=mlp", "net.hidden=16", "metrics=mig", "logger=csv", "evaluation.figures=false"]
    paths = [f"paths.{name}='{folder / name}'" for name in ("output_dir", "data_dir", "cache_dir")]
    output = f"'{folder / 'output_dir'}'"
    commands = [
        ["train", *small, *paths],
        ["evaluate", f"run={output}", "metrics=sap"],
        ["analyze", f"runs={output}", "figures=0"],
        ["status", f"runs={output}"],
        ["data", "info", "dataset=blocks", *paths],
        ["train", "--help"],
    ]
    for name, *arguments in commands:
        done = subprocess.run(
            [sys.executable, "-m", f"vae_granularity.{name}", *arguments],
            capture_output=True,
            env=environment,
            timeout=300,
            check=False,
        )
        said = (done.stdout + done.stderr).decode(errors="replace")
        assert done.returncode == 0, (name, said)
        assert "Traceback" not in said
    (page,) = folder.rglob("report.html")
    assert "γ" in page.read_text(encoding="utf-8")


def test_letters_that_the_locale_cannot_read_are_one_line():
    done = subprocess.run(
        [sys.executable, "-m", "vae_granularity.status", "runs=läufe"],
        capture_output=True,
        env=os.environ | ASCII,
        timeout=60,
        check=False,
    )
    (line,) = done.stderr.decode().splitlines()
    assert done.returncode == 2
    assert "set LC_ALL=C.UTF-8" in line

"""`python -m vae_granularity.data prepare|info`: what it prints, writes and refuses."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vae_granularity.data.__main__ import main, run
from vae_granularity.data.info import COLUMNS, GAP, MARGIN, contact_sheet
from vae_granularity.training.config import compose


def answer(verb: str, name: str, folder: Path, *overrides: str) -> str:
    folders = [f"paths.data_dir={folder / 'files'}", f"paths.cache_dir={folder / 'cache'}"]
    return run(verb, compose("train", [f"dataset={name}", *folders, *overrides]).dataset)


@pytest.mark.parametrize("name", ["dsprites", "shapes3d", "cars3d", "mpi3d"])
def test_info_without_files_shows_rendered_images_and_says_that_they_are_not_real(
    name: str, tmp_path: Path
) -> None:
    few = ["dataset.factor_sizes=[4,24,4]"] if name == "cars3d" else []  # all of it is drawn
    text = answer("info", name, tmp_path, *few)
    title = "mpi3d toy" if name == "mpi3d" else name
    assert f"{title} (rendered)" in text
    assert "NOT REAL" in text
    with Image.open(
        tmp_path / "cache" / name / f"contact_sheet_{title.replace(' ', '_')}_rendered.png"
    ) as sheet:
        assert sheet.width == MARGIN + COLUMNS * (64 + GAP)


@pytest.mark.parametrize("name", ["mnist", "celeba"])
def test_info_without_files_says_that_they_are_not_here(name: str, tmp_path: Path) -> None:
    text = answer("info", name, tmp_path)
    assert "the official files are not here" in text
    assert not (tmp_path / "cache").exists()


def test_info_of_vectors_has_no_sheet(tmp_path: Path) -> None:
    assert "contact sheet" not in answer("info", "blocks", tmp_path, "dataset.num_samples=100")


@pytest.mark.parametrize("name", ["mnist", "celeba"])
def test_prepare_converts_and_info_then_names_files_and_cache(
    name: str, small, tmp_path: Path
) -> None:
    (tmp_path / "files").mkdir()
    small.WRITERS[name](tmp_path / "files")
    text = answer("prepare", name, tmp_path)
    assert text.endswith("ready")
    assert "no: a file's hash is not the published one" in text
    manifest = next((tmp_path / "cache" / name).glob("*/manifest.json"))
    before = manifest.stat().st_mtime_ns
    text = answer("info", name, tmp_path)  # fewer images than a batch has
    assert str(manifest.parent) in text
    assert manifest.stat().st_mtime_ns == before
    assert (tmp_path / "cache" / name / f"contact_sheet_{name}.png").is_file()


def test_the_sheet_runs_through_one_factor_a_row(small, open_dataset, tmp_path: Path) -> None:
    small.write_shapes3d(tmp_path / "files")
    data = open_dataset("shapes3d")
    data.setup()
    sheet = np.asarray(contact_sheet(data))
    for number, size in enumerate(data.factor_space.sizes):
        top = 16 + number * (64 + GAP)
        tiles = [
            sheet[top : top + 64, MARGIN + c * (64 + GAP) :][:, :64].transpose(2, 0, 1) / 255
            for c in range(size)
        ]
        shown = np.array([small.read_back(tile, 6) for tile in tiles])
        np.testing.assert_array_equal(shown[:, number], np.arange(size))
        assert (np.delete(shown, number, 1) == np.delete(shown, number, 1)[0]).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["prepare", "dataset=cars3d", "dataset.source=hub"],
            "error: dataset.source=hub needs dataset.hub_id=FOLDER",
        ),
        (
            ["info", "dataset=shapes3d", "dataset.device=gpu"],
            "error: dataset.device must be one of cpu, mmap, cuda, got 'gpu'",
        ),
        (["fetch", "dataset=mnist"], "the first word must be one of prepare, info"),
        ([], "the first word must be one of prepare, info"),
    ],
)
def test_a_mistake_is_one_message_and_an_exit_code(
    arguments: list[str], message: str, monkeypatch, capsys
) -> None:
    monkeypatch.setattr(sys, "argv", ["data", *arguments])
    with pytest.raises(SystemExit) as left:
        main()
    assert message in f"{left.value.code} {capsys.readouterr().err}"


def test_a_mistyped_name_is_answered_before_torch_is_loaded() -> None:
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "vae_granularity.data", "info", "dataset=mnst"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert time.monotonic() - start < 20
    assert done.returncode == 2
    assert "did you mean 'mnist'" in done.stderr
    assert "| torch\n" not in done.stderr
    assert "Traceback" not in done.stderr

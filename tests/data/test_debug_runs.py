"""`trainer=debug` goes from an empty cache to results.json for every dataset in less than 25
seconds.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SECONDS = 25
RENDERED = ("dsprites", "shapes3d", "cars3d", "mpi3d")
OFFICIAL = ("dsprites", "shapes3d", "cars3d", "mpi3d", "mnist", "celeba")
CASES = [
    *((name, "rendered", ()) for name in RENDERED),
    *(("mpi3d", "rendered", (f"dataset.variant={variant}",)) for variant in ("realistic", "real")),
    *(("dsprites", "rendered", (f"dataset.variant={variant}",)) for variant in ("color", "noise")),
    *((name, "rendered", ("dataset.image_size=32",)) for name in RENDERED),
    *((name, "official", ()) for name in OFFICIAL),
    ("blocks", "synthetic", ()),
]


def debug_run(folder: Path, *overrides: str) -> tuple[dict, float]:
    """results.json of the command, and the processor time it took: on a quiet core, the time it
    takes.
    """
    paths = (
        f"paths.output_dir={folder / 'runs'}",
        f"paths.cache_dir={folder / 'cache'}",
        f"paths.data_dir={folder / 'files'}",
    )
    command = [
        sys.executable,
        "-m",
        "vae_granularity.train",
        "model=stcvae",
        "trainer=debug",
        "logger=csv",
        *paths,
        *overrides,
    ]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    ) as process:
        assert process.stdout is not None
        said = process.stdout.read().decode()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, said
    (found,) = (folder / "runs").glob("*/results.json")
    return json.loads(found.read_text()), used.ru_utime + used.ru_stime


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "source", "options"),
    CASES,
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else value,
)
def test_a_debug_run_is_whole_and_quick(
    name: str, source: str, options: tuple[str, ...], small, tmp_path: Path, monkeypatch
) -> None:
    (tmp_path / "files").mkdir()
    if source == "official":
        monkeypatch.setitem(small.SIZES, "cars3d", (4, 6, 4))
        small.WRITERS[name](tmp_path / "files")
        options = (
            *options,
            *((f"dataset.factor_sizes={list(small.SIZES[name])}",) if name in small.SIZES else ()),
        )
    results, seconds = debug_run(tmp_path, f"dataset={name}", f"dataset.source={source}", *options)
    assert results["data"]["source"] == source
    assert ("rendered" in results["run"]["title"]) == (source == "rendered")
    assert results["terms"]["val/elbo"] is not None
    assert seconds < SECONDS


@pytest.mark.slow
def test_a_debug_run_on_mnist_in_full(shared_data: Path, tmp_path: Path) -> None:
    results, seconds = debug_run(
        tmp_path, "dataset=mnist", f"dataset.data_dir={shared_data / 'mnist'}"
    )
    assert (results["data"]["source"], results["data"]["verified"]) == ("official", True)
    assert seconds < SECONDS

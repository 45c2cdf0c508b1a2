"""The example is a package of its own: train, sweep, evaluate and analyze know its names."""

import re

import commands
import numpy as np
import pytest
from my_study.gratings import GRID, draw
from my_study.neighbours import neighbours

from vae_granularity import LatentPartition, load_run, read_runs

SEARCH = "hydra.searchpath=[pkg://my_study.conf]"
TRUST = ("trust=[my_study]",)
LOAD = {"trust": ["my_study"]}
SMALL = (
    "dataset=gratings",
    "metrics=[mig,neighbours]",
    "net.width=0.1",
    "trainer=debug",
    "evaluation.figures=false",
    "logger=csv",
)


def command(folder, name, *overrides):
    """What `python -m vae_granularity.NAME` says there, in a fork that need not load torch anew."""
    log = folder / f"log_{name}"
    process = commands.start_module(f"vae_granularity.{name}", log, *overrides, cwd=folder)
    process.join()
    said = commands.output(log)
    assert process.exitcode == 0, said
    assert "Warning" not in said
    return said


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """A folder with a sweep over the two models."""
    folder = tmp_path_factory.mktemp("study")
    printed = command(folder, "train", "-m", SEARCH, "model=total_tc,group_kl", *SMALL)
    assert "2 done" in printed
    return folder


def test_models_of_one_module_keep_the_names_of_their_files(sweep):
    names = sorted(path.name for path in (sweep / "runs").glob("*_gratings_*"))
    assert [name.split("_gratings")[0] for name in names] == ["group_kl", "total_tc"]
    table = read_runs(sweep / "runs")
    assert set(table["model"]) == {"group_kl", "total_tc"}
    assert table[["scores/neighbours", "scores/neighbours_group"]].notna().all(axis=None)


def test_evaluate_and_analyze_know_the_package(sweep):
    printed = command(sweep, "evaluate", "run=runs", SEARCH, "metrics=[neighbours,infomec]", *TRUST)
    assert "infom" in printed
    command(sweep, "analyze", "runs=runs", "profile=true", *TRUST)
    assert re.search("group_kl", (sweep / "runs" / "analysis" / "report.html").read_text())


def test_a_run_is_read_back_in_python(sweep):
    run = load_run(next((sweep / "runs").glob("total_tc_*")), **LOAD)
    run.datamodule.setup()
    mean, _ = run.model.encode(run.datamodule.images(np.arange(3)))
    assert mean.shape == (3, 6)


def test_neighbours_of_clean_codes_agree_and_of_noise_do_at_chance():
    factors = np.repeat(GRID.factors(np.arange(GRID.size)), 4, axis=0)
    rng = np.random.default_rng(0)
    clean = factors + 0.01 * rng.normal(size=factors.shape)
    noise = rng.normal(size=factors.shape)
    singles = LatentPartition.from_sizes([1, 1, 1])
    assert neighbours(clean, factors, singles).scores == {"neighbours": 1, "neighbours_group": 1}
    chance = (1 / 4 + 1 / 8 + 1 / 8) / 3
    assert neighbours(noise, factors).scores["neighbours"] == pytest.approx(chance, abs=0.05)


def test_gratings_are_pictures_of_their_factors():
    images = draw(GRID.factors(np.arange(GRID.size)))
    assert images.shape == (256, 1, 32, 32)
    assert len(np.unique(images.reshape(256, -1), axis=0)) == 256

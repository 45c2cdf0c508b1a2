"""Folders that a run directory names: read, but not written, unless the caller names them too."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from omegaconf import OmegaConf
from tiny import SMALL

from vae_granularity import load_run
from vae_granularity.errors import DataError
from vae_granularity.evaluation.measure_again import evaluate_run
from vae_granularity.runs.identity import CONFIG
from vae_granularity.training.config import compose
from vae_granularity.training.run import train


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A run on images that are converted into a cache."""
    folder = tmp_path_factory.mktemp("trained")
    options = [option for option in SMALL if not option.startswith("dataset")]
    options += ["dataset=dsprites", "dataset.source=rendered", "metrics=mig"]
    options += ["dataset.factor_sizes=[1,2,2,4,4,4]", "likelihood=bernoulli"]
    paths = {"output_dir": "runs", "data_dir": "data", "cache_dir": "cache"}
    places = [f"paths.{key}={folder / name}" for key, name in paths.items()]
    return train(compose("train", [*options, *places]))


@pytest.fixture
def received(trained, tmp_path) -> Path:
    """A copy of it elsewhere."""
    return shutil.copytree(trained, tmp_path / "received" / trained.name)


@pytest.fixture
def victim(tmp_path) -> Path:
    """A folder with something to lose."""
    folder = tmp_path / "victim"
    folder.mkdir()
    for name in ("precious", "images.npy", "images.npy.tmp", "manifest.json"):
        (folder / name).write_text("precious")
    return folder


def name_cache(run: Path, folder: str | Path, **others: str) -> None:
    """Let the run's config name another cache."""
    config = OmegaConf.load(run / CONFIG)
    config.dataset.update({"cache_dir": str(folder), **others})
    (run / CONFIG).write_text(OmegaConf.to_yaml(config))


def snapshot(folder: Path) -> dict[str, str]:
    """Every file below a folder with its text."""
    return {str(p): p.read_text() for p in folder.rglob("*") if p.is_file()}


def evaluated(run: Path, *overrides: str) -> None:
    """Measure a second metric, for which images are needed."""
    evaluate_run(run, compose("evaluate", [f"run={run}", "metrics=sap", *overrides]))


def test_a_cache_in_use_is_used(received, trained):
    evaluated(received)
    assert (trained.parents[1] / "cache").is_dir()


@pytest.mark.parametrize("way", ["absolute", "climbing", "inside", "link", "link inside"])
def test_a_run_directory_does_not_decide_where_images_are_converted(way, received, victim, trained):
    """A cache in the run directory whose folder was a link made `evaluate` empty the folder."""
    before = snapshot(victim)
    key = next((trained.parents[1] / "cache" / "dsprites").glob("*/manifest.json")).parent.name
    inside = received / "cache"
    if way == "absolute":
        name_cache(received, victim)
    elif way == "climbing":
        name_cache(received, f"{received}/../../victim")
    elif way == "inside":
        (inside / "dsprites").mkdir(parents=True)
        (inside / "dsprites" / key).symlink_to(victim)
        name_cache(received, inside)
    elif way == "link":
        inside.symlink_to(victim)
        name_cache(received, inside)
    else:  # a cache that looks in use
        (inside / "other" / "0").mkdir(parents=True)
        (inside / "other" / "0" / "manifest.json").write_text("{}")
        (inside / "dsprites").symlink_to(victim)
        name_cache(received, inside)
    refused = r"is a link|paths\.cache_dir="
    with pytest.raises(DataError, match=refused):
        evaluated(received)
    with pytest.raises(DataError, match=refused):
        load_run(received).datamodule.setup()
    assert snapshot(victim) == before


def test_the_caller_names_where(received, victim, tmp_path):
    name_cache(received, victim)
    own = tmp_path / "own"
    run = load_run(received, cache_dir=own)
    run.datamodule.setup()
    assert list(own.glob("dsprites/*/images.npy"))
    evaluated(received, f"paths.cache_dir={tmp_path / 'another'}")
    assert list((tmp_path / "another").glob("dsprites/*/images.npy"))


def test_what_lies_in_a_cache_beside_its_own_files_is_left_alone(received, tmp_path):
    own = tmp_path / "own"
    load_run(received, cache_dir=own).datamodule.setup()
    (folder,) = own.glob("dsprites/*/")
    (folder / "precious").write_text("precious")
    (folder / "manifest.json").write_text("damaged")
    load_run(received, cache_dir=own).datamodule.setup()
    assert (folder / "precious").read_text() == "precious"
    shutil.rmtree(folder)
    (tmp_path / "elsewhere").mkdir()
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="is a link"):
        load_run(received, cache_dir=own).datamodule.setup()


def test_nothing_is_downloaded_to_where_a_run_directory_says(received, victim, monkeypatch):
    before = snapshot(victim)
    monkeypatch.setattr("vae_granularity.data.files.sources.fetch_all", pytest.fail)
    name_cache(received, received, data_dir=str(victim), source="official")
    with pytest.raises(DataError, match=r"paths\.data_dir=FOLDER"):
        load_run(received).datamodule.setup()
    assert snapshot(victim) == before

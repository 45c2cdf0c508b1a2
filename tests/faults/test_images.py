"""Images that change under a run: it neither goes on nor is measured on other ones."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from damage import flip, interrupted, noise
from digits import write_digits
from omegaconf import OmegaConf
from tiny import results

from vae_granularity.data.__main__ import run as data_command
from vae_granularity.data.files import cache
from vae_granularity.errors import ResourceError
from vae_granularity.evaluation.measure_again import evaluate_run
from vae_granularity.population.training import train_population
from vae_granularity.runs.checkpoint import IMAGES, OLD_RECORD
from vae_granularity.training.config import compose
from vae_granularity.training.run import train

DIGITS = ("net=mlp", "net.width=0.1", "model.latent_dim=4", "trainer=debug", "logger=csv")
DIGITS += ("dataset=mnist", "trainer.max_steps=20", "callbacks.checkpoint.every_n_train_steps=5")
DIGITS += ("dataset.batch_size=16", "evaluation.figures=false", "metrics=active_units")


def config(home: Path, *overrides: str):
    places = [f"paths.{key}_dir={home / key}" for key in ("output", "data", "cache")]
    return compose("train", [*DIGITS, *places, *overrides])


@pytest.fixture
def stopped(tmp_path) -> Path:
    """A run on digits that died in step 12."""
    write_digits(tmp_path / "data")
    interrupted(lambda: train(config(tmp_path)), step=12)
    (run,) = (tmp_path / "output").glob("*_mnist_*")
    return run


REFUSED = r"was trained on other images: images.npy of its data set have changed"


def test_data_replaced_between_kill_and_continuation_are_refused(stopped, tmp_path):
    write_digits(tmp_path / "data", seed=1)
    before = {p.name: p.read_bytes() for p in (stopped / "checkpoints").iterdir()}
    for attempt in (train, lambda cfg: _raise(train_population([cfg]))):
        with pytest.raises(ResourceError, match=REFUSED):
            attempt(config(tmp_path))
    assert {p.name: p.read_bytes() for p in (stopped / "checkpoints").iterdir()} == before
    assert not (stopped / "failed.json").exists()
    write_digits(tmp_path / "data")
    train(config(tmp_path))
    assert results(stopped)["run"]["steps"] == 20


def _raise(outcomes) -> None:
    raise outcomes[0]


def test_a_finished_run_is_not_measured_on_other_images(stopped, tmp_path):
    train(config(tmp_path))
    write_digits(tmp_path / "data", seed=1)
    asked = {"evaluation": {"num_samples": 7}, "trust": [], "paths": {}}
    before = (stopped / "results.json").read_bytes()
    with pytest.raises(ResourceError, match=REFUSED):
        evaluate_run(stopped, OmegaConf.create(asked))
    with pytest.raises(ResourceError, match=REFUSED):
        train(config(tmp_path, "evaluation.num_samples=7"))
    assert (stopped / "results.json").read_bytes() == before


def test_a_run_without_a_checkpoint_takes_the_images_that_are_there(tmp_path):
    write_digits(tmp_path / "data")
    interrupted(lambda: train(config(tmp_path)), step=3)
    write_digits(tmp_path / "data", seed=1)
    train(config(tmp_path))


def as_of_an_earlier_version(run: Path) -> dict[str, str]:
    """Move the record of the images from the run's checkpoints to its directory."""
    images: dict[str, str] = {}
    for path in (run / "checkpoints").glob("*.ckpt"):
        saved = torch.load(path, weights_only=True)
        images = saved.pop(IMAGES)
        torch.save(saved, path)
    (run / OLD_RECORD).write_text(json.dumps(images))
    return images


def test_the_record_of_an_earlier_version_is_read(stopped, tmp_path):
    assert "images.npy" in as_of_an_earlier_version(stopped)
    write_digits(tmp_path / "data", seed=1)
    with pytest.raises(ResourceError, match=REFUSED):
        train(config(tmp_path))
    write_digits(tmp_path / "data")
    train(config(tmp_path))
    final = torch.load(stopped / "checkpoints" / "final.ckpt", weights_only=True)
    assert len(final[IMAGES]["images.npy"]) == 64


def test_a_damaged_record_of_an_earlier_version_is_none(stopped, tmp_path):
    as_of_an_earlier_version(stopped)
    noise(stopped / OLD_RECORD)
    write_digits(tmp_path / "data", seed=1)
    train(config(tmp_path))


def test_bit_rot_in_the_cache_is_found_and_mended_by_prepare(tmp_path, caplog):
    """Size and time are as they were: only the checksum tells."""
    write_digits(tmp_path / "data")
    node = config(tmp_path).dataset
    assert "compared: it is as written" in data_command("prepare", node)
    (images,) = tmp_path.rglob(cache.IMAGES)
    whole = images.read_bytes()
    flip(images)
    assert "not compared now" in data_command("info", node)
    with caplog.at_level(logging.WARNING):
        assert "compared: it is as written" in data_command("prepare", node)
    assert "does not match its checksum and is converted again" in caplog.text
    assert images.read_bytes() == whole


def test_a_cache_altered_in_place_is_converted_again_before_it_is_used(tmp_path):
    write_digits(tmp_path / "data")
    data_command("prepare", config(tmp_path).dataset)
    (images,) = tmp_path.rglob(cache.IMAGES)
    whole = images.read_bytes()
    with images.open("r+b") as file:
        file.seek(1000)
        file.write(b"other bytes")
    data_command("info", config(tmp_path).dataset)
    assert images.read_bytes() == whole


@pytest.mark.parametrize("changes", [{"shape": [1, 1, 32, 32]}, {"parts": {"train": 999}}])
def test_a_manifest_that_does_not_fit_its_array_is_no_manifest(changes, tmp_path):
    write_digits(tmp_path / "data")
    data_command("prepare", config(tmp_path).dataset)
    (manifest,) = tmp_path.rglob(cache.MANIFEST)
    whole = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(whole | changes))
    assert cache.load(manifest.parent) is None


def test_a_full_disk_of_the_cache_is_not_the_failure_of_the_run(tmp_path, monkeypatch):
    write_digits(tmp_path / "data")
    with monkeypatch.context() as patch:
        patch.setattr(cache.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
        with pytest.raises(ResourceError, match="no space left for the cache"):
            train(config(tmp_path))
    assert not list(tmp_path.rglob("failed.json"))
    train(config(tmp_path))

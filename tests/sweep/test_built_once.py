"""The check of a point builds the job that is trained."""

from __future__ import annotations

import functools

import commands
import pytest
import torch
from tiny import tiny_config

from vae_granularity.data.base import ImageDataModule
from vae_granularity.models.base import LatentModel
from vae_granularity.training import job
from vae_granularity.training.job import prepare, prepare_ahead

GRID = ("-m", "model.beta=1,4", "model.granularity=1,2", "dataset.source=synthetic")


@pytest.fixture(autouse=True)
def nothing_ahead(monkeypatch):
    monkeypatch.setattr(job, "_prepared_ahead", {})


@pytest.mark.parametrize("kind", [LatentModel, ImageDataModule])
def test_a_sweep_of_four_runs_builds_four_models_and_four_data_sets(kind, tmp_path, monkeypatch):
    construct = kind.__init__

    @functools.wraps(construct)
    def announced(self, *arguments, **options):
        print("constructed", flush=True)
        construct(self, *arguments, **options)

    monkeypatch.setattr(kind, "__init__", announced)
    code, said = commands.finish(tmp_path, *GRID)
    assert code == 0, said
    assert "4 done, 0 skipped, 0 failed" in said
    assert said.count("constructed") == 4


def test_a_job_is_handed_out_once_as_if_it_had_just_been_built(tmp_path):
    fresh = prepare(tiny_config(tmp_path))
    next_draw = torch.rand(1)
    prepare_ahead(tiny_config(tmp_path))
    prepare_ahead(tiny_config(tmp_path, "seed=1"))
    first = prepare(tiny_config(tmp_path))
    assert torch.rand(1) == next_draw
    assert prepare(tiny_config(tmp_path)) is not first
    for name, tensor in fresh.model.state_dict().items():
        assert torch.equal(tensor, first.model.state_dict()[name])


def test_the_weights_that_are_kept_have_a_limit(tmp_path, monkeypatch):
    size = prepare(tiny_config(tmp_path)).num_bytes
    monkeypatch.setattr(job, "MAX_BYTES_AHEAD", 2 * size)
    for seed in range(4):
        prepare_ahead(tiny_config(tmp_path, f"seed={seed}"))
    assert len(job._prepared_ahead) == 2

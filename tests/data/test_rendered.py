"""Rendered images: large grids are drawn as they are asked for, small ones once, into the cache."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from vae_granularity.data import grid
from vae_granularity.data.cars3d import Cars3D
from vae_granularity.data.files import cache
from vae_granularity.data.info import describe
from vae_granularity.errors import DataError

RENDERED = ("dsprites", "shapes3d", "cars3d", "mpi3d")


def drawn_by(monkeypatch: pytest.MonkeyPatch, name: str) -> list[int]:
    """How many images each call of the renderer draws from now on."""
    module, drawn = import_module(f"vae_granularity.data.render.{name}"), []
    render = module.render
    monkeypatch.setattr(
        module,
        "render",
        lambda factors, **look: (drawn.append(len(factors)), render(factors, **look))[1],
    )
    return drawn


@pytest.mark.parametrize("name", ["dsprites", "shapes3d", "mpi3d"])
def test_a_large_grid_draws_only_what_is_asked_for(
    name: str, open_dataset, monkeypatch, tmp_path: Path
) -> None:
    data, drawn = (
        open_dataset(name, source="rendered", factor_sizes=None),
        drawn_by(monkeypatch, name),
    )
    data.setup()
    images = data.images(data.batch_indices(0))
    assert drawn == [1, 4]  # the first one, for what the renderer has to make beforehand
    assert images.shape == (4, *data.image_shape)
    assert 0 <= images.min() < images.max() <= 1
    assert (data.verified, data.provenance["source"], data.provenance["files"]) == (
        None,
        "rendered",
        {},
    )
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("device", ["cpu", "mmap"])
@pytest.mark.parametrize("name", RENDERED)
def test_a_small_grid_is_drawn_once_and_serves_what_its_renderer_draws(
    name: str, device: str, open_dataset, monkeypatch
) -> None:
    drawn = drawn_by(monkeypatch, name)
    for again in (False, True):
        data = open_dataset(name, source="rendered", device=device)
        data.setup()
        assert sum(drawn) == data.space.size, f"again: {again}"
    everything = np.arange(data.space.size)
    expected = data.renderer()(data.labels(everything)).transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(
        (data.images(everything) * data.card.max_value).round().numpy(), expected
    )
    assert (data.verified, data.provenance["source"], data.provenance["files"]) == (
        None,
        "rendered",
        {},
    )
    assert json.loads((data.cache_directory / cache.MANIFEST).read_text())["source"] == "rendered"


def test_all_of_cars3d_is_small_enough() -> None:
    assert Cars3D(source="rendered").conversion() is not None


def test_each_kind_of_image_has_a_cache_of_its_own(
    small, open_dataset, monkeypatch, tmp_path: Path
) -> None:
    small.write_mpi3d(tmp_path / "files")
    toy, real = (
        open_dataset("mpi3d", source="rendered", variant=variant) for variant in ("toy", "real")
    )
    other_sizes = open_dataset("mpi3d", source="rendered", factor_sizes=(2, 2, 1, 2, 1, 2, 2))
    modules = [open_dataset("mpi3d"), toy, real, other_sizes]
    for data in modules:
        data.prepare_data()
    changed = "a renderer that was changed"
    monkeypatch.setattr(grid.FactorGridDataModule, "_drawing_code", lambda _: changed)
    modules.append(open_dataset("mpi3d", source="rendered"))
    modules[-1].prepare_data()
    assert len({data.cache_directory for data in modules}) == len(modules)


def test_a_cache_that_cannot_be_written_is_named(open_dataset, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder would be")
    with pytest.raises(
        DataError, match=r"cannot write the cache .*cache/cars3d.*; set cache_dir elsewhere"
    ):
        open_dataset("cars3d", source="rendered").setup()


def test_the_share_of_pictures_that_are_held_out_and_trained_on_is_in_the_provenance(
    open_dataset,
) -> None:
    """dSprites lists both ends of a full turn: orientations 0 and 39 are drawn alike."""
    data = open_dataset("dsprites", source="rendered", factor_sizes=(1, 2, 2, 40, 3, 3))
    data.setup()
    ends = [data.space.traverse([0, s, 1, 0, 2, 1], "orientation")[[0, 39]] for s in (0, 1)]
    for first, last in (data.images(data.space.index(rows)) for rows in ends):
        assert (first == last).all()
    trained = set(map(tuple, data.labels(data.train_indices)))
    other = {0: 39, 39: 0}
    in_training = [
        (*row[:3], other.get(row[3]), *row[4:]) in trained for row in data.labels(data.val_indices)
    ]
    twins = data.provenance["duplicate_of_training"]
    assert twins["reason"] == "orientation 0 and 39 are one picture"
    assert twins["share"] == np.mean(in_training) > 0
    assert "orientation 0 and 39 are one picture: " in describe(data)


def test_a_whole_dsprites_holds_out_four_to_five_per_cent_of_twins(open_dataset) -> None:
    data = open_dataset("dsprites", source="rendered", factor_sizes=None)
    # 2 of 40 orientations have a twin, nine in ten of which are trained on.
    assert data.duplicate_of_training()["share"] == pytest.approx(0.05 * 0.9, abs=0.003)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("dsprites", {"factor_sizes": (1, 2, 2, 39, 3, 3)}),
        ("dsprites", {"factor_sizes": (1, 2, 2, 40, 3, 3), "val_fraction": 0.0}),
        ("cars3d", {}),
    ],
)
def test_no_twins_or_nothing_held_out_is_not_mentioned(name: str, options, open_dataset) -> None:
    data = open_dataset(name, source="rendered", **options)
    data.setup()
    assert "duplicate_of_training" not in data.provenance
    assert "one picture" not in describe(data)

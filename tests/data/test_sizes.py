"""Images come at the size asked for, as area means of the source's; what was, stays as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf
from PIL import Image

from vae_granularity.data.files.pictures import area_means
from vae_granularity.errors import ArgumentError
from vae_granularity.runs.identity import RunInfo
from vae_granularity.training.config import compose

# Names that runs had before sizes could be chosen.
NAMES = {
    ("dataset=shapes3d",): "stcvae_shapes3d_b4_g2_s0_4e3f90dc",
    ("dataset=dsprites", "dataset.source=rendered"): "stcvae_dsprites-rendered_b4_g2_s0_17f3b4d2",
    ("dataset=cars3d",): "stcvae_cars3d_b4_g2_s0_00d2945b",
    ("dataset=mpi3d", "dataset.variant=real"): "stcvae_mpi3d-real_b4_g2_s0_b6eaf9d2",
    ("dataset=celeba",): "stcvae_celeba_b4_g2_s0_36322df7",
    ("dataset=mnist",): "stcvae_mnist_b4_g2_s0_ce099a57",
    ("dataset=blocks", "dataset.source=synthetic"): "stcvae_blocks_b4_g2_s0_9aca24c2",
}
GRIDS = ("dsprites", "shapes3d", "cars3d", "mpi3d")


def named(*overrides: str) -> str:
    config: Any = OmegaConf.to_container(compose("train", list(overrides)), resolve=True)
    return RunInfo(config, Path()).name


@pytest.mark.parametrize(("overrides", "name"), NAMES.items())
def test_runs_keep_the_names_that_they_had(overrides: tuple[str, ...], name: str) -> None:
    assert named(*overrides) == name


def test_a_size_makes_another_run_and_is_shown_in_its_name() -> None:
    small = named("dataset=shapes3d", "dataset.image_size=32")
    assert small.startswith("stcvae_shapes3d-32_")
    assert small.rpartition("_")[2] != NAMES["dataset=shapes3d",].rpartition("_")[2]
    assert named("dataset=shapes3d", "dataset.image_size=null") == NAMES["dataset=shapes3d",]
    assert "_mnist-64_" in named("dataset=mnist", "dataset.image_size=64")


@given(st.integers(1, 4), st.integers(1, 6), st.integers(0, 9))
def test_a_whole_factor_gives_exact_means_rounded_half_up(k: int, size: int, seed: int) -> None:
    images = np.random.default_rng(seed).integers(0, 256, (2, 3, k * size, k * size), np.uint8)
    means = images.reshape(2, 3, size, k, size, k).astype(float).mean((3, 5))
    np.testing.assert_array_equal(area_means(images, size), np.floor(means + 0.5))


def test_other_factors_take_the_pixels_whose_centres_lie_in_the_area() -> None:
    image = np.random.default_rng(0).integers(0, 256, (1, 1, 96, 96), np.uint8)
    expected = Image.fromarray(image[0, 0]).resize((64, 64), Image.Resampling.BOX)
    np.testing.assert_array_equal(area_means(image, 64)[0, 0], expected)
    line = np.array([[[[0, 60, 90, 130, 150]] * 5]], np.uint8)  # areas end at 2.5, a centre
    np.testing.assert_array_equal(area_means(line, 2)[0, 0], [[50, 140]] * 2)


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("source", ["official", "rendered"])
def test_small_images_are_the_means_of_the_large_ones(
    name: str, source: str, small, open_dataset, tmp_path
) -> None:
    if source == "official":
        small.WRITERS[name](tmp_path / "files")
    large = 128 if (name, source) == ("cars3d", "official") else 64
    of_size = {}
    for size in (32, large):
        of_size[size] = data = open_dataset(name, source=source, image_size=size)
        data.setup()
        assert data.image_shape[1:] == (size, size)
        assert ("32x32" in data.title) == (size == 32)
    images = {
        size: (255 * data.images(np.arange(8)).numpy()).round() for size, data in of_size.items()
    }
    means = images[large].reshape(8, -1, 32, large // 32, 32, large // 32).mean((3, 5))
    np.testing.assert_array_equal(images[32], np.floor(means + 0.5))
    assert of_size[32].cache_directory != of_size[large].cache_directory
    again = open_dataset(name, source=source, image_size=32)
    again.prepare_data()
    assert again.cache_directory == of_size[32].cache_directory


def test_drawn_on_demand_is_the_same_as_converted(open_dataset, monkeypatch) -> None:
    converted = open_dataset("dsprites", source="rendered", image_size=32)
    converted.setup()
    monkeypatch.setattr("vae_granularity.data.grid.CONVERTED_BYTES", 0)
    drawn = open_dataset("dsprites", source="rendered", image_size=32)
    drawn.setup()
    assert (converted.cache_directory is None, drawn.cache_directory is None) == (False, True)
    every = np.arange(drawn.space.size)
    np.testing.assert_array_equal(drawn.images(every), converted.images(every))
    assert drawn.card.values == "unit"  # means of 0 and 1 are neither


@pytest.mark.parametrize("size", [32, 64, 128])
def test_celeba_at_each_size(size: int, small, open_dataset, tmp_path) -> None:
    small.write_celeba(tmp_path / "files")
    data = open_dataset("celeba", image_size=size)
    data.setup()
    images = data.images(np.arange(4))
    assert images.shape == (4, 3, size, size)
    assert float(images.std((1, 2, 3)).max()) < 0.02  # the white margin is cut off


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("shapes3d", {"image_size": 128}, "image_size must be one of 32, 64 for shapes3d, got 128"),
        ("dsprites", {"image_size": True}, "one of 32, 64 for dsprites, got True"),
        ("celeba", {"image_size": 48}, "one of 32, 64, 128 for celeba, got 48"),
        ("mnist", {"image_size": 48}, "for mnist, got 48"),
    ],
)
def test_a_size_that_there_is_not(name, options, message, open_dataset) -> None:
    with pytest.raises(ArgumentError, match=message):
        open_dataset(name, **options)


def test_rendered_cars_are_not_enlarged(open_dataset) -> None:
    with pytest.raises(ArgumentError, match="at most 64, got 128: source=rendered draws 64x64"):
        open_dataset("cars3d", source="rendered", image_size=128).resolve()

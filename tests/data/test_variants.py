"""dSprites in colour, on noise and on a picture: what changes is the look, not the factors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vae_granularity.data.dsprites import DSprites
from vae_granularity.errors import ArgumentError, DataError

SOME = np.arange(0, 1440, 7)


@pytest.fixture
def build(tmp_path: Path):
    def opened(**options: Any) -> DSprites:
        small = {"source": "rendered", "factor_sizes": (1, 3, 6, 5, 4, 4), "batch_size": 4}
        data = DSprites(**small | {"cache_dir": tmp_path / "cache"} | options)
        data.setup()
        return data

    return opened


@pytest.fixture
def background(tmp_path: Path) -> Path:
    """A picture with a gradient."""
    ramp = np.linspace(0, 255, 400).astype(np.uint8)
    pixels = np.stack([np.tile(ramp, (300, 1))] * 3, axis=-1)
    Image.fromarray(pixels).save(tmp_path / "behind.png")
    return tmp_path / "behind.png"


def test_colour_is_of_the_sprite_alone(build) -> None:
    plain, data = build().images(SOME).numpy(), build(variant="color").images(SOME).numpy()
    assert data.shape == (len(SOME), 3, 64, 64)
    assert (data[np.broadcast_to(plain == 0, data.shape)] == 0).all()
    top = data.max((2, 3))  # one colour an image, at least half bright
    assert (top >= 0.5).all()
    assert (top <= 1).all()
    assert top.std() > 0.1
    np.testing.assert_array_equal(data, plain * top[:, :, None, None])


def test_noise_is_around_the_sprite(build) -> None:
    plain, data = build().images(SOME).numpy(), build(variant="noise").images(SOME).numpy()
    inside = np.broadcast_to(plain == 1, data.shape)
    assert (data[inside] == 1).all()
    around = data[~inside]
    assert around.mean() == pytest.approx(0.5, abs=0.01)
    assert around.var() == pytest.approx(1 / 12, abs=0.002)


def test_a_picture_behind_is_inverted_in_the_sprite(build, background) -> None:
    plain = build().images(SOME).numpy()
    data = (255 * build(variant="scream", background=str(background)).images(SOME).numpy()).round()
    level = np.where(plain > 0, 255 - data, data)
    # one colour is added to a picture of rising columns: what is left rises, in every line alike
    assert (np.diff(level, axis=3) >= 0).all()
    assert (level[:, :, :1] == level).all()
    assert level.max() <= 255
    assert level[:, :, 0, 0].std() > 10


@pytest.mark.parametrize("variant", ["color", "noise", "scream"])
def test_an_image_is_always_the_same(variant: str, build, background) -> None:
    options = {"background": str(background)} if variant == "scream" else {}
    one, two = (build(variant=variant, **options) for _ in range(2))
    np.testing.assert_array_equal(one.images(SOME), two.images(SOME[::-1].copy()).flip(0))
    half = build(variant=variant, image_size=32, **options)
    large = (255 * one.images(SOME[:9]).numpy()).round().reshape(9, 3, 32, 2, 32, 2)
    small = (255 * half.images(SOME[:9]).numpy()).round()
    np.testing.assert_array_equal(small, np.floor(large.mean((3, 5)) + 0.5))
    assert one.cache_directory == half.cache_directory == build().cache_directory  # of the sprites
    assert variant in one.title
    assert one.provenance["variant"] == variant
    assert (one.card.values, one.factor_space.names) == ("unit", build().factor_space.names)


def test_official_sprites_are_painted_too(small, open_dataset, tmp_path) -> None:
    small.write_dsprites(tmp_path / "files")
    data = open_dataset("dsprites", variant="color")
    data.setup()
    every = np.arange(data.space.size)
    shown = (data.images(every).numpy() > 0).max(1, keepdims=True)
    assert [small.read_back_binary(image, 6) for image in shown] == small.grid("dsprites")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"variant": "sepia"}, ArgumentError, "null or one of color, noise, scream .* got 'sepia'"),
        ({"variant": "scream"}, ArgumentError, "must be a picture file for dataset.variant=scream"),
        ({"variant": "color", "background": "a.png"}, ArgumentError, "null for the others"),
        ({"variant": "scream", "background": "no.png"}, DataError, "no.png is not a whole picture"),
    ],
)
def test_what_cannot_be(options, error, message) -> None:
    with pytest.raises(error, match=message):
        DSprites(**options)

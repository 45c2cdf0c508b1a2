"""dSprites in colour, on noise and on a picture: what changes is the look, not the factors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vae_granularity.data.dsprites import DSprites
from vae_granularity.data.sprite_variants import prepared
from vae_granularity.errors import ArgumentError, DataError, ResourceError
from vae_granularity.files import write_json
from vae_granularity.runs.checkpoint import check_images

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


@pytest.mark.parametrize(
    ("size", "shrunk"), [((480, 600), (219, 274)), ((700, 300), (350, 150)), ((100, 90), (100, 90))]
)
def test_a_background_fits_into_the_box_of_disentanglement_lib(size, shrunk, tmp_path) -> None:
    """350x274 pixels, as `Image.thumbnail` does there; before, the shorter side became 274."""
    noisy = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3)).astype(np.uint8)
    Image.fromarray(noisy).save(tmp_path / "behind.png")
    theirs = Image.open(tmp_path / "behind.png")
    theirs.thumbnail((350, 274))
    assert theirs.size == shrunk
    ours = prepared(tmp_path / "behind.png")
    np.testing.assert_array_equal(ours.transpose(1, 2, 0), np.asarray(theirs))


def test_a_background_that_becomes_too_small_is_named(tmp_path) -> None:
    Image.new("RGB", (100, 900)).save(tmp_path / "tower.png")
    with pytest.raises(ArgumentError, match=r"tower.png of 100x900, which becomes 30x274"):
        DSprites(variant="scream", background=tmp_path / "tower.png")


def test_the_background_is_of_the_images_that_a_run_records(build, background, tmp_path) -> None:
    data = build(variant="scream", background=str(background))
    run = tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    write_json(run / "images.json", data.fingerprint)
    check_images(run, data.fingerprint)
    Image.new("RGB", (300, 300), "red").save(background)
    other = build(variant="scream", background=str(background))
    with pytest.raises(ResourceError, match="trained on other images: background"):
        check_images(run, other.fingerprint)
    # of a version that shrank the background in another way, and did not record it
    recorded = {name: h for name, h in data.fingerprint.items() if name != "background"}
    write_json(run / "images.json", recorded)
    with pytest.raises(ResourceError, match="trained on other images: background"):
        check_images(run, data.fingerprint)


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

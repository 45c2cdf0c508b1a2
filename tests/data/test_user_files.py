"""Files as users have them: what is taken, what is left out and named, what is refused."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vae_granularity.data.files import cache
from vae_granularity.data.files.pictures import list_pictures
from vae_granularity.data.image_labels import csv_columns
from vae_granularity.data.image_sources import Folder, open_images
from vae_granularity.data.images import Images
from vae_granularity.errors import DataError
from vae_granularity.runs.build import build
from vae_granularity.training.config import compose

IMAGES = np.random.default_rng(0).integers(1, 255, (100, 1, 16, 16), dtype=np.uint8)


def draw(path: Path, size: tuple[int, int] = (16, 16), mode: str = "L") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size).save(path, "PNG")


class Stop(BaseException):
    pass


def stream(order: np.ndarray, until: int | None = None) -> cache.ImageStream:
    def chunks(start: int):
        for row in range(start, 100, 10):
            if row == until:
                raise Stop
            yield order[row : row + 10], IMAGES[order[row : row + 10]]

    return cache.ImageStream((1, 16, 16), {"train": 100}, chunks(0), None, {}, order, chunks)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[128 + 50 * 256] ^= 255  # of image 50, which every order has written
    path.write_bytes(content)


def count_too_many(path: Path) -> None:
    progress = path.with_name(cache.PROGRESS)
    progress.write_text(json.dumps(json.loads(progress.read_text()) | {"rows": 90}))


@pytest.mark.parametrize("order", [np.arange(100), np.arange(100)[::-1]], ids=["up", "down"])
@pytest.mark.parametrize("damage", [None, cut, flip, count_too_many])
def test_an_interrupted_conversion_ends_with_the_right_images(
    tmp_path: Path, monkeypatch, caplog, damage, order
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setattr(cache, "SAVED_EVERY", -1)
    with pytest.raises(Stop):
        cache.prepare(tmp_path / "x", lambda: stream(order, until=60))
    if damage is not None:
        damage(tmp_path / "x" / "images.npy.tmp")
    cache.prepare(tmp_path / "x", lambda: stream(order))
    np.testing.assert_array_equal(np.load(tmp_path / "x" / cache.IMAGES), IMAGES)
    assert ("converting again" in caplog.text) == (damage is not None)


@pytest.mark.parametrize("suffix", [".jfif", ".jpe", ".avif", ".JPG"])
def test_pictures_of_every_suffix_are_taken(tmp_path: Path, suffix: str) -> None:
    draw(tmp_path / f"1{suffix}")
    assert list_pictures(tmp_path) == [f"1{suffix}"]


def test_linked_folders_are_taken_and_loops_end(tmp_path: Path) -> None:
    draw(tmp_path / "p/a/0.png")
    draw(tmp_path / "store/b/1.png")
    (tmp_path / "p/b").symlink_to(tmp_path / "store/b")
    (tmp_path / "p/a/up").symlink_to(tmp_path / "p")
    (tmp_path / "store/b/other").symlink_to(tmp_path / "p/a")
    assert {"a/0.png", "b/1.png"} <= set(list_pictures(tmp_path / "p"))
    assert len(list_pictures(tmp_path / "p")) <= 3


def test_what_is_left_out_is_counted(tmp_path: Path, caplog) -> None:
    for name in ("0.png", ".1.png", "__MACOSX/2.png", "notes.txt"):
        draw(tmp_path / name)
    (tmp_path / "3.png").symlink_to(tmp_path / "nothing.png")
    assert list_pictures(tmp_path) == ["0.png"]
    assert "left out: 1 .txt, 2 hidden, 1 links to nothing" in caplog.text


@pytest.mark.parametrize("splits", [("train", "test"), ("Training", "valid"), ("train", "val")])
def test_splits_are_not_read_as_classes(tmp_path: Path, splits) -> None:
    for split in splits:
        draw(tmp_path / split / "cat" / "0.png")
    with pytest.raises(DataError, match="as classes; name the folder of one split"):
        Folder(tmp_path).columns("folders")


@pytest.mark.parametrize("cell", ["", "  "])
def test_an_empty_cell_is_refused_with_row_and_column(tmp_path: Path, cell: str) -> None:
    (tmp_path / "labels.csv").write_text(f"file,hue\nb.png,1\na.png,{cell}\n")
    with pytest.raises(DataError, match="row 3: column hue is empty"):
        csv_columns(tmp_path / "labels.csv", ["a.png", "b.png"])


@pytest.mark.parametrize("label", [-1, None])
def test_a_missing_class_label_is_refused_with_its_row(tmp_path: Path, label) -> None:
    datasets = pytest.importorskip("datasets")
    features = {"image": datasets.Image(), "hue": datasets.ClassLabel(names=["red", "blue"])}
    pictures = [Image.new("L", (16, 16), shade) for shade in range(3)]
    columns = {"image": pictures, "hue": [0, 1, label]}
    table = datasets.Dataset.from_dict(columns, features=datasets.Features(features))
    table.save_to_disk(str(tmp_path / "saved"))
    source = open_images(str(tmp_path / "saved"), tmp_path / "cache")
    with pytest.raises(DataError, match="train, row 2 has no label in column hue"):
        source.columns("hue")


@pytest.mark.parametrize(
    ("net", "size", "expected"),
    [
        ("conv64", (50, 40), 32),
        ("conv64", (48, 48), 48),
        ("conv_bn", (50, 40), 40),
        ("mlp", (50, 41), 41),
    ],
)
def test_pictures_of_any_size_train_at_the_largest_that_the_network_takes(
    tmp_path: Path, caplog, net, size, expected
) -> None:
    folder = tmp_path / "pictures"
    for k in range(4):
        draw(folder / f"{k}.png", size, "RGB")
    paths = (f"paths.cache_dir={tmp_path}", f"dataset.path={folder}")
    config = compose("train", ["dataset=images", f"net={net}", *paths])
    model, data = build(config)
    assert data.image_shape == (3, expected, expected)
    assert model.net.image_shape == data.image_shape
    assert ("the largest multiple of" in caplog.text) == (expected != min(size))


@pytest.mark.parametrize("kind", ["folder", "npz", "hub id", "nothing"])
def test_a_constructor_opens_nothing(tmp_path: Path, monkeypatch, kind) -> None:
    def refuse(*_, **__):
        raise AssertionError("something was opened")

    monkeypatch.setattr("vae_granularity.data.images.open_images", refuse)
    paths = {"folder": str(tmp_path), "npz": str(tmp_path / "a.npz"), "hub id": "a/b"}
    data = Images(path=paths.get(kind, "/not/there"), cache_dir=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()
    with pytest.raises(AssertionError, match="opened"):
        data.inspect()


@pytest.mark.parametrize("allowed", [False, True])
def test_a_hub_id_of_a_foreign_config_is_asked_for_only_if_the_caller_says_where_to(
    tmp_path: Path, monkeypatch, allowed
) -> None:
    asked = []

    def load(where, *_):
        asked.append(where)
        raise DataError("no network here")

    monkeypatch.setattr("vae_granularity.data.files.hub.load", load)
    data = Images(path="someone/pictures", cache_dir=tmp_path / "cache")
    data.reads_only = () if allowed else ("cache_dir",)
    with pytest.raises(DataError, match="no network" if allowed else r"paths.cache_dir=FOLDER"):
        data.inspect()
    assert asked == (["someone/pictures"] if allowed else [])

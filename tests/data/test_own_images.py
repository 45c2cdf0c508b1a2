"""Images of one's own: every way in gives the same pictures; bad input gets one sentence."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from PIL import Image
from tiny import results, tiny_config

from vae_granularity.data.cars3d import Cars3D
from vae_granularity.data.dsprites import DSprites
from vae_granularity.data.files import cache
from vae_granularity.data.images import Images
from vae_granularity.data.mnist import MNIST
from vae_granularity.data.mpi3d import MPI3D
from vae_granularity.data.shapes3d import Shapes3D
from vae_granularity.data.smallnorb import SmallNORB
from vae_granularity.errors import ArgumentError, DataError
from vae_granularity.training.run import train

SIZES, NAMES = (2, 3, 4), ("hue", "row", "column")
ROWS = list(itertools.product(*map(range, SIZES)))


def shown(row: tuple[int, ...], side: int = 32) -> np.ndarray:
    """(side, side, 3) uint8 whose first corner says what its factors are."""
    image = np.zeros((side, side, 3), np.uint8)
    image[:, :, :] = np.multiply(row, 20) + 10
    return image


def write_folder(root: Path, *, side: int = 32) -> Path:
    for row in ROWS:
        file = root / f"hue{row[0]}" / f"row{row[1]}" / f"{row[2]}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(shown(row, side)).save(file)
    return root


def write_csv(path: Path, rows: list[tuple[int, ...]] = ROWS) -> Path:
    """In another order than the pictures."""
    lines = [f"hue{a}/row{b}/{c}.png,{a},{b},{c}" for a, b, c in reversed(rows)]
    path.write_text("\n".join(["file,hue,row,column", *lines]) + "\n")
    return path


def write_npz(root: Path, **arrays: Any) -> Path:
    images = np.stack([shown(row) for row in ROWS])
    path = root / "own.npz"
    np.savez_compressed(path, **{"images": images, "factors": np.array(ROWS)} | arrays)
    return path


def write_table(root: Path, order: np.ndarray | None = None, **splits: int) -> Path:
    picked = [ROWS[i] for i in (np.arange(len(ROWS)) if order is None else order)]
    columns = {"image": [Image.fromarray(shown(row)) for row in picked]}
    columns |= {name: [row[k] for row in picked] for k, name in enumerate(NAMES)}
    features = {"image": datasets.Image()} | dict.fromkeys(NAMES, datasets.Value("int64"))
    table = datasets.Dataset.from_dict(columns, features=datasets.Features(features))
    (datasets.DatasetDict({"train": table}) if splits else table).save_to_disk(str(root / "table"))
    return root / "table"


def opened(tmp_path: Path, path: Path, **options: Any) -> Images:
    data = Images(path=str(path), cache_dir=tmp_path / "cache", **{"batch_size": 4} | options)
    data.setup()
    return data


WAYS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "csv": lambda root: {
        "path": write_folder(root / "pictures"),
        "factors": str(write_csv(root / "labels.csv")),
    },
    "npz": lambda root: {"path": write_npz(root), "factors": ["factors"], "factor_names": NAMES},
    "table": lambda root: {
        "path": write_table(root, np.random.default_rng(0).permutation(len(ROWS))),
        "factors": NAMES,
    },
}


@pytest.mark.parametrize("way", WAYS)
def test_factors_that_fill_a_grid_are_a_grid(way: str, tmp_path: Path, capsys) -> None:
    data = opened(tmp_path, **WAYS[way](tmp_path))
    assert data.factor_space is not None
    assert (data.factor_space.names, data.factor_space.sizes) == (NAMES, SIZES)
    images = (255 * data.images(data.factor_space.index(ROWS))).round().int().numpy()
    assert [tuple((image[:, 5, 5] - 10) // 20) for image in images] == ROWS
    assert (data.source, data.image_shape) == ("own", (3, 32, 32))
    assert "a grid of factors: hue 2, row 3, column 4" in capsys.readouterr().out
    assert data.provenance["images_sha256"]


def test_folders_are_classes_and_labels_of_no_grid_stay_labels(tmp_path: Path, capsys) -> None:
    data = opened(tmp_path, write_folder(tmp_path / "pictures"), factors="folders")
    assert (data.factor_space, data.label_names) == (None, ("class",))
    labels, images = data.labels(np.arange(len(ROWS))), data.images(np.arange(len(ROWS)))
    assert labels is not None
    np.testing.assert_array_equal(labels[:, 0], ((255 * images[:, 0, 0, 0]).round() - 10) // 20)
    assert "labels that fill no grid: class" in capsys.readouterr().out


def test_words_are_discrete_and_numbers_ordered_unless_declared(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "pictures")
    lines = [f"hue{a}/row{b}/{c}.png,car{a},{b + c / 10}" for a, b, c in ROWS]
    (tmp_path / "labels.csv").write_text("\n".join(["file,type,angle", *lines]) + "\n")
    options = {"factors": str(tmp_path / "labels.csv")}
    recognised = opened(tmp_path, folder, **options)
    assert recognised.label_names == ("type", "angle")
    assert recognised.factor_kinds == ("discrete", "ordered")
    declared = opened(tmp_path, folder, **options, factor_kinds={"angle": "continuous"})
    assert declared.factor_kinds == ("discrete", "continuous")
    assert declared.cache_directory == recognised.cache_directory
    assert opened(tmp_path, folder, **options, factor_kinds="ordered").factor_kinds == (
        "ordered",
        "ordered",
    )


def test_a_number_of_its_own_in_every_row_is_no_grid(tmp_path: Path) -> None:
    """Old: a grid of one factor with as many values as pictures."""
    angles = np.random.default_rng(0).random(len(ROWS))
    data = opened(tmp_path, write_npz(tmp_path, angle=angles), factors=["angle"])
    assert data.factor_space is None
    assert data.label_names == ("angle",)


def test_data_sets_declare_factors_without_an_order() -> None:
    assert Cars3D().factor_kinds == ("ordered", "ordered", "discrete")
    assert DSprites().factor_kinds.count("discrete") == 1
    for data in (Cars3D(), DSprites(), MPI3D(), Shapes3D(), SmallNORB(), MNIST()):
        assert set(data.card.factor_kinds) <= set(data.label_names)


def test_without_factors_there_are_no_labels(tmp_path: Path, capsys) -> None:
    data = opened(tmp_path, write_folder(tmp_path / "pictures"))
    assert data.labels(np.arange(3)) is None
    assert "no labels: unsupervised metrics only" in capsys.readouterr().out


def test_splits_of_a_table_are_the_parts(tmp_path: Path) -> None:
    whole = datasets.load_from_disk(str(write_table(tmp_path)))
    parts = {"train": range(10), "validation": range(10, 16), "test": range(16, 24)}
    split = {name: whole.select(rows) for name, rows in parts.items()}
    datasets.DatasetDict(split).save_to_disk(str(tmp_path / "split"))
    data = opened(tmp_path, tmp_path / "split", factors=["hue"])
    assert (len(data.train_indices), len(data.val_indices)) == (10, 6)
    np.testing.assert_array_equal(data.test_indices, np.arange(16, 24))
    labels = data.labels(np.arange(24))
    assert labels is not None
    assert labels[:, 0].tolist() == [row[0] for row in ROWS]


def test_a_folder_of_parquet_files_is_a_table(tmp_path: Path) -> None:
    (tmp_path / "parquet").mkdir()
    table = datasets.load_from_disk(str(write_table(tmp_path)))
    table.to_parquet(str(tmp_path / "parquet" / "train-0.parquet"))
    data = opened(tmp_path, tmp_path / "parquet", factors=list(NAMES))
    assert data.factor_space is not None


@pytest.mark.parametrize("layout", ["NHW", "NHWC", "NCHW", "bool"])
def test_arrays_of_every_layout(layout: str, tmp_path: Path) -> None:
    """Binary pictures are black and white, whether of bool or of 0 and 1."""
    binary = np.random.default_rng(0).integers(0, 2, (6, 16, 16), np.uint8)
    array = {
        "NHW": binary,
        "NHWC": binary[..., None],
        "NCHW": binary[:, None],
        "bool": binary.astype(bool),
    }[layout]
    np.savez(tmp_path / "own.npz", imgs=array)
    images = opened(tmp_path, tmp_path / "own.npz").images(np.arange(6))
    np.testing.assert_array_equal(images[:, 0].numpy(), binary)


def test_the_central_square_by_area_means(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 100, 3), np.uint8)
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in "ab":
        Image.fromarray(pixels).save(folder / f"{name}.png")
    data = opened(tmp_path, folder, image_size=32, val_fraction=0.5, batch_size=1)
    square = pixels[:, 18:82].reshape(32, 2, 32, 2, 3).astype(float).mean((1, 3))
    found = (255 * data.images(np.arange(1))[0].permute(1, 2, 0).numpy()).round()
    np.testing.assert_array_equal(found, np.floor(square + 0.5))


def test_mixed_sizes_and_kinds_where_they_are_asked_for(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.fromarray(np.full((40, 60, 3), 90, np.uint8)).save(folder / "a.png")
    Image.fromarray(np.full((50, 33), 120, np.uint8)).save(folder / "b.png")
    options = {"val_fraction": 0, "batch_size": 1, "image_size": 32, "mixed_sizes": True}
    data = opened(tmp_path, folder, channels=1, **options)
    grays = (255 * data.images(np.arange(2))[:, 0, 0, 0]).round().tolist()
    assert (data.image_shape, grays) == ((1, 32, 32), [90, 120])


def spoil(how: str) -> Callable[[Path], dict[str, Any]]:
    """A folder of sound pictures and one, the last, that is not."""

    def write(root: Path) -> dict[str, Any]:
        folder = write_folder(root / "pictures")
        bad, rng = folder / "z.png", np.random.default_rng(0)
        pixels = rng.integers(0, 256, (32, 32, 4), np.uint8)
        if how == "size":
            Image.fromarray(pixels[:, :, :3]).resize((48, 32)).save(bad)
        elif how == "gray":
            Image.fromarray(pixels[:, :, 0]).save(bad)
        elif how == "alpha":
            Image.fromarray(pixels).save(bad)
        elif how == "deep":
            Image.fromarray(pixels[:, :, 0].astype(np.uint16) * 200).save(bad)
        elif how == "text":
            bad.write_text("no picture")
        elif how == "cut":
            good = folder / "hue1" / "row0" / "0.png"
            Image.fromarray(pixels[:, :, :3]).save(good)
            bad.write_bytes(good.read_bytes()[:200])
        return {"path": folder}

    return write


def with_csv(change: Callable[[Path], Any]) -> Callable[[Path], dict[str, Any]]:
    def write(root: Path) -> dict[str, Any]:
        folder, table = write_folder(root / "pictures"), write_csv(root / "labels.csv")
        change(table)
        return {"path": folder, "factors": str(table)}

    return write


def one_class(root: Path) -> dict[str, Any]:
    folder = root / "pictures" / "cats"
    folder.mkdir(parents=True)
    for name in "abc":
        Image.fromarray(shown((0, 0, 0))).save(folder / f"{name}.png")
    return {"path": root / "pictures", "factors": "folders"}


def npz_with(**arrays: Any) -> Callable[[Path], dict[str, Any]]:
    return lambda root: {"path": write_npz(root, **arrays), "factors": ["factors"]}


BAD: dict[str, tuple[Callable[[Path], dict[str, Any]], str]] = {
    "mixed sizes": (spoil("size"), "z.png is 48x32 and the first picture 32x32; .*mixed_sizes"),
    "mixed kinds": (spoil("gray"), "z.png is gray and the first picture RGB; dataset.channels"),
    "alpha": (spoil("alpha"), r"z.png has an alpha channel \(mode RGBA\)"),
    "16 bit": (spoil("deep"), "z.png has more than 8 bits a channel"),
    "text": (spoil("text"), r"z.png is not a whole picture \(10 bytes\)"),
    "cut": (spoil("cut"), "z.png is not a whole picture"),
    "csv short": (
        with_csv(lambda path: write_csv(path, ROWS[:-1])),
        "23 rows for 24 pictures: it lacks hue1/row2/3.png",
    ),
    "csv strange": (
        with_csv(lambda path: path.write_text(path.read_text() + "x.png,0,0,0\n")),
        "25 rows for 24 pictures: it names x.png, which is not there",
    ),
    "csv ragged": (with_csv(lambda path: path.write_text("file,a\nx.png\n")), "row 2: 1 values"),
    "csv absent": (with_csv(Path.unlink), "cannot read .*labels.csv"),
    "one class": (one_class, r"two or more values, got one \(class: cats\)"),
    "factors of another length": (
        npz_with(factors=np.zeros((7, 2), int)),
        r"factor factors must have 24 rows, one an image, got shape \(7, 2\)",
    ),
    "no numbers": (npz_with(factors=np.full(24, np.nan)), "finite number for every image"),
    "npz alpha": (npz_with(images=np.zeros((24, 32, 32, 4), np.uint8)), "has an alpha channel"),
    "npz 16 bit": (npz_with(images=np.zeros((24, 32, 32), np.uint16)), "more than 8 bits"),
    "npz floats": (npz_with(images=np.zeros((24, 32, 32))), "must be uint8 .* got float64"),
    "npz vectors": (npz_with(images=np.zeros((24, 5), np.uint8)), "must have shape"),
    "no array": (
        lambda root: {"path": write_npz(root), "factors": ["shape"]},
        r"no array `shape` for dataset.factors; it holds \['factors', 'images'\]",
    ),
    "no column": (
        lambda root: {"path": write_table(root), "factors": ["size"]},
        r"no column `size` for dataset.factors; it has \['image', 'hue', 'row', 'column'\]",
    ),
    "names": (
        lambda root: {"path": write_table(root), "factors": NAMES, "factor_names": ["one"]},
        "factor_names must be 3 different names",
    ),
    "kind of another factor": (
        lambda root: {
            "path": write_table(root),
            "factors": NAMES,
            "factor_kinds": {"x": "ordered"},
        },
        r"dataset.factor_kinds must be of hue, row, column, got x",
    ),
    "no such kind": (
        lambda root: {"path": write_table(root), "factors": NAMES, "factor_kinds": {"hue": "real"}},
        r"dataset.factor_kinds.hue must be one of discrete, ordered, continuous, got 'real'",
    ),
    "nothing": (lambda root: {"path": root / "absent"}, "absent does not exist; it must be a fol"),
    "empty": (lambda root: {"path": root}, "holds no pictures"),
    "small": (
        lambda root: {"path": write_folder(root / "pictures"), "image_size": 64},
        "must be at most 32, got 64 for pictures of 32x32: nothing is enlarged",
    ),
    "large": (
        lambda root: {"path": write_folder(root / "pictures", side=160)},
        "image_size must be given, e.g. 64, got null for pictures of 160x160",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_gets_one_clear_message(case: str, tmp_path: Path) -> None:
    write, message = BAD[case]
    with pytest.raises((DataError, ArgumentError), match=message) as caught:
        opened(tmp_path, **write(tmp_path))
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "cache").rglob("manifest.json"))


def test_other_files_are_another_cache(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "pictures")
    first = opened(tmp_path, folder)
    assert opened(tmp_path, folder).cache_directory == first.cache_directory
    Image.fromarray(shown((9, 9, 9))).save(folder / "hue0" / "row0" / "0.png")
    changed = opened(tmp_path, folder)
    assert changed.cache_directory != first.cache_directory
    assert round(255 * float(changed.images(np.array([0]))[0, 0, 0, 0])) == 190


def test_a_conversion_goes_on_where_it_was_interrupted(tmp_path: Path, monkeypatch) -> None:
    """Ctrl-C: nothing that was read is read again, and the images are those of one pass."""
    folder = write_folder(tmp_path / "pictures")
    options = {"factors": str(write_csv(tmp_path / "labels.csv"))}
    monkeypatch.setattr("vae_granularity.data.image_sources.ROWS", 5)
    monkeypatch.setattr(cache, "SAVED_EVERY", 0.0)
    whole = opened(tmp_path / "whole", folder, **options)
    data = Images(path=str(folder), cache_dir=tmp_path / "cache", batch_size=4, **options)
    data.inspect()
    sound = data.pictures.rows

    def interrupted(start: int, wanted: Any) -> Any:
        for number, chunk in enumerate(sound(start, wanted)):
            if number == 3:
                raise KeyboardInterrupt
            yield chunk

    data.pictures.rows = interrupted
    with pytest.raises(KeyboardInterrupt):
        data.prepare_data()
    asked = []
    again = Images(path=str(folder), cache_dir=tmp_path / "cache", batch_size=4, **options)
    again.inspect()
    sound = again.pictures.rows
    again.pictures.rows = lambda start, target: asked.append(start) or sound(start, target)
    again.setup()
    assert asked[-1] == 15
    every = np.arange(len(ROWS))
    np.testing.assert_array_equal(again.images(every), whole.images(every))
    assert not (again.cache_directory or Path()).joinpath(cache.PROGRESS).exists()


CHILD = """
import sys, time
from vae_granularity.data import image_sources
from vae_granularity.data.files import cache
from vae_granularity.data.images import Images
image_sources.ROWS, cache.SAVED_EVERY = 2, 0.0
data = Images(path=sys.argv[1], cache_dir=sys.argv[2], batch_size=4)
data.inspect()
rows = data.pictures.rows
def slow(start, wanted):
    print("from", start, flush=True)
    for chunk in rows(start, wanted):
        time.sleep(float(sys.argv[3]))
        yield chunk
data.pictures.rows = slow
data.setup()
print("done", data.images(range(24)).sum().item(), flush=True)
"""


@pytest.mark.slow
def test_a_kill_in_the_middle_of_the_conversion_loses_nothing(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "pictures")

    def start(cache_dir: str, pause: float) -> subprocess.Popen[str]:
        arguments = [str(folder), str(tmp_path / cache_dir), str(pause)]
        command = [sys.executable, "-c", CHILD, *arguments]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    with start("cache", 0.5) as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == "from 0\n"
        deadline = time.monotonic() + 60
        while not list((tmp_path / "cache").rglob(cache.PROGRESS)):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(1.2)
        os.kill(killed.pid, signal.SIGKILL)
    said, other = (start(name, 0).communicate(timeout=120)[0] for name in ("cache", "other"))
    first = next(line for line in said.splitlines() if line.startswith("from"))
    assert int(first.split()[1]) > 0
    assert said.splitlines()[-1] == other.splitlines()[-1]


MANY = """
import resource, sys
from vae_granularity.data.images import Images
data = Images(path=sys.argv[1], cache_dir=sys.argv[2], device="mmap")
data.prepare_data()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, data.parts["train"])
"""


@pytest.mark.slow
def test_100_000_small_images_convert_within_2_gb(tmp_path: Path) -> None:
    """Measured: see docs/images.md."""
    folder, rng = tmp_path / "pictures", np.random.default_rng(0)
    content = []
    for number in range(50):
        path = tmp_path / f"{number}.png"
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), np.uint8)).save(path)
        content.append(path.read_bytes())
    for group in range(100):
        (folder / f"{group:02d}").mkdir(parents=True)
        for number in range(1000):
            (folder / f"{group:02d}" / f"{number:03d}.png").write_bytes(content[number % 50])
    command = [sys.executable, "-c", MANY, str(folder), str(tmp_path / "cache")]
    started = time.monotonic()
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    megabytes, count = map(int, said.splitlines()[-1].split())
    print(f"{megabytes} MB, {time.monotonic() - started:.0f} s")
    assert count == 100_000
    assert megabytes < 2000


@pytest.mark.slow
@pytest.mark.parametrize("way", ["folder", "npz", "table"])
def test_own_images_train_evaluate_and_analyze_with_one_command_each(
    way: str, tmp_path: Path, monkeypatch
) -> None:
    """1 000 of them; the folder has them as PNG files, nested."""
    monkeypatch.setitem(globals(), "ROWS", list(itertools.product(range(5), range(10), range(20))))
    writers = {"folder": write_folder, "npz": write_npz, "table": write_table}
    factors = {"folder": "folders", "npz": "[factors]", "table": "[hue,row,column]"}
    path = writers[way](tmp_path / "own" if way == "folder" else tmp_path)
    data = ("dataset=images", f"dataset.path={path}", f"dataset.factors={factors[way]}")
    paths = (f"paths.output_dir={tmp_path / 'runs'}", f"paths.cache_dir={tmp_path / 'cache'}")
    run_module("vae_granularity.train", *data, *paths, "trainer=debug", "logger=csv")
    (run,) = (tmp_path / "runs").glob("stcvae_images-*")
    assert results(run)["data"]["source"] == "own"
    assert ("irs" in results(run)["scores"]) == (way != "folder")  # it needs a grid
    run_module("vae_granularity.evaluate", f"run={run}", "metrics=sap")
    assert results(run)["scores"]["sap"] is not None
    run_module("vae_granularity.analyze", f"runs={tmp_path / 'runs'}")
    assert (tmp_path / "runs" / "analysis" / "report.html").exists()


def run_module(module: str, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stdout


def test_the_same_images_as_dsprites_and_as_ones_own_give_the_same_scores(
    small, tmp_path: Path
) -> None:
    """To the last digit: split, batches, terms and scores."""
    (tmp_path / "data").mkdir()
    small.write_dsprites(tmp_path / "data")
    file = tmp_path / "data" / DSprites.card.files[0].name
    sizes = f"dataset.factor_sizes={list(small.SIZES['dsprites'])}"
    names = f"dataset.factor_names={list(_names())}"
    common = ("net=mlp", "likelihood=bernoulli", "metrics=fast")
    ways = (
        ("dataset=dsprites", "dataset.source=official", sizes),
        ("dataset=images", f"dataset.path={file}", "dataset.factors=[latents_classes]", names),
    )
    found = []
    for overrides in ways:
        overrides = (*overrides, *common)
        found.append(results(train(tiny_config(tmp_path, *overrides, without=BLOCKS_ONLY))))
    one, other = found
    assert one["data"]["split_sha256"] == other["data"]["split_sha256"]
    assert len(one["scores"]) > 10
    assert (one["terms"], one["scores"]) == (other["terms"], other["scores"])


BLOCKS_ONLY = ("dataset=blocks", "dataset.num_samples=600")


def _names() -> tuple[str, ...]:
    assert DSprites.card.factors is not None
    return DSprites.card.factors.names


def test_real_dsprites_as_images_of_ones_own(shared_data: Path, tmp_path: Path) -> None:
    """432 real pictures, whose labels repeat and so fill no grid."""
    path = shared_data / "dsprites" / "dsprites_real_432.npz"
    data = opened(tmp_path, path, factors=["latents_classes"])
    assert (data.image_shape, data.factor_space) == ((1, 64, 64), None)
    with np.load(path) as archive:
        np.testing.assert_array_equal(data.images(np.arange(432))[:, 0].numpy(), archive["imgs"])

"""source=hub reads a `datasets` folder in any row order; splits and columns are checked before
anything is read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from PIL import Image

from vae_granularity.errors import DataError

GRIDS = ("dsprites", "shapes3d", "cars3d", "mpi3d")


def table(columns: dict[str, list[Any]]) -> datasets.Dataset:
    integers = {name: datasets.Value("int64") for name in columns if name != "image"}
    return datasets.Dataset.from_dict(
        columns, features=datasets.Features({"image": datasets.Image(), **integers})
    )


def grid_table(name: str, small: Any, labels: tuple[str | None, ...]) -> datasets.Dataset:
    """The whole grid, shuffled."""
    rows = np.random.default_rng(0).permutation(small.grid(name)).tolist()
    binary = name == "dsprites"
    images = [
        Image.fromarray(255 * small.shown_binary(row) if binary else small.shown(row))
        for row in rows
    ]
    return table(
        {"image": images}
        | {label: [row[f] for row in rows] for f, label in enumerate(labels) if label}
    )


@pytest.mark.parametrize("form", ["saved", "parquet"])
@pytest.mark.parametrize("name", GRIDS)
def test_the_image_of_given_factors_shows_these_factors(
    name: str, form: str, small, open_dataset, tmp_path: Path
) -> None:
    data = open_dataset(name, source="hub", hub_id=str(tmp_path / "table"))
    save(grid_table(name, small, data.card.hub_labels), tmp_path / "table", form)
    data.setup()
    rows = small.grid(name)
    read = small.read_back_binary if name == "dsprites" else small.read_back
    images = data.images(data.factor_space.index(rows)).numpy()
    assert [read(image, len(rows[0])) for image in images] == rows
    assert (data.source, data.verified) == ("hub", None)


def save(rows: datasets.Dataset, folder: Path, form: str) -> None:
    if form == "saved":
        datasets.DatasetDict({"train": rows}).save_to_disk(str(folder))
    else:
        folder.mkdir()
        rows.to_parquet(str(folder / "train-00000-of-00001.parquet"))


def test_mnist_keeps_its_two_parts(small, open_dataset, tmp_path: Path) -> None:
    parts = {"train": range(30), "test": range(30, 40)}
    tables = {
        part: table(
            {
                "image": [Image.fromarray(small.digit(n)) for n in own],
                "label": [n % 10 for n in own],
            }
        )
        for part, own in parts.items()
    }
    datasets.DatasetDict(tables).save_to_disk(str(tmp_path / "table"))
    data = open_dataset("mnist", source="hub", hub_id=str(tmp_path / "table"))
    data.setup()
    np.testing.assert_array_equal(
        (255 * data.images(np.arange(40))[:, 0, 16, 16]).round(), [3 * n + 1 for n in range(40)]
    )
    np.testing.assert_array_equal(data.labels(np.arange(40))[:, 0], np.arange(40) % 10)
    np.testing.assert_array_equal(data.test_indices, np.arange(30, 40))


def test_celeba_keeps_its_three_parts_and_attributes(small, open_dataset, tmp_path: Path) -> None:
    data = open_dataset("celeba", source="hub", hub_id=str(tmp_path / "table"))
    tables = {}
    for part, own in {"train": range(12), "valid": range(12, 15), "test": range(15, 20)}.items():
        attributes = np.array([small.attributes_of(n) for n in own], bool)
        columns = {name: attributes[:, k].tolist() for k, name in enumerate(data.label_names)}
        tables[part] = table({"image": [small.face(n) for n in own]} | columns)
    datasets.DatasetDict(tables).save_to_disk(str(tmp_path / "table"))
    data.setup()
    np.testing.assert_allclose(
        255 * data.images(np.arange(20))[:, 0, 32, 32], [5 * n + 20 for n in range(20)], atol=1e-3
    )
    np.testing.assert_array_equal(
        data.labels(np.arange(20)), [small.attributes_of(n) for n in range(20)]
    )
    assert data.parts == {"train": 12, "valid": 3, "test": 5}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda rows: rows.rename_column("label_scale", "size"),
            r"lacks the columns \['label_scale'\]; found \['image', .*'size'",
        ),
        (lambda rows: rows.remove_columns("image"), r"lacks the columns \['image'\]"),
        (
            lambda rows: rows.select(range(100)),
            r"has 100 rows; the factors \(2, 3, 2, 2, 2, 3\) need 144",
        ),
        (
            lambda rows: datasets.concatenate_datasets([rows.select(range(143)), rows.select([0])]),
            "1 of 144 images are missing",
        ),
        (
            lambda rows: rows.map(lambda row: {"label_scale": row["label_scale"] + 5}),
            r"scale must be in \[0, 1\], got",
        ),
        (
            lambda rows: rows.cast_column("label_scale", datasets.Value("float64")),
            "must be integers, got float64",
        ),
        (
            lambda rows: rows.remove_columns("image").add_column("image", [1] * len(rows)),
            "column `image` must hold images, found Value",
        ),
        (
            lambda rows: datasets.DatasetDict({"training": rows}),
            r"must have the splits \['train'\], found \['training'\]",
        ),
    ],
)
def test_a_table_that_does_not_fit_is_refused_with_what_was_found(
    change, message: str, small, open_dataset, tmp_path: Path
) -> None:
    data = open_dataset("shapes3d", source="hub", hub_id=str(tmp_path / "table"))
    datasets.disable_progress_bars()
    change(grid_table("shapes3d", small, data.card.hub_labels)).save_to_disk(
        str(tmp_path / "table")
    )
    with pytest.raises(DataError, match=message):
        data.setup()


def test_a_table_that_is_not_there_is_one_error(open_dataset, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="table cannot be loaded"):
        open_dataset("shapes3d", source="hub", hub_id=str(tmp_path / "table")).setup()

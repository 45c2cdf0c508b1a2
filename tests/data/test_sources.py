"""How a source is settled: auto, official, hub, rendered; what the user reads when one is not
there.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from vae_granularity.data.files import sources
from vae_granularity.errors import DataError
from vae_granularity.files import digest_of_file

RENDERED = ("dsprites", "shapes3d", "cars3d", "mpi3d")
NOWHERE = "http://127.0.0.1:9/"  # the discard port: the connection is refused at once


def without_network(data) -> None:
    data.card = replace(
        data.card,
        files=tuple(replace(file, urls=(NOWHERE + file.name,)) for file in data.card.files),
    )


@pytest.mark.parametrize("name", RENDERED)
def test_auto_without_file_and_network_draws_and_says_so(
    name: str, open_dataset, tmp_path, caplog
) -> None:
    data = open_dataset(name, source="auto")
    without_network(data)
    start = time.monotonic()
    assert data.resolve() == "rendered"
    assert time.monotonic() - start < 5
    assert "THE OFFICIAL DATA ARE NOT HERE. USING RENDERED IMAGES." in caplog.text
    assert (
        sources.rendered_warning(data.card, "").splitlines()[1].strip("!") == ""
    )  # a frame that nobody overlooks
    assert "(rendered)" in data.title
    assert list((tmp_path / "files").iterdir()) == []


@pytest.mark.parametrize("name", [*RENDERED, "mnist", "celeba"])
def test_official_without_file_and_network_names_file_origin_directory_and_other_ways(
    name: str, open_dataset, tmp_path
) -> None:
    data = open_dataset(name)
    without_network(data)
    with pytest.raises(DataError) as error:
        data.resolve()
    for file in data.card.files:
        assert f"{file.name}  from  {NOWHERE}{file.name}" in str(error.value)
    assert str(tmp_path / "files") in str(error.value)
    assert "rendered" in str(error.value)
    assert "source=hub" in str(error.value)


@pytest.mark.parametrize("name", ["mnist", "celeba"])
def test_auto_is_an_error_where_nothing_draws_the_images(name: str, open_dataset) -> None:
    data = open_dataset(name, source="auto")
    without_network(data)
    with pytest.raises(DataError, match=f"not rendered: nothing draws {name}"):
        data.resolve()


@pytest.mark.parametrize(
    ("name", "source", "message"),
    [
        (
            "celeba",
            "rendered",
            "rendered does not exist for celeba: nothing draws its images. "
            "Other ways: dataset.source=official",
        ),
        ("mnist", "rendered", "rendered does not exist for mnist"),
        (
            "cars3d",
            "hub",
            "no parquet copy of cars3d is known; the columns are image, label_elevation",
        ),
        ("mpi3d", "hub", "no parquet copy of mpi3d is known"),
    ],
)
def test_a_source_that_does_not_exist_says_so_when_asked(
    name: str, source: str, message: str, open_dataset
) -> None:
    with pytest.raises(DataError, match=message):
        open_dataset(name, source=source).resolve()


def test_a_data_dir_that_does_not_exist_is_said(open_dataset, tmp_path) -> None:
    data = open_dataset("shapes3d", data_dir=tmp_path / "nowhere")
    without_network(data)
    with pytest.raises(DataError, match="nowhere \\(which does not exist\\)"):
        data.resolve()
    assert not (tmp_path / "nowhere").exists()


def test_only_the_files_that_are_missing_are_named(small, open_dataset, tmp_path) -> None:
    small.write_mnist(tmp_path / "files")
    (tmp_path / "files" / "t10k-labels-idx1-ubyte").unlink()
    data = open_dataset("mnist")
    without_network(data)
    with pytest.raises(DataError, match="t10k-labels") as error:
        data.resolve()
    assert "train-images" not in str(error.value)


def test_official_and_rendered_images_of_a_grid_go_through_the_same_door(
    small, open_dataset, tmp_path
) -> None:
    small.write_shapes3d(tmp_path / "files")
    official, rendered = open_dataset("shapes3d"), open_dataset("shapes3d", source="rendered")
    for data in (official, rendered):
        data.setup()
    np.testing.assert_array_equal(official.train_indices, rendered.train_indices)
    assert (
        official.images(official.batch_indices(0)).shape
        == rendered.images(rendered.batch_indices(0)).shape
    )


@pytest.fixture
def mirror(tmp_path) -> Iterator[tuple[Path, str]]:
    """A folder and the address under which a local server gives it."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    folder = tmp_path / "mirror"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


def served_from(data, folder: Path, address: str, *, right: bool) -> None:
    """Declare the files of the folder, with their hashes or wrong ones."""
    hashes = {
        file.name: digest_of_file(folder / file.name) if right else "0" * 64
        for file in data.card.files
    }
    files = (
        replace(file, urls=(address + file.name,), sha256=hashes[file.name], hash_of_content=False)
        for file in data.card.files
    )
    data.card = replace(data.card, files=tuple(files))


@pytest.mark.parametrize("name", ["shapes3d", "cars3d"])
def test_auto_downloads_verifies_and_next_time_needs_no_network(
    name: str, small, open_dataset, mirror, tmp_path
) -> None:
    small.WRITERS[name](mirror[0])
    data, again = open_dataset(name, source="auto"), open_dataset(name, source="auto")
    served_from(data, *mirror, right=True)
    data.setup()
    assert (data.source, data.verified, data.title) == ("official", True, name)
    assert data.files[data.card.files[0].name].parent == tmp_path / "files" / name
    without_network(again)
    assert again.resolve() == "official"


def test_auto_draws_when_the_download_has_the_wrong_content(
    small, open_dataset, mirror, caplog
) -> None:
    small.write_shapes3d(mirror[0])
    data = open_dataset("shapes3d", source="auto")
    served_from(data, *mirror, right=False)
    assert data.resolve() == "rendered"
    assert "wrong content: sha256" in caplog.text


def test_official_refuses_a_download_with_the_wrong_content(
    small, open_dataset, mirror, tmp_path
) -> None:
    small.write_shapes3d(mirror[0])
    data = open_dataset("shapes3d")
    served_from(data, *mirror, right=False)
    with pytest.raises(DataError, match=r"wrong content: sha256 \w{64}, expected 0{64}"):
        data.resolve()
    assert not list((tmp_path / "files").rglob("*.h5"))

"""Data files that lead to other files of the machine: refused by name, none of these is copied."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from vae_granularity.data.files.readers import h5_images
from vae_granularity.errors import DataError

SHAPE = (4, 2, 2)


@pytest.mark.parametrize("way", ["external link", "soft link", "virtual", "external storage"])
def test_hdf5_is_read_from_the_file_itself(way, tmp_path):
    secret, path = tmp_path / "secret.h5", tmp_path / "images.h5"
    with h5py.File(secret, "w") as file:
        file["images"] = np.full(SHAPE, 7, np.uint8)
    (tmp_path / "raw").write_bytes(bytes(16))
    with h5py.File(path, "w") as file:
        if way == "external link":
            file["images"] = h5py.ExternalLink(str(secret), "images")
        elif way == "soft link":
            file["images"] = h5py.SoftLink("/elsewhere")
        elif way == "virtual":
            layout = h5py.VirtualLayout(SHAPE, np.uint8)
            layout[:] = h5py.VirtualSource(str(secret), "images", SHAPE)
            file.create_virtual_dataset("images", layout)
        else:
            storage = [(str(tmp_path / "raw"), 0, 16)]
            file.create_dataset("images", SHAPE, np.uint8, external=storage)
    with pytest.raises(DataError, match=r"images\.h5.*`images`") as error:
        list(h5_images(path, "images", SHAPE))
    assert len(str(error.value).splitlines()) == 1

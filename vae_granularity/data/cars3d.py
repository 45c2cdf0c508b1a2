"""Cars3D: 183 car models from 4 elevations and 24 azimuths, 128×128 RGB, used at 64×64."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from vae_granularity.data.factors import FactorSpace
from vae_granularity.data.files.archive import members
from vae_granularity.data.files.cache import ImageStream
from vae_granularity.data.files.declaration import DatasetCard, HubTable, RemoteFile
from vae_granularity.data.grid import FactorGridDataModule
from vae_granularity.errors import DataError

FILE = "nips2015-analogy-data.tar.gz"
LIST = "list.txt"


class Cars3D(FactorGridDataModule):
    """Cars3D (Reed, Zhang, Zhang and Lee, NeurIPS 2015). A folder `cars` with the unpacked files
    serves as well.
    """

    card = DatasetCard(
        name="cars3d",
        image_shape=(3, 64, 64),
        factors=FactorSpace(("elevation", "azimuth", "object_type"), (4, 24, 183)),
        files=(
            RemoteFile(
                FILE,
                urls=(f"http://www.scottreed.info/files/{FILE}",),
                md5="4e866a7919c1beedf53964e6f7a23686",
                aliases=("data/cars", "cars"),
                max_bytes=8 << 30,
            ),
        ),
        licence="none stated",
        citation="S. Reed, Y. Zhang, Y. Zhang, H. Lee: Deep Visual Analogy-Making, NeurIPS 2015",
        homepage="http://www.scottreed.info",
        hub=HubTable(
            None,
            splits={"train": "train"},
            labels=("label_elevation", "label_azimuth", "label_object_type"),
        ),
        renderer="vae_granularity.data.render.cars3d",
    )

    def read_official(self, files: dict[str, Path]) -> ImageStream:
        """`data/cars/list.txt` orders the types; each `car_NNN_mesh.mat` holds `im` (128, 128, 3,
        azimuth, elevation).
        """
        path = files[FILE]
        types = self._types(path)
        return ImageStream(self.image_shape, {"train": self.space.size}, self._chunks(path, types))

    def _types(self, path: Path) -> list[str]:
        for _, content in members(path, lambda name: _is_car(path, name, LIST), 1 << 20):
            types = content.decode("ascii", errors="replace").split()
            if len(types) != self.space.sizes[2] or len(set(types)) != len(types):
                raise DataError(
                    f"{path}: {LIST} must name {self.space.sizes[2]} different meshes, it names {len(types)} ({len(set(types))} different)"
                )
            return types
        raise DataError(f"{path} has no member data/cars/{LIST}")

    def _chunks(self, path: Path, types: list[str]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        elevations, azimuths, _ = self.space.sizes
        wanted = {f"{name}.mat": number for number, name in enumerate(types)}
        left = set(wanted)
        views = np.arange(elevations * azimuths)
        for name, content in members(
            path,
            lambda name: any(_is_car(path, name, mesh) for mesh in wanted),
            self.card.files[0].max_bytes,
        ):
            images = _mesh(path, name, content, (128, 128, 3, azimuths, elevations))
            mesh = PurePosixPath(name).name
            left.discard(mesh)
            yield views * len(types) + wanted[mesh], images
        if left:
            raise DataError(f"{path} lacks the meshes {sorted(left)[:5]} that {LIST} names")


def _is_car(path: Path, member: str, name: str) -> bool:
    parts = PurePosixPath(member).parts
    return parts[-1] == name and (path.is_dir() or parts[-3:-1] == ("data", "cars"))


def _mesh(path: Path, name: str, content: bytes, shape: tuple[int, ...]) -> np.ndarray:
    """Views (elevation · azimuth, 3, 64, 64) uint8 of one car, elevation slowest."""
    from scipy.io import loadmat

    try:
        im = loadmat(BytesIO(content), variable_names=["im"]).get("im")
    except Exception as error:  # loadmat raises many types on damaged input
        raise DataError(f"{path}: {name} is not a whole MATLAB file: {error}") from error
    if im is None:
        raise DataError(f"{path}: {name} has no array `im`")
    if im.dtype != np.uint8 or im.shape != shape:
        raise DataError(
            f"{path}: {name}: `im` must be uint8 of shape {shape}, got {im.dtype} of shape {im.shape}"
        )
    views = im.transpose(4, 3, 0, 1, 2).reshape(-1, 128, 128, 3)
    small = [
        np.asarray(Image.fromarray(view).resize((64, 64), Image.Resampling.LANCZOS))
        for view in views
    ]
    return np.stack(small).transpose(0, 3, 1, 2)

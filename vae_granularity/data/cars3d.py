"""Cars3D: 183 car models from 4 elevations and 24 azimuths, 128×128 RGB, used at 64×64."""

import struct
import zlib
from io import BytesIO
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from vae_granularity.data.files.cache import ImageStream
from vae_granularity.data.files.declaration import DatasetCard, RemoteFile
from vae_granularity.data.files.readers import MEMBER_BYTES, Chunks, members
from vae_granularity.data.grid import FactorGridDataModule
from vae_granularity.data.render.cars3d import FACTORS
from vae_granularity.errors import DataError

FILE = "nips2015-analogy-data.tar.gz"
LIST = "list.txt"


class Cars3D(FactorGridDataModule):
    """Cars3D (Reed et al., NeurIPS 2015); a folder `cars` of unpacked files serves as well.

    At 64 the pictures are resized by Lanczos, as the field uses them; 32 are area means of 128.
    """

    image_sizes = (32, 64, 128)
    card = DatasetCard(
        name="cars3d",
        image_shape=(3, 64, 64),
        factors=FACTORS,
        cyclic_labels=("azimuth",),
        factor_kinds={"object_type": "discrete"},
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
        renderer="vae_granularity.data.render.cars3d",
    )

    def read_official(self, files: dict[str, Path]) -> ImageStream:
        """Read `data/cars/list.txt`, which orders the types, and a `car_NNN_mesh.mat` of each.

        The array is `im` (128, 128, 3, azimuth, elevation) uint8.
        """
        side = 64 if self.image_shape[-1] == 64 else 128
        return self.stream(self._views(files[FILE], self._types(files[FILE]), side), side)

    def _views(self, path: Path, types: list[str], side: int) -> Chunks:
        elevations, azimuths, _ = self.space.sizes
        number_of = {f"{name}.mat": number for number, name in enumerate(types)}
        # In the order of the archive, which can only be read from its beginning.
        missing = set(number_of)
        views = np.arange(elevations * azimuths)
        limit = self.card.files[0].max_bytes
        for name, content in members(path, lambda name: _in_cars(path, name) in number_of, limit):
            mesh = PurePosixPath(name).name
            missing.discard(mesh)
            images = _mesh(f"{path}: {name}", content, (128, 128, 3, azimuths, elevations))
            yield views * len(types) + number_of[mesh], images if side == 128 else _halved(images)
        if missing:
            raise DataError(f"{path} lacks the meshes {sorted(missing)[:5]} that {LIST} names")

    def _types(self, path: Path) -> list[str]:
        count = self.space.sizes[2]
        for _, content in members(path, lambda name: _in_cars(path, name) == LIST, 1 << 20):
            types = content.decode("ascii", errors="replace").split()
            if len(types) != count or len(set(types)) != len(types):
                raise DataError(
                    f"{path}: {LIST} must name {count} different meshes, it names {len(types)} "
                    f"({len(set(types))} different)"
                )
            return types
        raise DataError(f"{path} has no member data/cars/{LIST}")


def _in_cars(path: Path, member: str) -> str | None:
    """Return the file name of a member of the folder of cars; None for others."""
    steps = PurePosixPath(member).parts
    return steps[-1] if path.is_dir() or steps[-3:-1] == ("data", "cars") else None


def _check_size(content: bytes) -> None:
    """Refuse a MATLAB 5 file whose compressed elements unpack to more than a mesh (a bomb).

    Elements are (type, bytes) and content; type 15 is zlib's. They follow a header of 128 bytes.
    """
    start = 128
    remaining = MEMBER_BYTES
    while start + 8 <= len(content):
        kind, size = struct.unpack_from("<II", content, start)
        if kind == 15:
            inside = zlib.decompressobj().decompress(content[start + 8 :][:size], remaining + 1)
            remaining -= len(inside)
            if remaining < 0:
                raise ValueError(f"it unpacks to more than {MEMBER_BYTES:,} bytes")
        start += 8 + size


def _mesh(place: str, content: bytes, shape: tuple[int, ...]) -> np.ndarray:
    """Return views (elevation · azimuth, 128, 128, 3) uint8 of one car, elevation slowest."""
    from scipy.io import loadmat

    try:
        _check_size(content)
        im = loadmat(BytesIO(content), variable_names=["im"]).get("im")
    # loadmat raises many types on damaged input.
    except Exception as error:
        raise DataError(f"{place} is not a whole MATLAB file: {error}") from error
    if im is None:
        raise DataError(f"{place} has no array `im`")
    if im.dtype != np.uint8 or im.shape != shape:
        raise DataError(
            f"{place}: `im` must be uint8 of shape {shape}, got {im.dtype} of shape {im.shape}"
        )
    return im.transpose(4, 3, 0, 1, 2).reshape(-1, 128, 128, 3)


def _halved(views: np.ndarray) -> np.ndarray:
    resized = (Image.fromarray(v).resize((64, 64), Image.Resampling.LANCZOS) for v in views)
    return np.stack(list(map(np.asarray, resized)))

"""Shapes3D: 480 000 RGB 64×64 images of a solid in a room."""

from pathlib import Path

from vae_granularity.data.files.cache import ImageStream
from vae_granularity.data.files.declaration import DatasetCard, HubTable, RemoteFile
from vae_granularity.data.files.readers import h5_images
from vae_granularity.data.grid import FactorGridDataModule
from vae_granularity.data.render.shapes3d import FACTORS

FILE = "3dshapes.h5"


class Shapes3D(FactorGridDataModule):
    """3D Shapes (Burgess and Kim 2018)."""

    image_sizes = (32, 64)
    card = DatasetCard(
        name="shapes3d",
        image_shape=(3, 64, 64),
        factors=FACTORS,
        cyclic_labels=("floor_hue", "wall_hue", "object_hue"),
        factor_kinds={"shape": "discrete"},
        files=(
            RemoteFile(
                FILE,
                urls=(f"https://storage.googleapis.com/3d-shapes/{FILE}",),
                sha256="0a0f6ed98baff276a50f3a081a7434d788da63cb135a98189b2a5b5769be1785",
                md5="099a2078d58cec4daad0702c55d06868",
                aliases=(f"3dshapes/{FILE}",),
            ),
        ),
        licence="Apache-2.0",
        citation="C. Burgess, H. Kim: 3D Shapes Dataset, 2018",
        homepage="https://github.com/google-deepmind/3d-shapes",
        renderer="vae_granularity.data.render.shapes3d",
        hub=HubTable("eurecom-ds/shapes3d"),
    )

    def read_official(self, files: dict[str, Path]) -> ImageStream:
        """Read `images` (N, 64, 64, 3) uint8 in index order; `labels` are not read."""
        return self.stream(h5_images(files[FILE], "images", self.official_shape))

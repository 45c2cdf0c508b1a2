"""MPI3D: 1 036 800 RGB 64×64 images of a robot arm that holds a solid, rendered or photographed."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Unpack

import numpy as np

from vae_granularity.data.base import SizedOptions
from vae_granularity.data.files.cache import ImageStream
from vae_granularity.data.files.declaration import DatasetCard, RemoteFile
from vae_granularity.data.files.readers import npz_images
from vae_granularity.data.grid import FactorGridDataModule
from vae_granularity.data.render.mpi3d import FACTORS
from vae_granularity.errors import choice

MD5 = {  # of the first mirror, which is gone; the copy on the hub should be the same bytes
    "toy": "55889cb7c7dfc655d6e0277beee88868",
    "realistic": "59a6225b88b635365f70c91b3e52f70f",
    "real": "0f33f609918fb5c97996692f91129802",
}


def _file(variant: str) -> RemoteFile:
    name = f"mpi3d_{variant}.npz"
    url = f"https://huggingface.co/datasets/waleedgondal/mpi3d/resolve/main/{name}"
    impostors = tuple((md5, f"mpi3d_{other}.npz") for other, md5 in MD5.items() if other != variant)
    return RemoteFile(name, urls=(url,), md5=MD5[variant], impostors=impostors)


class MPI3D(FactorGridDataModule):
    """MPI3D (Gondal et al., NeurIPS 2019).

    Args:
        variant: toy | realistic | real.
        factor_sizes: also opens the older releases, e.g. (4, 4, 2, 3, 3, 40, 40).
        options: as for `ImageDataModule`.
    """

    image_sizes = (32, 64)
    card = DatasetCard(
        name="mpi3d",
        image_shape=(3, 64, 64),
        factors=FACTORS,
        factor_kinds=dict.fromkeys(
            ("object_color", "object_shape", "background_color"), "discrete"
        ),
        files=(_file("toy"),),
        licence="CC BY 4.0",
        citation="M. W. Gondal et al.: On the Transfer of Inductive Bias from Simulation to the"
        " Real World, NeurIPS 2019",
        homepage="https://github.com/rr-learning/disentanglement_dataset",
        renderer="vae_granularity.data.render.mpi3d",
    )

    def __init__(
        self,
        *,
        variant: str = "toy",
        factor_sizes: Sequence[int] | None = None,
        **options: Unpack[SizedOptions],
    ) -> None:
        super().__init__(factor_sizes=factor_sizes, **options)
        self.variant = choice("dataset.variant", variant, tuple(MD5))
        self.card = replace(self.card, files=(_file(variant),))

    def renderer(self) -> Callable[..., np.ndarray]:
        """Return the function that draws the look of the variant."""
        return partial(super().renderer(), variant=self.variant)

    def read_official(self, files: dict[str, Path]) -> ImageStream:
        """Read `images` (N, 64, 64, 3) uint8 in index order; there are no labels."""
        path = files[self.card.files[0].name]
        return self.stream(npz_images(path, "images", self.official_shape))

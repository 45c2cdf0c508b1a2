"""MPI3D: 1 036 800 RGB 64×64 images of a robot arm that holds a solid; simple rendering, realistic
rendering, or photographs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from vae_granularity.data.factors import FactorSpace
from vae_granularity.data.files.cache import ImageStream
from vae_granularity.data.files.declaration import DatasetCard, HubTable, RemoteFile
from vae_granularity.data.files.npz import images_in
from vae_granularity.data.grid import FactorGridDataModule
from vae_granularity.errors import ArgumentError

MD5 = {  # of the first mirror, which is gone; the copy on the hub should be the same bytes
    "toy": "55889cb7c7dfc655d6e0277beee88868",
    "realistic": "59a6225b88b635365f70c91b3e52f70f",
    "real": "0f33f609918fb5c97996692f91129802",
}


def _file(variant: str) -> RemoteFile:
    name = f"mpi3d_{variant}.npz"
    return RemoteFile(
        name,
        urls=(f"https://huggingface.co/datasets/waleedgondal/mpi3d/resolve/main/{name}",),
        md5=MD5[variant],
        impostors=tuple(
            (md5, f"mpi3d_{other}.npz") for other, md5 in MD5.items() if other != variant
        ),
    )


FACTORS = FactorSpace(
    (
        "object_color",
        "object_shape",
        "object_size",
        "camera_height",
        "background_color",
        "horizontal_axis",
        "vertical_axis",
    ),
    (6, 6, 2, 3, 3, 40, 40),
)


class MPI3D(FactorGridDataModule):
    """MPI3D (Gondal et al., NeurIPS 2019).

    Args:
        variant: toy | realistic | real.
        factor_sizes: also opens the older releases, e.g. (4, 4, 2, 3, 3, 40, 40).
    """

    card = DatasetCard(
        name="mpi3d",
        image_shape=(3, 64, 64),
        factors=FACTORS,
        hub=HubTable(
            None, splits={"train": "train"}, labels=tuple(f"label_{name}" for name in FACTORS.names)
        ),
        files=(_file("toy"),),
        licence="CC BY 4.0",
        citation="M. W. Gondal et al.: On the Transfer of Inductive Bias from Simulation to the Real World, NeurIPS 2019",
        homepage="https://github.com/rr-learning/disentanglement_dataset",
        renderer="vae_granularity.data.render.mpi3d",
    )

    def __init__(
        self,
        *,
        source: str = "auto",
        data_dir: str | Path = "data",
        cache_dir: str | Path = "data_cache",
        batch_size: int = 64,
        seed: int = 0,
        val_fraction: float = 0.1,
        device: str = "cpu",
        hub_id: str | None = None,
        factor_sizes: Sequence[int] | None = None,
        variant: str = "toy",
    ) -> None:
        super().__init__(
            source=source,
            data_dir=data_dir,
            cache_dir=cache_dir,
            batch_size=batch_size,
            seed=seed,
            val_fraction=val_fraction,
            device=device,
            hub_id=hub_id,
            factor_sizes=factor_sizes,
        )
        if variant not in MD5:
            raise ArgumentError(
                f"dataset.variant must be one of {', '.join(MD5)} for mpi3d, got {variant!r}"
            )
        self.variant = variant
        self.card = replace(self.card, files=(_file(variant),))

    def renderer(self) -> Callable[[np.ndarray], np.ndarray]:
        """The look of the variant."""
        return partial(super().renderer(), variant=self.variant)

    @property
    def title(self) -> str:
        """Name for people, with the variant."""
        return super().title.replace(self.name, f"{self.name} {self.variant}", 1)

    @property
    def provenance(self) -> dict[str, Any]:
        """With the variant."""
        return super().provenance | {"variant": self.variant}

    def read_official(self, files: dict[str, Path]) -> ImageStream:
        """`images` (N, 64, 64, 3) uint8 in index order; there are no labels, they follow from the
        index.
        """
        return ImageStream(
            self.image_shape, {"train": self.space.size}, self._chunks(next(iter(files.values())))
        )

    def _chunks(self, path: Path) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        channels, height, width = self.image_shape
        for positions, images in images_in(
            path, "images", (self.space.size, height, width, channels)
        ):
            yield positions, images.transpose(0, 3, 1, 2)

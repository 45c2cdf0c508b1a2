"""One row of pictures from every data set that can be shown without a network: overview.png,
written next to this file. See README.md.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from vae_granularity.data.blocks import Blocks
from vae_granularity.data.cars3d import Cars3D
from vae_granularity.data.dsprites import DSprites
from vae_granularity.data.info import overview
from vae_granularity.data.mnist import MNIST
from vae_granularity.data.mpi3d import MD5, MPI3D
from vae_granularity.data.shapes3d import Shapes3D

HERE = Path(__file__).parent
MNIST_DIR = HERE.parents[1] / ".." / "shared" / "data" / "mnist"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        datasets = [
            *(dataset(source="rendered") for dataset in (DSprites, Shapes3D, Cars3D)),
            *(MPI3D(source="rendered", variant=variant) for variant in MD5),
            MNIST(source="official", data_dir=MNIST_DIR, cache_dir=folder, image_size=64),
            Blocks(image_size=64),
        ]
        for data in datasets:
            data.setup()
        overview(datasets).save(HERE / "overview.png", optimize=True)


if __name__ == "__main__":
    main()

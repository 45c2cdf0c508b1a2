"""CelebA: 202 599 aligned faces, 178×218, with 40 attributes and an official partition; used at
64×64.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from vae_granularity.data.base import ImageDataModule
from vae_granularity.data.celeba_lists import ATTRIBUTES, PARTS, read_attributes, read_partition
from vae_granularity.data.files.archive import members
from vae_granularity.data.files.cache import ImageStream
from vae_granularity.data.files.declaration import DatasetCard, HubTable, RemoteFile
from vae_granularity.errors import DataError

IMAGES, ATTRS, PARTITION = "img_align_celeba.zip", "list_attr_celeba.txt", "list_eval_partition.txt"
WIDTH, HEIGHT, CROP, SIZE = 178, 218, 148, 64
CHUNK = 512  # pictures decoded at a time


def _drive(file_id: str) -> tuple[str, ...]:
    return (
        f"https://drive.usercontent.google.com/download?id={file_id}&export=download&confirm=t",
    )


class CelebA(ImageDataModule):
    """CelebA (Liu, Luo, Wang and Tang, ICCV 2015), aligned and cropped; a folder `img_align_celeba`
    of jpgs or the zip.
    """

    card = DatasetCard(
        name="celeba",
        image_shape=(3, SIZE, SIZE),
        files=(
            RemoteFile(
                IMAGES,
                urls=_drive("0B7EVK8r0v71pZjFTYXZWM3FlRnM"),
                sha256="46fb89443c578308acf364d7d379fe1b9efb793042c0af734b6112e4fd3a8c74",
                aliases=("img_align_celeba", "Img/img_align_celeba.zip", "Img/img_align_celeba"),
                max_bytes=4 << 30,
            ),
            RemoteFile(
                ATTRS,
                urls=_drive("0B7EVK8r0v71pblRyaVFSWGxPY0U"),
                md5="75e246fa4810816ffd6ee81facbd244c",
                aliases=(f"Anno/{ATTRS}",),
            ),
            RemoteFile(
                PARTITION,
                urls=_drive("0B7EVK8r0v71pY0NSMzRuSXJEVkk"),
                md5="d32c9cbf5e040fd4025c592c306e6668",
                aliases=(f"Eval/{PARTITION}",),
            ),
        ),
        licence="non-commercial research only; the images may not be handed on",
        citation="Z. Liu, P. Luo, X. Wang, X. Tang: Deep Learning Face Attributes in the Wild, ICCV 2015",
        homepage="https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
        label_names=ATTRIBUTES,
        hub=HubTable(
            "flwrlabs/celeba",
            splits={"train": "train", "valid": "valid", "test": "test"},
            labels=ATTRIBUTES,
        ),
    )

    def pixels(self, picture: Image.Image) -> np.ndarray:
        """The central 148×148 of a 178×218 picture at 64×64, bilinear with antialiasing: (3, 64,
        64) uint8.
        """
        if picture.size != (WIDTH, HEIGHT):
            raise DataError(
                f"pictures of celeba must be {WIDTH}×{HEIGHT}, got {picture.size[0]}×{picture.size[1]}"
            )
        left, top = (WIDTH - CROP) // 2, (HEIGHT - CROP) // 2
        # Not resize(box=...): its filter looks at pixels outside the box.
        face = picture.convert("RGB").crop((left, top, left + CROP, top + CROP))
        return super().pixels(face.resize((SIZE, SIZE), Image.Resampling.BILINEAR))

    def read_official(self, files: dict[str, Path]) -> ImageStream:
        """Pictures in the order of the parts, within a part in the order of the attribute list."""
        names, attributes = read_attributes(files[ATTRS])
        partition = read_partition(files[PARTITION])
        if strangers := set(names) ^ set(partition):
            raise DataError(
                f"{files[PARTITION]} and {files[ATTRS].name} must list the same files; only in one: {sorted(strangers)[:3]}"
            )
        part = [list(PARTS.values()).index(partition[name]) for name in names]
        order = np.argsort(part, kind="stable")
        positions = {names[row]: position for position, row in enumerate(order)}
        counts = {
            name: part.count(number)
            for number, name in enumerate(PARTS.values())
            if part.count(number)
        }
        if "train" not in counts:
            raise DataError(f"{files[PARTITION]} puts no picture into the training part (0)")
        return ImageStream(
            self.image_shape,
            counts,
            self._chunks(files[IMAGES], positions),
            lambda: attributes[order],
        )

    def _chunks(
        self, path: Path, positions: dict[str, int]
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        left = set(positions)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            pictures = members(
                path,
                lambda name: PurePosixPath(name).name in positions,
                self.card.files[0].max_bytes,
            )
            while chunk := [picture for picture, _ in zip(pictures, range(CHUNK), strict=False)]:
                images = list(pool.map(lambda picture: self._decode(path, *picture), chunk))
                names = [PurePosixPath(name).name for name, _ in chunk]
                left.difference_update(names)
                yield np.array([positions[name] for name in names]), np.stack(images)
        if left:
            raise DataError(
                f"{path} lacks {len(left)} of the {len(positions)} pictures that the lists name, e.g. {min(left)}"
            )

    def _decode(self, path: Path, name: str, content: bytes) -> np.ndarray:
        try:
            with Image.open(BytesIO(content), formats=("JPEG",)) as picture:
                return self.pixels(picture)
        except DataError as error:
            raise DataError(f"{path}: {name}: {error}") from error
        except (OSError, Image.DecompressionBombError) as error:
            raise DataError(
                f"{path}: {name} is not a whole JPEG picture ({len(content):,} bytes): {error}"
            ) from error

"""CelebA: 202 599 aligned faces, 40 attributes, an official partition; 178×218, used at 64×64."""

import os
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

from vae_granularity.data.base import ImageDataModule
from vae_granularity.data.files.cache import ImageStream
from vae_granularity.data.files.declaration import DatasetCard, HubTable, RemoteFile
from vae_granularity.data.files.readers import Chunks, members
from vae_granularity.errors import DataError

IMAGES = "img_align_celeba.zip"
ATTRS = "list_attr_celeba.txt"
PARTITION = "list_eval_partition.txt"
MD5 = {ATTRS: "75e246fa4810816ffd6ee81facbd244c", PARTITION: "d32c9cbf5e040fd4025c592c306e6668"}
# Of the published pictures, and of the central square and the images as the field uses them.
WIDTH = 178
HEIGHT = 218
CROP = 148
SIZE = 64
CHUNK = 512  # pictures decoded at a time
SPLITS = {"0": "train", "1": "valid", "2": "test"}
_NAMES = """
    5_o_Clock_Shadow Arched_Eyebrows Attractive Bags_Under_Eyes Bald Bangs Big_Lips Big_Nose
    Black_Hair Blond_Hair Blurry Brown_Hair Bushy_Eyebrows Chubby Double_Chin Eyeglasses Goatee
    Gray_Hair Heavy_Makeup High_Cheekbones Male Mouth_Slightly_Open Mustache Narrow_Eyes No_Beard
    Oval_Face Pale_Skin Pointy_Nose Receding_Hairline Rosy_Cheeks Sideburns Smiling Straight_Hair
    Wavy_Hair Wearing_Earrings Wearing_Hat Wearing_Lipstick Wearing_Necklace Wearing_Necktie Young
"""
ATTRIBUTES = tuple(_NAMES.split())


def _file(name: str, drive_id: str, *aliases: str, **declared: Any) -> RemoteFile:
    url = f"https://drive.usercontent.google.com/download?id={drive_id}&export=download&confirm=t"
    return RemoteFile(name, urls=(url,), aliases=aliases, **declared)


class CelebA(ImageDataModule):
    """CelebA (Liu et al., ICCV 2015), aligned and cropped: the zip or a folder of its pictures.

    The central 148×148 at 64 is bilinear with antialiasing, as the field uses it; 32 and 128 are
    area means.
    """

    image_sizes = (32, 64, 128)
    card = DatasetCard(
        name="celeba",
        image_shape=(3, SIZE, SIZE),
        files=(
            _file(
                IMAGES,
                "0B7EVK8r0v71pZjFTYXZWM3FlRnM",
                # As Kaggle packs it, the folder lies in another of its name.
                *("img_align_celeba/img_align_celeba", "img_align_celeba"),
                *(f"Img/{IMAGES}", "Img/img_align_celeba"),
                sha256="46fb89443c578308acf364d7d379fe1b9efb793042c0af734b6112e4fd3a8c74",
                max_bytes=4 << 30,
            ),
            _file(
                ATTRS,
                "0B7EVK8r0v71pblRyaVFSWGxPY0U",
                *(f"Anno/{ATTRS}", "list_attr_celeba.csv"),
                md5=MD5[ATTRS],
            ),
            _file(
                PARTITION,
                "0B7EVK8r0v71pY0NSMzRuSXJEVkk",
                *(f"Eval/{PARTITION}", "list_eval_partition.csv"),
                md5=MD5[PARTITION],
            ),
        ),
        licence="non-commercial research only; the images may not be handed on",
        citation="Z. Liu, P. Luo, X. Wang, X. Tang: Deep Learning Face Attributes in the Wild,"
        " ICCV 2015",
        homepage="https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
        label_names=ATTRIBUTES,
        hub=HubTable(
            "flwrlabs/celeba", splits={name: name for name in SPLITS.values()}, labels=ATTRIBUTES
        ),
    )

    def pixels(self, picture: Image.Image) -> np.ndarray:
        """Return the central 148×148 of a picture at `image_size`: (3, size, size) uint8."""
        if picture.size != (WIDTH, HEIGHT):
            raise DataError(
                f"pictures of celeba must be {WIDTH}×{HEIGHT}, got {picture.width}×{picture.height}"
            )
        column = (WIDTH - CROP) // 2
        row = (HEIGHT - CROP) // 2
        # Not resize(box=...): its filter looks at pixels outside the box.
        face = picture.convert("RGB").crop((column, row, column + CROP, row + CROP))
        size = self.image_shape[-1]
        method = Image.Resampling.BILINEAR if size == SIZE else Image.Resampling.BOX
        return super().pixels(face.resize((size, size), method))

    @property
    def source_shape(self) -> tuple[int, ...]:
        """Pictures are resized as they are read."""
        return self.image_shape

    def read_official(self, files: dict[str, Path]) -> ImageStream:
        """Read pictures split by split, within a split in the order of the attribute list."""
        names, attributes = read_attributes(files[ATTRS])
        partition = read_partition(files[PARTITION])
        if strangers := sorted(set(names) ^ set(partition)):
            raise DataError(
                f"{files[PARTITION]} and {files[ATTRS].name} must list the same files; only in "
                f"one: {strangers[:3]}"
            )
        splits = [partition[name] for name in names]
        counts = {name: splits.count(name) for name in SPLITS.values() if name in splits}
        if "train" not in counts:
            raise DataError(f"{files[PARTITION]} puts no picture into the training part (0)")
        split_order = list(SPLITS.values())
        # Stable: within a split the order of the attribute list stays.
        order = np.argsort([split_order.index(name) for name in splits], kind="stable")
        positions = {names[row]: position for position, row in enumerate(order)}
        chunks = self._chunks(files[IMAGES], positions)
        return ImageStream(self.image_shape, counts, chunks, lambda: attributes[order])

    def _chunks(self, path: Path, positions: dict[str, int]) -> Chunks:
        missing = set(positions)
        limit = self.card.files[0].max_bytes
        pictures = members(path, lambda name: PurePosixPath(name).name in positions, limit)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            while chunk := list(islice(pictures, CHUNK)):
                images = list(pool.map(lambda picture: self._decode(path, *picture), chunk))
                names = [PurePosixPath(name).name for name, _ in chunk]
                missing.difference_update(names)
                yield np.array([positions[name] for name in names]), np.stack(images)
        if missing:
            raise DataError(
                f"{path} lacks {len(missing)} of the {len(positions)} pictures that the lists "
                f"name, e.g. {min(missing)}"
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


def _rows(path: Path) -> list[list[str]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not a text file: {error.reason}") from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    lines = [line for line in lines if line.strip()]
    # Kaggle's lists have commas; file names and numbers have no spaces.
    is_csv = path.suffix.lower() == ".csv"
    return [(line.replace(",", " ") if is_csv else line).split() for line in lines]


def read_attributes(path: Path) -> tuple[list[str], np.ndarray]:
    """Return file names (N) and attributes (N, 40) int64 of 0 and 1 (-1 and 1 in the file).

    Line 1 is N, line 2 names the 40 attributes, then one line a picture.

    Raises:
        DataError: no such lines, other attribute names, a value that is not -1 or 1, or N that is
            not the number of lines.
    """
    rows = _rows(path)
    num_attributes = len(ATTRIBUTES)
    if path.suffix.lower() == ".csv" and rows:
        # Kaggle's list has a column of file names, and no line with the number of pictures.
        first_line = 2
        rows = [[str(len(rows) - 1)], rows[0][1:], *rows[1:]]
    else:
        first_line = 3
    if len(rows) < 3 or len(rows[0]) != 1 or not rows[0][0].isdigit():
        raise DataError(
            f"{path} must begin with the number of pictures and a line of {num_attributes} "
            "attribute names"
        )
    count = int(rows[0][0])
    header = rows[1]
    body = rows[2:]
    if tuple(header) != ATTRIBUTES:
        strange = [name for name in header if name not in ATTRIBUTES]
        raise DataError(
            f"{path} must name the {num_attributes} attributes in the official order, got "
            f"{len(header)} names, not known: {strange[:5]}"
        )
    if count != len(body):
        raise DataError(f"{path} says {count} pictures and lists {len(body)}")
    for number, row in enumerate(body, start=first_line):
        if len(row) != 1 + num_attributes or not set(row[1:]) <= {"-1", "1"}:
            raise DataError(
                f"{path}, line {number}: must be a file name and {num_attributes} values -1 or 1, "
                f"got {' '.join(row)[:80]!r}"
            )
    names = [row[0] for row in body]
    if len(set(names)) < len(names):
        raise DataError(f"{path} lists a file name twice")
    return names, (np.array([row[1:] for row in body]) == "1").astype(np.int64)


def read_partition(path: Path) -> dict[str, str]:
    """Return the split (train, valid, test) of each file name.

    Raises:
        DataError: a line that is not a file name and 0, 1 or 2.
    """
    rows = list(enumerate(_rows(path), start=1))
    # Kaggle's list has a header.
    if path.suffix.lower() == ".csv":
        rows = rows[1:]
    partition = {}
    for number, row in rows:
        if len(row) != 2 or row[1] not in SPLITS:
            raise DataError(
                f"{path}, line {number}: must be a file name and 0, 1 or 2, got "
                f"{' '.join(row)[:80]!r}"
            )
        partition[row[0]] = SPLITS[row[1]]
    return partition

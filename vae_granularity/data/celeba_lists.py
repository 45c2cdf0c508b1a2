"""The two text lists of CelebA: attributes of each picture, and the official partition."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vae_granularity.errors import DataError

ATTRIBUTES = (
    "5_o_Clock_Shadow",
    "Arched_Eyebrows",
    "Attractive",
    "Bags_Under_Eyes",
    "Bald",
    "Bangs",
    "Big_Lips",
    "Big_Nose",
    "Black_Hair",
    "Blond_Hair",
    "Blurry",
    "Brown_Hair",
    "Bushy_Eyebrows",
    "Chubby",
    "Double_Chin",
    "Eyeglasses",
    "Goatee",
    "Gray_Hair",
    "Heavy_Makeup",
    "High_Cheekbones",
    "Male",
    "Mouth_Slightly_Open",
    "Mustache",
    "Narrow_Eyes",
    "No_Beard",
    "Oval_Face",
    "Pale_Skin",
    "Pointy_Nose",
    "Receding_Hairline",
    "Rosy_Cheeks",
    "Sideburns",
    "Smiling",
    "Straight_Hair",
    "Wavy_Hair",
    "Wearing_Earrings",
    "Wearing_Hat",
    "Wearing_Lipstick",
    "Wearing_Necklace",
    "Wearing_Necktie",
    "Young",
)
NUM_ATTRIBUTES = len(ATTRIBUTES)
PARTS = {"0": "train", "1": "valid", "2": "test"}


def _rows(path: Path) -> list[list[str]]:
    try:
        return [
            line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()
        ]
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not a text file: {error.reason}") from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error


def read_attributes(path: Path) -> tuple[list[str], np.ndarray]:
    """File names (N) and attributes (N, 40) int64 of 0 and 1 (-1 and 1 in the file).

    Line 1 is N, line 2 names the 40 attributes, then one line a picture.

    Raises:
        DataError: no such lines, other attribute names, a value that is not -1 or 1, or N that is
            not the number of lines.
    """
    rows = _rows(path)
    if len(rows) < 3 or len(rows[0]) != 1 or not rows[0][0].isdigit():
        raise DataError(
            f"{path} must begin with the number of pictures and a line of {NUM_ATTRIBUTES} attribute names"
        )
    count, header, body = int(rows[0][0]), rows[1], rows[2:]
    if tuple(header) != ATTRIBUTES:
        strange = [name for name in header if name not in ATTRIBUTES]
        raise DataError(
            f"{path} must name the {NUM_ATTRIBUTES} attributes in the official order, got {len(header)} names, not known: {strange[:5]}"
        )
    if count != len(body):
        raise DataError(f"{path} says {count} pictures and lists {len(body)}")
    for number, row in enumerate(body, start=3):
        if len(row) != 1 + NUM_ATTRIBUTES or not set(row[1:]) <= {"-1", "1"}:
            raise DataError(
                f"{path}, line {number}: must be a file name and {NUM_ATTRIBUTES} values -1 or 1, got {' '.join(row)[:80]!r}"
            )
    names = [row[0] for row in body]
    if len(set(names)) < len(names):
        raise DataError(f"{path} lists a file name twice")
    return names, (np.array([row[1:] for row in body]) == "1").astype(np.int64)


def read_partition(path: Path) -> dict[str, str]:
    """Part (train, valid, test) of each file name.

    Raises:
        DataError: a line that is not a file name and 0, 1 or 2.
    """
    rows = _rows(path)
    for number, row in enumerate(rows, start=1):
        if len(row) != 2 or row[1] not in PARTS:
            raise DataError(
                f"{path}, line {number}: must be a file name and 0, 1 or 2, got {' '.join(row)[:80]!r}"
            )
    return {name: PARTS[part] for name, part in rows}

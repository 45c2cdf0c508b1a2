"""Declaration of a data set: factors, files with origins and hashes, licence, citation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from vae_granularity.data.factors import FactorSpace
from vae_granularity.errors import DataError
from vae_granularity.files import digest_of_file

# Kinds of factors, as metrics take them: `discrete` ones have no order, `ordered` ones have.
FACTOR_KINDS = ("discrete", "ordered", "continuous")


@dataclass(frozen=True)
class RemoteFile:
    """One official file: its names, its origins, its hash."""

    name: str
    urls: tuple[str, ...] = ()
    sha256: str | None = None
    md5: str | None = None
    hash_of_content: bool = False  # inside the gzip: compressing again changes only the outside
    impostors: tuple[tuple[str, str], ...] = ()  # hashes and names of files mistaken for this one
    aliases: tuple[str, ...] = ()  # other names that people have it under
    max_bytes: int = 16 << 30  # of the file, and of what an archive unpacks to

    @property
    def digest(self) -> tuple[str, str] | None:
        """(algorithm, expected hex digest), or None when no hash is published."""
        if self.sha256:
            return "sha256", self.sha256
        return ("md5", self.md5) if self.md5 else None


@dataclass(frozen=True)
class HubTable:
    """A parquet data set on the Hugging Face hub, or a local folder with the same columns."""

    id: str | None = None  # None: no copy is known
    splits: dict[str, str] = field(default_factory=lambda: {"train": "train"})  # by our names
    labels: tuple[str | None, ...] = ()  # columns; None: a factor of one value that is left out
    image: str = "image"
    config: str | None = None


@dataclass(frozen=True)
class DatasetCard:
    """The declaration of one dataset."""

    name: str
    image_shape: tuple[int, ...]  # (C, H, W)
    files: tuple[RemoteFile, ...]
    licence: str
    citation: str
    homepage: str
    factors: FactorSpace | None = None
    label_names: tuple[str, ...] = ()
    # Labels whose last value lies beside the first, as hues and full turns; figures colour them so.
    cyclic_labels: tuple[str, ...] = ()
    # Of `FACTOR_KINDS`, by name; the others are ordered.
    factor_kinds: Mapping[str, str] = field(default_factory=dict)
    hub: HubTable = field(default_factory=HubTable)
    renderer: str | None = None
    max_value: int = 255  # of a pixel
    values: str = "unit"  # of an image once divided by it, a name of `values.VALUES`

    @property
    def hub_labels(self) -> tuple[str | None, ...]:
        """Columns of the hub's table; those of a grid without declared ones are `label_FACTOR`."""
        named = self.factors.names if self.factors else ()
        return self.hub.labels or tuple(f"label_{name}" for name in named)

    @property
    def hub_columns(self) -> tuple[str, ...]:
        """All columns that a table must have: the image and the labels."""
        return self.hub.image, *(label for label in self.hub_labels if label)


def verify(files: tuple[RemoteFile, ...], paths: dict[str, Path]) -> bool:
    """Return whether every file has its published hash; a folder never has.

    Raises:
        DataError: a file is known to be another one.
    """
    verified = True
    for file in files:
        path = paths[file.name]
        expected = file.digest
        if expected is None or path.is_dir():
            verified = False
            continue
        actual = digest_of_file(
            path, expected[0], of_content=file.hash_of_content, max_bytes=file.max_bytes
        )
        # Files of a family have the same shape: read as another one, nothing else would notice.
        if other := dict(file.impostors).get(actual):
            raise DataError(f"{path} is {other} under the name of {file.name}")
        verified &= actual == expected[1]
    return verified

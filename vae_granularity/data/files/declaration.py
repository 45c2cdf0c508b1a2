"""What a dataset declares about itself: factors, files with their origins and hashes, licence,
citation.
"""

from __future__ import annotations

from dataclasses import dataclass

from vae_granularity.data.factors import FactorSpace


@dataclass(frozen=True)
class RemoteFile:
    """One official file: its name, other names it is found under, where it comes from and what it
    hashes to.

    `hash_of_content` means that the hash is of the bytes inside the gzip (they are what matters,
    and compressing again changes the outside). `impostors` are hashes of other files that would
    pass for this one, with their names. `max_bytes` caps what an archive may unpack to.
    """

    name: str
    urls: tuple[str, ...] = ()
    sha256: str | None = None
    md5: str | None = None
    hash_of_content: bool = False
    impostors: tuple[tuple[str, str], ...] = ()
    aliases: tuple[str, ...] = ()
    max_bytes: int = 1 << 40

    @property
    def digest(self) -> tuple[str, str] | None:
        """(algorithm, expected hex digest), or None when no hash is published."""
        if self.sha256:
            return "sha256", self.sha256
        return ("md5", self.md5) if self.md5 else None


@dataclass(frozen=True)
class HubTable:
    """A parquet data set on the Hugging Face hub: id, image column, splits by our part names, one
    column for each label.

    Without an id no copy is known; a local folder with these columns is read all the same. A label
    column of None is a factor of one value that the table leaves out.
    """

    id: str | None
    splits: dict[str, str]
    labels: tuple[str | None, ...]
    image: str = "image"
    config: str | None = None


NO_HUB = HubTable(None, splits={}, labels=())


@dataclass(frozen=True)
class DatasetCard:
    """The declaration of one dataset. `image_shape` is (C, H, W); stored pixels run from 0 to
    `max_value`; `values` says what the images hold once divided by it (a name of `values.VALUES`).
    """

    name: str
    image_shape: tuple[int, ...]
    files: tuple[RemoteFile, ...]
    licence: str
    citation: str
    homepage: str
    factors: FactorSpace | None = None
    label_names: tuple[str, ...] = ()
    hub: HubTable = NO_HUB
    renderer: str | None = None
    max_value: int = 255
    values: str = "unit"

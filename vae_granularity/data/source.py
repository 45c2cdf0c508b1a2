"""Settle the source of a data set and convert its images into the cache, once for all runs."""

import logging
from collections.abc import Collection
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning import LightningDataModule
from PIL.Image import Image

from vae_granularity.data.files import cache, hub, sources
from vae_granularity.data.files.cache import Conversion, ImageStream
from vae_granularity.data.files.declaration import DatasetCard, verify
from vae_granularity.data.files.pictures import area_means
from vae_granularity.data.files.store import Store, array_store, open_array, packed_store
from vae_granularity.errors import ArgumentError, DataError, choice, user_path

log = logging.getLogger(__name__)

DEVICES = ("cpu", "mmap", "cuda")


class SourceDataModule(LightningDataModule):
    """Images by index, from the source that the arguments name; the arguments: `ImageDataModule`.

    `resolve` settles the source, `prepare_data` converts its images into the cache, and
    `open_store` opens them; nothing is opened before.
    """

    card: DatasetCard
    variant: str | None = None  # of the images: in titles and provenance
    packed = False
    # Those of data_dir and cache_dir that a config of unknown origin names: nothing is downloaded
    # to them, and images are converted there only if some have been converted there before.
    reads_only: Collection[str] = ()
    image_sizes: tuple[int, ...] = ()
    # Sides of images that the network takes are multiples of it; for data sets that choose a size.
    size_multiple = 1

    def __init__(
        self,
        *,
        source: str,
        data_dir: str | Path,
        cache_dir: str | Path,
        device: str,
        hub_id: str | None,
        image_size: int | None,
    ) -> None:
        super().__init__()
        self.name = self.card.name
        self.size_note = ""  # of the title, for other sizes than the usual one
        self._source_card: DatasetCard | None = None  # of the images before they are resized
        if image_size is not None:
            self.card = self._card_at(image_size)
        self.source = choice("dataset.source", source, sources.SOURCES)
        self.device = choice("dataset.device", device, DEVICES)
        if device == "cuda" and not torch.cuda.is_available():
            raise ArgumentError(
                "dataset.device=cuda needs a GPU and none is available; use cpu or mmap"
            )
        self.hub_id = hub_id
        self.data_dir = user_path("dataset.data_dir", data_dir)
        self.cache_dir = user_path("dataset.cache_dir", cache_dir)
        self.verified: bool | None = None
        self.files: dict[str, Path] = {}
        self.cache_directory: Path | None = None
        self._manifest: dict[str, Any] = {}
        self._labels = np.empty((0, 0), np.int64)

    def _card_at(self, size: int) -> DatasetCard:
        """Return the card with images of another size; means of binary pixels are gray."""
        if isinstance(size, bool) or size not in self.image_sizes:
            sizes = ", ".join(map(str, self.image_sizes))
            accepted = f"one of {sizes}" if sizes else "null"
            raise ArgumentError(
                f"dataset.image_size must be {accepted} for {self.card.name}, got {size!r}"
            )
        if size == self.card.image_shape[-1]:
            return self.card
        self.size_note = f" {size}x{size}"
        self._source_card = self.card
        return replace(
            self.card,
            image_shape=(self.card.image_shape[0], size, size),
            max_value=255,
            values="unit" if self.card.values == "binary" else self.card.values,
        )

    def read_official(self, files: dict[str, Path]) -> ImageStream:
        """Return the images of the official files, by declared name; subclasses read a format."""
        raise TypeError(f"{type(self).__name__} must define read_official()")

    def pixels(self, picture: Image) -> np.ndarray:
        """Return a picture of the hub as (C, H, W) uint8; subclasses crop and resize here."""
        return np.atleast_3d(np.asarray(picture)).transpose(2, 0, 1)

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(C, H, W)."""
        return self.card.image_shape

    @property
    def source_shape(self) -> tuple[int, ...]:
        """(C, H, W) of the images as they are read or drawn, before they are resized."""
        return (self._source_card or self.card).image_shape

    @property
    def cached_shape(self) -> tuple[int, ...]:
        """(C, H, W) of the images in the cache."""
        return self.image_shape

    @property
    def resize_scale(self) -> int:
        """Factor that maps pixel values to 0..255 before resizing."""
        return 255 // (self._source_card or self.card).max_value

    @property
    def parts(self) -> dict[str, int]:
        """Images in each official split (train, valid, test) in order, after `prepare_data`."""
        return self._manifest.get("parts", {})

    @property
    def fingerprint(self) -> dict[str, str]:
        """SHA-256 of each file of converted images, after `prepare_data`; none for drawn ones."""
        return {name: file["sha256"] for name, file in self._manifest.get("arrays", {}).items()}

    def inspect(self) -> None:
        """Look at the files as far as the card depends on them; calling it again changes nothing.

        Constructors open nothing, so that a config of unknown origin can be built, and be told
        where it may only read, before anything is opened.

        Raises:
            DataError: the files are not there, or may not be opened where `reads_only` says so.
        """

    def check_dependence(self) -> None:
        """Check arguments that name factors, before any image is opened."""

    def resolve(self) -> str:
        """Settle the source: `official`, `hub` or `rendered`; download missing official files.

        Raises:
            DataError: the source that was chosen does not exist or cannot be had; the message names
                the other ways.
        """
        # Found once: later calls must not settle on other files.
        if not self.files:
            self.source, self.files = sources.settle(
                self.card,
                self.source,
                self.hub_id,
                self.data_dir,
                self.cache_dir,
                fetch="data_dir" not in self.reads_only,
            )
        side = self.source_shape[-1]
        if self.source == "rendered" and self.image_shape[-1] > side:
            raise ArgumentError(
                f"dataset.image_size must be at most {side}, got {self.image_shape[-1]}: "
                f"source={self.source} draws {side}x{side}"
            )
        self.check_dependence()
        return self.source

    def prepare_data(self, *, thorough: bool = False) -> None:
        """Settle the source and convert its images into the cache, unless they are drawn on demand.

        With `thorough`, a cache that is already there is hashed, too.

        Raises:
            DataError: the images cannot be had, or are not what they should be.
        """
        self.resolve()
        conversion = None if self._manifest else self.conversion()
        if conversion is None:
            return
        self._check_cache()
        root = self.cache_dir / self.card.name
        # Resized binary images are gray: a bit a pixel would not hold them.
        packed = self.packed and self.cached_shape == self.source_shape
        directory = cache.directory_for(root, conversion.key, conversion.files)
        self.cache_directory = directory
        self._manifest = cache.prepare(directory, conversion.read, packed=packed, thorough=thorough)
        self.verified = self._manifest.get("verified")
        if self.verified is False:
            log.warning(
                "%s: the files in %s have no published hash that matches: used unverified",
                self.card.name,
                self.data_dir,
            )

    def conversion(self) -> Conversion | None:
        """Return how the images of the settled source are read; None if they are not cached."""
        sizes = self.card.factors.sizes if self.card.factors else None
        key = [self.source, self.cached_shape, sizes]
        if self.source == "official":
            return Conversion(key, self.files, self._official)
        if self.source == "hub":
            # The library writes below cache_dir, too.
            self._check_cache()
            table = hub.open_table(self.card, self.hub_id, self.cache_dir)
            card = replace(self.card, image_shape=self.source_shape)
            stream = partial(hub.read_table, card, table, self.pixels)
            return Conversion(key, hub.cache_files(table), lambda: self.sized(stream()))
        return None

    def _check_cache(self) -> None:
        if "cache_dir" in self.reads_only and not cache.is_known(self.cache_dir, self.card.name):
            raise DataError(
                f"the run's config sets cache_dir={self.cache_dir}, which is not an existing image "
                f"cache, so nothing is written there; to allow it: "
                f"paths.cache_dir={self.cache_dir}, or cache_dir= of load_run"
            )

    def _official(self) -> ImageStream:
        stream = self.read_official(self.files)
        stream.facts["verified"] = verify(self.card.files, self.files)
        return self.sized(stream)

    def sized(self, stream: ImageStream) -> ImageStream:
        """Return images as read, resized to those of the cache."""
        size = self.cached_shape[-1]
        if stream.shape[-1] == size:
            return stream
        scale = self.resize_scale
        chunks = ((rows, area_means(images, size, scale)) for rows, images in stream.chunks)
        return replace(stream, shape=(stream.shape[0], size, size), chunks=chunks)

    def open_store(self) -> Store:
        """Open the converted images; subclasses that draw or generate them override this."""
        assert self.cache_directory is not None, "prepare_data() comes first"
        images = open_array(self.cache_directory / cache.IMAGES, self.device)
        if cache.LABELS in self._manifest["arrays"]:
            self._labels = np.load(self.cache_directory / cache.LABELS, allow_pickle=False)
        return (packed_store if self._manifest["packed"] else array_store)(images)

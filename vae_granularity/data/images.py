"""A user's images: a folder of pictures, an .npz archive, or a Hugging Face data set."""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Unpack

import numpy as np

from vae_granularity.data.base import ImageDataModule, SizedOptions
from vae_granularity.data.factors import FactorSpace
from vae_granularity.data.files.cache import IMAGES, Conversion, ImageStream
from vae_granularity.data.files.declaration import FACTOR_KINDS, DatasetCard
from vae_granularity.data.files.pictures import COLOURS, LARGEST, PictureFormat
from vae_granularity.data.image_labels import Labels, labels_of
from vae_granularity.data.image_sources import KINDS, is_hub_id, is_table, open_images
from vae_granularity.errors import ArgumentError, DataError, choice, integer
from vae_granularity.files import digest
from vae_granularity.terminal import say

SOURCES = ("auto", "own")
log = logging.getLogger(__name__)


class Images(ImageDataModule):
    """A user's pictures; the card is derived from them.

    Labels that fill a grid, every combination of their values exactly once, are a grid of factors:
    all metrics apply. Other labels serve the metrics that need no grid; without any, only the
    unsupervised ones apply. All pictures are split by `val_fraction`, unless a data set of the
    `datasets` library brings a validation split; its test split is the test part.

    Args:
        path: a folder of pictures, nested too; an .npz archive with one array of images; a folder
            that `datasets` has saved, or one of parquet files; the id of a data set on the hub.
        factors: None; `folders` (the first folder on the way to a picture is its class); a CSV
            file whose first column names the pictures of a folder, or with a row an image, in
            order; names of columns of a data set or of arrays of an archive.
        factor_names: names to call the columns of `factors` by, in their order.
        factor_kinds: discrete, ordered or continuous: one word for all factors, or one by name;
            what is not named is discrete if its values are words, else ordered. Metrics see the
            rank of continuous factors, and of ordered ones that have few rows a value.
        channels: 1 (gray) or 3 (RGB) converts; None: as the first picture, and all must be so.
        mixed_sizes: pictures may differ in size; each is cropped and resized by itself.
        options: as for `ImageDataModule`; source is auto or own, the only one there is; data_dir
            and hub_id are not used. image_size is the side of the images: the central square by
            area means; nothing is enlarged. None: the largest size that the network takes and the
            shorter side of the first picture holds, if that side is at most 128.

    Raises:
        ArgumentError: an argument outside its range.

    The constructor opens nothing: `inspect` looks at the first picture, `prepare_data` reads all.
    """

    card = DatasetCard(
        name="images",
        image_shape=(1, 64, 64),
        files=(),
        licence="your own images",
        citation="",
        homepage="",
    )

    def __init__(
        self,
        *,
        path: str | None = None,
        factors: str | Sequence[str] | None = None,
        factor_names: Sequence[str] | None = None,
        factor_kinds: str | Mapping[str, str] | None = None,
        channels: int | None = None,
        mixed_sizes: bool = False,
        **options: Unpack[SizedOptions],
    ) -> None:
        # Both have another range here than in other data sets.
        source = options.pop("source", "auto")
        size = options.pop("image_size", None)
        super().__init__(**options)
        choice("dataset.source", source, SOURCES)
        self.source = "own"
        if channels not in (None, *COLOURS):
            raise ArgumentError(f"dataset.channels must be 1, 3 or null, got {channels!r}")
        if size is not None:
            integer("dataset.image_size", size, 1)
        if not isinstance(path, str) or not path:
            raise ArgumentError(f"dataset.path must be {KINDS}, got {path!r}")
        self.path = path
        self.factors = factors
        self.factor_names = factor_names
        by_name = factor_kinds if isinstance(factor_kinds, Mapping) else {"": factor_kinds}
        for name, kind in by_name.items():
            if kind is not None:
                place = "dataset.factor_kinds" + (f".{name}" if name else "")
                choice(place, kind, FACTOR_KINDS)
        self.declared_kinds = factor_kinds
        self.channels = channels
        self.mixed_sizes = mixed_sizes
        self.image_size = size
        self._is_open = False
        self._printed = False

    def inspect(self) -> None:
        """Look at the first picture, on whose size and colours the card depends.

        Raises:
            ArgumentError: dataset.image_size does not fit the pictures.
            DataError: nothing is at the path, its first picture is not 8-bit gray or RGB, or the
                path is a data set that the caller has not allowed to be fetched or converted.
        """
        if self._is_open:
            return
        if is_hub_id(self.path) and "cache_dir" in self.reads_only:
            raise DataError(
                f"the run names the data set {self.path} of the Hugging Face hub; if it may be "
                "asked for and converted, say where to: paths.cache_dir=FOLDER, or cache_dir= of "
                "load_run"
            )
        if is_table(self.path):
            # The library converts there.
            self._check_cache()
        self.pictures = open_images(self.path, self.cache_dir)
        channels, height, width = self.pictures.first.shape
        side = min(height, width)
        size = self._default_size(width, height) if self.image_size is None else self.image_size
        if size > side:
            raise ArgumentError(
                f"dataset.image_size must be at most {side}, got {size} for pictures of "
                f"{width}x{height}: nothing is enlarged"
            )
        self.format = PictureFormat(
            channels=self.channels or channels,
            height=None if self.mixed_sizes else height,
            width=None if self.mixed_sizes else width,
            size=size,
            convert=self.channels is not None,
        )
        self.card = replace(self.card, image_shape=self.format.shape)
        self._is_open = True

    def _default_size(self, width: int, height: int) -> int:
        """Return the largest size that the network takes and that enlarges nothing.

        Pictures smaller than the network's smallest size keep theirs, and it refuses them.

        Raises:
            ArgumentError: the pictures are so large that a size should be chosen.
        """
        side = min(width, height)
        if side > LARGEST:
            raise ArgumentError(
                f"dataset.image_size must be given, e.g. 64, got null for pictures of "
                f"{width}x{height}"
            )
        # Pictures below the multiple keep their size: the network's own message says what it takes.
        size = side - side % self.size_multiple or side
        if size != side:
            log.warning(
                "dataset.image_size=%d for pictures of %dx%d: the largest multiple of %d, which "
                "the network takes, that enlarges nothing (net=mlp takes any size)",
                size,
                width,
                height,
                self.size_multiple,
            )
        return size

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(C, H, W) of the first picture at `image_size`."""
        self.inspect()
        return super().image_shape

    @property
    def kind(self) -> str:
        """Name with the path's last part."""
        return f"images {self.path.rstrip('/').rpartition('/')[2]}"

    def resolve(self) -> str:
        """Open the images and return the only source there is, `own`."""
        self.inspect()
        return self.source

    def conversion(self) -> Conversion:
        """Return the key and the reader: a cache for each state of files, format and factors."""
        format_key = [list(self.format.shape), self.format.height, self.format.convert]
        stamp = json.dumps([self.pictures.stamp(), self.factors, self.factor_names], default=list)
        return Conversion([self.source, *format_key, digest(stamp)], {}, self._read)

    def _read_labels(self) -> Labels | None:
        if self.factors is None:
            return None
        count = sum(self.pictures.split_sizes.values())
        columns = self.pictures.columns(self.factors)
        return labels_of(columns, count, self.path, self.factor_names)

    def _read(self) -> ImageStream:
        # All labels before any picture: a mistake in them is reported before the long conversion.
        labels = self._read_labels()
        sizes = self.pictures.split_sizes
        # With official splits the order of images is split by split, not that of a grid.
        grid = labels.grid if labels is not None and len(sizes) == 1 else None
        order = np.arange(sum(sizes.values()))
        facts: dict[str, Any] = {}
        if grid is not None and labels is not None:
            order = grid.index(labels.codes)
            facts["factors"] = {"names": grid.names, "sizes": grid.sizes}
        elif labels is not None:
            facts["label_names"] = labels.names
        if labels is not None:
            self._kinds_of(labels.names, labels.words)  # a wrong name is refused before any picture
            facts["words"] = labels.words

        def chunks(start: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
            for images in self.pictures.rows(start, self.format):
                yield order[start : start + len(images)], images
                start += len(images)

        codes = (lambda: labels.codes) if labels is not None and grid is None else None
        return ImageStream(self.format.shape, sizes, chunks(0), codes, facts, order, chunks)

    def prepare_data(self, *, thorough: bool = False) -> None:
        """Convert the images; then complete the card with factors or labels, and print it once."""
        super().prepare_data(thorough=thorough)
        grid = self._manifest.get("factors")
        names = self._manifest.get("label_names", ())
        space = FactorSpace(tuple(grid["names"]), tuple(grid["sizes"])) if grid else None
        self.card = replace(self.card, factors=space, label_names=tuple(names))
        kinds = self._kinds_of(self.label_names, self._manifest.get("words", ()))
        self.card = replace(self.card, factor_kinds=kinds)
        self.check_dependence()
        if not self._printed:
            say(self.summary())
            self._printed = True

    def _kinds_of(self, names: Sequence[str], words: Sequence[str]) -> dict[str, str]:
        """Return the kinds of factors that are declared, or recognised by their words.

        Raises:
            ArgumentError: a kind is declared of a factor that there is not.
        """
        declared = self.declared_kinds
        if isinstance(declared, str):
            return dict.fromkeys(names, declared)
        for name in declared or {}:
            if name not in names:
                raise ArgumentError(
                    f"dataset.factor_kinds must be of {', '.join(names) or 'no factor'}, got {name}"
                )
        return dict.fromkeys(words, "discrete") | dict(declared or {})

    def summary(self) -> str:
        """Return the derived card in one line."""
        counts = ", ".join(f"{split} {count:,}" for split, count in self.parts.items())
        colour = COLOURS[self.format.channels]
        side = self.format.size
        labels = "no labels: unsupervised metrics only"
        if self.card.factors is not None:
            sizes = zip(self.card.factors.names, self.card.factors.sizes, strict=True)
            labels = "a grid of factors: " + ", ".join(f"{name} {size}" for name, size in sizes)
        elif self.card.label_names:
            labels = f"labels that fill no grid: {', '.join(self.card.label_names)}"
        return f"{self.kind}: {colour} {side}x{side}, {counts}; {labels}"

    @property
    def provenance(self) -> dict[str, Any]:
        """Provenance of every data set, the path and the checksum of the converted images."""
        return super().provenance | {
            "name": self.kind,
            "path": self.path,
            "factors": list(self.label_names),
            "images_sha256": self._manifest["arrays"][IMAGES]["sha256"],
        }

"""The one door to all datasets: sources, splits and batches behind a LightningDataModule."""

import copy
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Self, TypedDict, cast

import numpy as np
import torch
from lightning import LightningDataModule
from PIL.Image import Image
from torch.utils.data import DataLoader, Dataset

from vae_granularity import errors
from vae_granularity.data import batches
from vae_granularity.data.dependence import Dependence, draw_distinct, entries
from vae_granularity.data.factors import FactorSpace
from vae_granularity.data.files import cache, hub, sources
from vae_granularity.data.files.cache import Conversion, ImageStream
from vae_granularity.data.files.declaration import DatasetCard, verify
from vae_granularity.data.files.pictures import area_means
from vae_granularity.data.files.store import Store, array_store, open_array, packed_store
from vae_granularity.distributed import world
from vae_granularity.errors import ArgumentError, DataError
from vae_granularity.files import digest

log = logging.getLogger(__name__)

DEVICES = ("cpu", "mmap", "cuda")


class DataOptions(TypedDict, total=False):
    """What every data module takes, as in conf/dataset; `ImageDataModule` says what each does."""

    source: str
    data_dir: str | Path
    cache_dir: str | Path
    batch_size: int
    seed: int
    val_fraction: float
    device: str
    hub_id: str | None
    correlation: Sequence[Mapping[str, Any]] | None


class SizedOptions(DataOptions, total=False):
    """The same, of data sets whose pictures come in several sizes."""

    image_size: int | None


class ImageDataModule(LightningDataModule):
    """Images by index, seeded splits, and batches that are a pure function of (seed, step).

    A dataset is a subclass with a `card` and `read_official`. Indices are positions in one store;
    for a factor grid they are `FactorSpace` indices. What is asked of it, in the order of a run:

    - `resolve` settles the source and finds or downloads the official files;
    - `prepare_data` also converts them into the cache, once for all later runs;
    - `setup` also opens the images and draws the split: after it everything below works;
    - `images`, `labels`: of given indices; `batch_indices`: the indices of a training step;
    - `train_dataloader`: all batches of the run; `state_dict`: how many it has served so far;
    - `reseeded`: the same images, split and ordered anew; `provenance`: what results.json says.

    Args:
        source: auto | official | hub | rendered; `resolve` settles it and `source` then names the
            outcome.
        data_dir: holds the official files, directly or in a folder named after the dataset; takes
            downloads.
        cache_dir: holds the converted images.
        batch_size: B, of the training batches.
        seed: of the split and of the order of batches.
        val_fraction: part of the training images held out for validation, in [0, 1).
        device: where the uint8 images live: cpu (memory) | mmap (memory-mapped file) | cuda.
        hub_id: another hub id, or a local folder, in place of the declared one (same columns).
        correlation: factors that depend on each other in the training batches, as a list of
            {factors: [A, B], sigma: S} or {confounder: A, sigma: S} (`dependence`); None for none.
        image_size: side of the images, one of `image_sizes`; None is the usual one. Other sizes
            are area means of the source's images (`files.pictures`), converted once for each size.

    Raises:
        ArgumentError: an argument outside its range.
    """

    card: DatasetCard
    variant: str | None = None  # of the images: in titles and provenance
    packed = False
    # Of data_dir and cache_dir, those that a config of unknown origin has named: nothing is
    # downloaded to them, and converted only where images have been converted to before.
    reads_only: Collection[str] = ()
    image_sizes: tuple[int, ...] = ()
    # Of the sides of images that the network takes, for data sets that choose a size by themselves.
    size_multiple = 1

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
        correlation: Sequence[Mapping[str, Any]] | None = None,
        image_size: int | None = None,
    ) -> None:
        super().__init__()
        self.name = self.card.name
        self.size_note = ""  # of the title: where the size is not the usual one
        self._source_card: DatasetCard | None = None  # where the images are resized
        if image_size is not None:
            self.card = self._card_at(image_size)
        self.source = errors.choice("dataset.source", source, sources.SOURCES)
        self.device = errors.choice("dataset.device", device, DEVICES)
        if device == "cuda" and not torch.cuda.is_available():
            needed = "needs a GPU and none is available; use cpu or mmap"
            raise ArgumentError(f"dataset.device=cuda {needed}")
        self.batch_size = errors.integer("dataset.batch_size", batch_size, 1)
        self.seed = errors.integer("dataset.seed", seed, 0)
        if not 0 <= val_fraction < 1:
            raise ArgumentError(f"dataset.val_fraction must be in [0, 1), got {val_fraction}")
        self.val_fraction, self.hub_id = val_fraction, hub_id
        self.data_dir, self.cache_dir = Path(data_dir).expanduser(), Path(cache_dir).expanduser()
        self.step = 0
        self.entries = entries(correlation)
        self.dependence: Dependence | None = None
        self._labels = np.empty((0, 0), np.int64)
        self.verified: bool | None = None
        self.files: dict[str, Path] = {}
        self.cache_directory: Path | None = None
        self._manifest: dict[str, Any] = {}
        self._store: Store | None = None

    def read_official(self, files: dict[str, Path]) -> ImageStream:
        """The images of the official files, by declared name; subclasses read their own format."""
        raise TypeError(f"{type(self).__name__} must define read_official()")

    def pixels(self, picture: Image) -> np.ndarray:
        """A gray or RGB picture of the hub as (C, H, W) uint8; subclasses crop and resize here."""
        return np.atleast_3d(np.asarray(picture)).transpose(2, 0, 1)

    def _card_at(self, size: int) -> DatasetCard:
        """The card with images of another size; means of binary pixels are gray."""
        if isinstance(size, bool) or size not in self.image_sizes:
            several = f"one of {', '.join(map(str, self.image_sizes))}"
            accepted = f"{several if self.image_sizes else 'null'} for {self.card.name}"
            raise ArgumentError(f"dataset.image_size must be {accepted}, got {size!r}")
        if size == self.card.image_shape[-1]:
            return self.card
        self.size_note, self._source_card = f" {size}x{size}", self.card
        shape, values = (self.card.image_shape[0], size, size), self.card.values
        values = "unit" if values == "binary" else values
        return replace(self.card, image_shape=shape, max_value=255, values=values)

    @property
    def title(self) -> str:
        """Name for people: says what is unusual: size, factors that depend, rendered images."""
        dependent = ", dependent factors" if self.entries else ""
        rendered = " (rendered)" if self.source == "rendered" else ""
        return f"{self.kind}{self.size_note}{dependent}{rendered}"

    @property
    def kind(self) -> str:
        """Name of the data set, with its variant."""
        return f"{self.card.name} {self.variant}" if self.variant else self.card.name

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(C, H, W)."""
        return self.card.image_shape

    def inspect(self) -> None:
        """Look at the files as far as the card depends on them; calling it again changes nothing.

        Constructors open nothing, so that a config of unknown origin can be built and told first
        where it may only read.

        Raises:
            DataError: the files are not there, or may not be opened where `reads_only` says so.
        """

    @property
    def source_shape(self) -> tuple[int, ...]:
        """(C, H, W) of the images as they are read or drawn, before they are resized."""
        return (self._source_card or self.card).image_shape

    @property
    def cached_shape(self) -> tuple[int, ...]:
        """(C, H, W) of the images in the cache."""
        return self.image_shape

    @property
    def factor_space(self) -> FactorSpace | None:
        """The grid of generative factors, for datasets that have one."""
        return self.card.factors

    @property
    def label_names(self) -> tuple[str, ...]:
        """Names of the columns of `labels`."""
        return self.card.factors.names if self.card.factors else self.card.label_names

    @property
    def factor_kinds(self) -> tuple[str, ...]:
        """Return the kind of each column of `labels`: discrete, ordered or continuous."""
        return tuple(self.card.factor_kinds.get(name, "ordered") for name in self.label_names)

    def resolve(self) -> str:
        """Settle the source: `official`, `hub` or `rendered`; downloads missing official files.

        Raises:
            DataError: the source asked for does not exist or cannot be had; the message names the
                other ways.
        """
        if not self.files:
            folders, fetch = (self.data_dir, self.cache_dir), "data_dir" not in self.reads_only
            asked = (self.card, self.source, self.hub_id, *folders)
            self.source, self.files = sources.settle(*asked, fetch=fetch)
        side = self.source_shape[-1]
        if self.source == "rendered" and self.image_shape[-1] > side:
            got = f"got {self.image_shape[-1]}: source={self.source} draws {side}x{side}"
            raise ArgumentError(f"dataset.image_size must be at most {side}, {got}")
        self.check_dependence()
        return self.source

    def check_dependence(self) -> None:
        """Refuse a `correlation` of factors that there are not, before any image is opened.

        Raises:
            ArgumentError: it is so; or the data set has no labels.
        """
        if self.entries:
            sizes = self.factor_space.sizes if self.factor_space else (2,) * len(self.label_names)
            Dependence.of(self.entries, self.label_names, sizes)

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
        packed = self.packed and self.cached_shape == self.source_shape
        into = cache.directory_for(root, conversion.key, conversion.files)
        self.cache_directory = into
        self._manifest = cache.prepare(into, conversion.read, packed=packed, thorough=thorough)
        self.verified = self._manifest.get("verified")
        if self.verified is False:
            what = "have no published hash that matches: used unverified"
            log.warning("%s: the files in %s %s", self.card.name, self.data_dir, what)

    def conversion(self) -> Conversion | None:
        """How the images of the settled source come into the cache; None where they do not."""
        sizes = self.card.factors.sizes if self.card.factors else None
        key = [self.source, self.cached_shape, sizes]
        if self.source == "official":
            return Conversion(key, self.files, self._official)
        if self.source == "hub":
            self._check_cache()  # the library writes there too
            table = hub.open_table(self.card, self.hub_id, self.cache_dir)
            card = replace(self.card, image_shape=self.source_shape)
            stream = partial(hub.read_table, card, table, self.pixels)
            return Conversion(key, hub.cache_files(table), lambda: self.sized(stream()))
        return None

    def _check_cache(self) -> None:
        if "cache_dir" in self.reads_only and not cache.is_known(self.cache_dir, self.card.name):
            raise DataError(
                f"cache_dir={self.cache_dir} is named by a run directory and holds no images that "
                f"were converted before, so nothing is written there; if it should be: "
                f"paths.cache_dir={self.cache_dir}, or cache_dir= of load_run"
            )

    def _official(self) -> ImageStream:
        stream = self.read_official(self.files)
        stream.facts["verified"] = verify(self.card.files, self.files)
        return self.sized(stream)

    def sized(self, stream: ImageStream) -> ImageStream:
        """Images as read, at the size of those in the cache."""
        size = self.cached_shape[-1]
        if stream.shape[-1] == size:
            return stream
        scale = self.resize_scale
        chunks = ((where, area_means(images, size, scale)) for where, images in stream.chunks)
        return replace(stream, shape=(stream.shape[0], size, size), chunks=chunks)

    @property
    def resize_scale(self) -> int:
        """What pixels are multiplied by when images are resized: binary ones become gray."""
        return 255 // (self._source_card or self.card).max_value

    def setup(self, stage: str | None = None) -> None:
        """Open the images and draw the split; calling it again changes nothing."""
        if self._store is not None:
            return
        self.prepare_data()
        self._draw_split()
        self._store = self.open_store()  # it may take a while, and all arguments are checked
        self._weigh()

    def reseeded(self, seed: int) -> Self:
        """The images of this module, which is set up, split and ordered by another seed."""
        twin = copy.copy(self)
        twin.seed, twin.step, twin.trainer = seed, 0, None
        twin._draw_split()
        twin._weigh()
        return twin

    def _draw_split(self) -> None:
        sizes = self.parts
        train, valid = sizes["train"], sizes.get("valid", 0)
        self.train_indices, self.val_indices = batches.split(train, self.val_fraction, self.seed)
        if valid:  # an official validation part takes the place of the random split
            self.train_indices, self.val_indices = np.arange(train), train + np.arange(valid)
        self.test_indices = train + valid + np.arange(sizes["test"]) if "test" in sizes else None
        self.train_size = self.dataset_size = len(self.train_indices)  # N of the estimators
        self._order = batches.BatchOrder(self.train_indices, self.batch_size, self.seed)
        self.steps_per_epoch = self._order.steps_per_epoch  # whole batches in the training set

    def _weigh(self) -> None:
        """Where factors depend on each other, the order of batches that draws them so."""
        if not self.entries:
            return
        sizes = self.factor_space.sizes if self.factor_space else tuple(self._labels.max(0) + 1)
        self.dependence = Dependence.of(self.entries, self.label_names, sizes)
        p = self._probabilities(self.train_indices)
        self._order = batches.WeightedOrder(self.train_indices, p, self.batch_size, self.seed)
        # N: one over the probability that two draws are one image, the same for every split
        every = np.arange(len(self.train_indices) + len(self.val_indices))
        distinct = 1 / float((self._probabilities(every) ** 2).sum())
        share = self.train_size / len(every)
        self.dataset_size = max(self.batch_size, round(share * distinct))

    def _probabilities(self, among: np.ndarray) -> np.ndarray:
        assert self.dependence is not None, "setup() comes first"
        return self.dependence.probabilities(self._label_rows(among))

    def draw_dependent(self, among: np.ndarray, count: int, seed: int) -> np.ndarray:
        """`count` of the indices (n,), drawn independently as factors depend, by the seed."""
        rng = np.random.default_rng([seed, batches.DRAWS])
        return batches.drawn(among, np.cumsum(self._probabilities(among)), count, rng)

    def draw_distinct(self, among: np.ndarray, count: int, seed: int) -> np.ndarray:
        """Return different ones of the indices (n,), drawn as factors depend; see `dependence`.

        At most `count`: fewer where an image would have to be drawn twice.
        """
        rng = np.random.default_rng([seed, batches.DRAWS])
        return among[draw_distinct(self._probabilities(among), count, rng)]

    def dependence_stated(self) -> dict[str, Any]:
        """The pairs, and what they truly tell of each other among training images, in nats."""
        assert self.dependence is not None, "setup() comes first"
        return {
            "pairs": [pair._asdict() for pair in self.dependence.pairs],
            "mutual_information": self.dependence.information(self._label_rows(self.train_indices)),
            "effective_images": self.dataset_size,
        }

    def open_store(self) -> Store:
        """The images; subclasses that draw or generate them override this."""
        assert self.cache_directory is not None, "prepare_data() comes first"
        images = open_array(self.cache_directory / cache.IMAGES, self.device)
        if cache.LABELS in self._manifest["arrays"]:
            self._labels = np.load(self.cache_directory / cache.LABELS, allow_pickle=False)
        return (packed_store if self._manifest["packed"] else array_store)(images)

    @property
    def parts(self) -> dict[str, int]:
        """Images in each official part (train, valid, test) in order, after `prepare_data`."""
        return self._manifest.get("parts", {})

    @property
    def provenance(self) -> dict[str, Any]:
        """What the run was trained on, for results.json; complete after `setup`."""
        variant = {"variant": self.variant} if self.variant else {}
        return {
            "name": self.card.name,
            "source": self.source,
            "verified": self.verified,
            "files": {name: str(path) for name, path in self.files.items()},
            "licence": self.card.licence,
            "citation": self.card.citation,
            "seed": self.seed,
            "val_fraction": self.val_fraction,
            "train_size": self.train_size,
            "split_sha256": digest(self.train_indices.tobytes()),
        } | variant

    @property
    def fingerprint(self) -> dict[str, str]:
        """SHA-256 of each file of converted images, after `prepare_data`; none for drawn ones."""
        return {name: file["sha256"] for name, file in self._manifest.get("arrays", {}).items()}

    def images(self, indices: torch.Tensor | np.ndarray) -> torch.Tensor:
        """Images (n, C, H, W) float32 in [0, 1] of the indices (n,): one gather, then scaled."""
        assert self._store is not None, "setup() comes first"
        images = self._store(torch.as_tensor(indices)).to(torch.float32)
        return images if self.card.max_value == 1 else images.div_(self.card.max_value)

    def labels(self, indices: torch.Tensor | np.ndarray) -> np.ndarray | None:
        """Labels (n, L) int64 of the indices (n,), as in `label_names`; None without any."""
        return self._label_rows(indices) if self.label_names else None

    def _label_rows(self, indices: torch.Tensor | np.ndarray) -> np.ndarray:
        """As `labels`; L is 0 without any."""
        index = torch.as_tensor(indices).cpu().numpy()
        if self.factor_space is not None:
            return self.factor_space.factors(index)
        return self._labels[index] if self.label_names else np.empty((len(index), 0), np.int64)

    def batch_indices(self, step: int) -> torch.Tensor:
        """Indices (B,) int64 of training step `step`: a pure function of (seed, step)."""
        return self._order(step)

    def train_dataloader(self) -> batches.TrainBatches:
        """The batches of the whole run: one Lightning epoch is the run, on purpose."""
        self.setup()
        return batches.TrainBatches(self._steps_left, self._serve)

    def _steps_left(self) -> range:
        max_steps = self.trainer.max_steps if self.trainer is not None else -1
        return range(self.step, max_steps if max_steps >= 0 else self.step + self.steps_per_epoch)

    def _serve(self, step: int) -> torch.Tensor:
        """The batch of a step, which counts as served from now on; each process has its own."""
        self.step = step + 1
        rank, size = world()
        return self.images(self.batch_indices(step * size + rank))

    def torch_dataloader(
        self, first_step: int = 0, steps: int | None = None, **options: Any
    ) -> DataLoader:
        """The same batches in the same order as a torch DataLoader, whose own are the `options`.

        They are those of `steps` steps (one epoch by default) from `first_step` on.
        """
        self.setup()
        last = first_step + (self.steps_per_epoch if steps is None else steps)
        listed = [self.batch_indices(step) for step in range(first_step, last)]
        return _loader(listed, self.images, **options)

    def val_dataloader(self) -> DataLoader:
        """Held-out images in order: pairs of images (B, *image_shape) and labels (B, L) int64.

        L is 0 for data without labels; the last batch may be smaller.
        """
        self.setup()
        return self._labelled(self.val_indices)

    def test_dataloader(self) -> DataLoader:
        """The official test part, as `val_dataloader`.

        Raises:
            ArgumentError: the data set has no test part.
        """
        self.setup()
        if self.test_indices is None:
            raise ArgumentError(f"dataset={self.name} has no test part, use val_dataloader()")
        return self._labelled(self.test_indices)

    def _labelled(self, indices: np.ndarray) -> DataLoader:
        def pair(index: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return self.images(index), torch.from_numpy(self._label_rows(index))

        return _loader(torch.from_numpy(indices).split(self.batch_size), pair)

    def state_dict(self) -> dict[str, int]:
        """Batches served so far: a run that continues gets the batches it would have had."""
        return {"step": self.step}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Continue after the batches served before."""
        self.step = state_dict["step"]


def _loader(listed: Sequence[torch.Tensor], make: Callable[..., Any], **options: Any) -> DataLoader:
    """What `make` gives for each of the listed batches of indices."""
    options |= {"batch_size": None, "collate_fn": make}
    return DataLoader(cast(Dataset, listed), **options)  # a list has all that it asks for

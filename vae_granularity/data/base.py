"""The one door to all datasets: splits and batches of images behind a LightningDataModule."""

import copy
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TypedDict, cast

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from vae_granularity.data import batches
from vae_granularity.data.dependence import Dependence, draw_distinct, entries
from vae_granularity.data.factors import FactorSpace
from vae_granularity.data.files.store import Store
from vae_granularity.data.source import SourceDataModule
from vae_granularity.distributed import world
from vae_granularity.errors import ArgumentError, integer
from vae_granularity.files import digest


class DataOptions(TypedDict, total=False):
    """Options of every data module, as in conf/dataset; `ImageDataModule` describes them."""

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


class ImageDataModule(SourceDataModule):
    """Images by index, seeded splits, and batches that are a pure function of (seed, step).

    A dataset is a subclass with a `card` and `read_official`. Indices are positions in one store;
    for a factor grid they are `FactorSpace` indices. The methods, in the order of a run:

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
        val_fraction: share of the training images held out for validation, in [0, 1).
        device: where the uint8 images live: cpu (memory) | mmap (memory-mapped file) | cuda.
        hub_id: another hub id, or a local folder, in place of the declared one (same columns).
        correlation: factors that depend on each other in the training batches, as a list of
            {factors: [A, B], sigma: S} or {confounder: A, sigma: S} (`dependence`); None for none.
        image_size: side of the images, one of `image_sizes`; None is the usual one. Other sizes
            are area means of the source's images (`files.pictures`), converted once for each size.

    Raises:
        ArgumentError: an argument outside its range.
    """

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
        super().__init__(
            source=source,
            data_dir=data_dir,
            cache_dir=cache_dir,
            device=device,
            hub_id=hub_id,
            image_size=image_size,
        )
        self.batch_size = integer("dataset.batch_size", batch_size, 1)
        self.seed = integer("dataset.seed", seed, 0)
        if not 0 <= val_fraction < 1:
            raise ArgumentError(f"dataset.val_fraction must be in [0, 1), got {val_fraction}")
        self.val_fraction = val_fraction
        self.step = 0
        self.entries = entries(correlation)
        self.dependence: Dependence | None = None
        self._store: Store | None = None

    @property
    def title(self) -> str:
        """Name for people, which says what is unusual: size, dependent factors, rendered images."""
        dependent = ", dependent factors" if self.entries else ""
        rendered = " (rendered)" if self.source == "rendered" else ""
        return f"{self.kind}{self.size_note}{dependent}{rendered}"

    @property
    def kind(self) -> str:
        """Name of the data set, with its variant."""
        return f"{self.card.name} {self.variant}" if self.variant else self.card.name

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

    def check_dependence(self) -> None:
        """Check that `correlation` names factors of this data set, before any image is opened.

        Raises:
            ArgumentError: a factor that there is not; or the data set has no labels.
        """
        if self.entries:
            sizes = self.factor_space.sizes if self.factor_space else (2,) * len(self.label_names)
            Dependence.of(self.entries, self.label_names, sizes)

    def setup(self, stage: str | None = None) -> None:
        """Open the images and draw the split; calling it again changes nothing."""
        if self._store is not None:
            return
        self.prepare_data()
        # Last the store, which may take a while: all arguments are checked by then.
        self._draw_split()
        self._store = self.open_store()
        self._weigh()

    def reseeded(self, seed: int) -> Self:
        """Return the images of this module, which is set up, split and ordered by another seed."""
        twin = copy.copy(self)
        twin.seed = seed
        twin.step = 0
        # The trainer of this module ends at its own step.
        twin.trainer = None
        twin._draw_split()
        twin._weigh()
        return twin

    def _draw_split(self) -> None:
        sizes = self.parts
        train = sizes["train"]
        valid = sizes.get("valid", 0)
        if valid:
            # An official validation split takes the place of the random one.
            self.train_indices = np.arange(train)
            self.val_indices = train + np.arange(valid)
        else:
            self.train_indices, self.val_indices = batches.split(
                train, self.val_fraction, self.seed
            )
        self.test_indices = train + valid + np.arange(sizes["test"]) if "test" in sizes else None
        self.train_size = self.dataset_size = len(self.train_indices)  # N of the estimators
        self._order = batches.BatchOrder(self.train_indices, self.batch_size, self.seed)
        self.steps_per_epoch = self._order.steps_per_epoch  # whole batches in the training set

    def _weigh(self) -> None:
        """Set the order of batches that draws dependent factors, if there are any."""
        if not self.entries:
            return
        sizes = self.factor_space.sizes if self.factor_space else tuple(self._labels.max(0) + 1)
        self.dependence = Dependence.of(self.entries, self.label_names, sizes)
        p = self._probabilities(self.train_indices)
        self._order = batches.WeightedOrder(self.train_indices, p, self.batch_size, self.seed)
        # N is one over the probability that two draws are one image, the same for every split.
        indices = np.arange(len(self.train_indices) + len(self.val_indices))
        distinct = 1 / float((self._probabilities(indices) ** 2).sum())
        share = self.train_size / len(indices)
        self.dataset_size = max(self.batch_size, round(share * distinct))

    def _probabilities(self, among: np.ndarray) -> np.ndarray:
        assert self.dependence is not None, "setup() comes first"
        return self.dependence.probabilities(self._label_rows(among))

    def draw_dependent(self, among: np.ndarray, count: int, seed: int) -> np.ndarray:
        """Draw `count` of the indices (n,) independently, as factors depend, by the seed."""
        rng = np.random.default_rng([seed, batches.DRAWS])
        return batches.drawn(among, np.cumsum(self._probabilities(among)), count, rng)

    def draw_distinct(self, among: np.ndarray, count: int, seed: int) -> np.ndarray:
        """Return different ones of the indices (n,), drawn as factors depend; see `dependence`.

        At most `count`: fewer where an image would have to be drawn twice.
        """
        rng = np.random.default_rng([seed, batches.DRAWS])
        return among[draw_distinct(self._probabilities(among), count, rng)]

    def dependence_stated(self) -> dict[str, Any]:
        """Return the pairs, and the nats that they tell of each other among training images."""
        assert self.dependence is not None, "setup() comes first"
        return {
            "pairs": [pair._asdict() for pair in self.dependence.pairs],
            "mutual_information": self.dependence.information(self._label_rows(self.train_indices)),
            "effective_images": self.dataset_size,
        }

    @property
    def provenance(self) -> dict[str, Any]:
        """Name, source, files and split of the training images for results.json, after `setup`."""
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

    def images(self, indices: torch.Tensor | np.ndarray) -> torch.Tensor:
        """Return images (n, C, H, W) float32 in [0, 1] of the indices (n,): one gather, scaled."""
        assert self._store is not None, "setup() comes first"
        images = self._store(torch.as_tensor(indices)).to(torch.float32)
        return images if self.card.max_value == 1 else images.div_(self.card.max_value)

    def labels(self, indices: torch.Tensor | np.ndarray) -> np.ndarray | None:
        """Return labels (n, L) int64 of the indices (n,), as in `label_names`; None without any."""
        return self._label_rows(indices) if self.label_names else None

    def _label_rows(self, indices: torch.Tensor | np.ndarray) -> np.ndarray:
        """Return labels (n, L) int64; L is 0 without any."""
        index = torch.as_tensor(indices).cpu().numpy()
        if self.factor_space is not None:
            return self.factor_space.factors(index)
        return self._labels[index] if self.label_names else np.empty((len(index), 0), np.int64)

    def batch_indices(self, step: int) -> torch.Tensor:
        """Return indices (B,) int64 of training step `step`: a pure function of (seed, step)."""
        return self._order(step)

    def train_dataloader(self) -> batches.TrainBatches:
        """Return the batches of the whole run: one Lightning epoch is the run, on purpose."""
        self.setup()
        return batches.TrainBatches(self._remaining_steps, self._serve)

    def _remaining_steps(self) -> range:
        max_steps = self.trainer.max_steps if self.trainer is not None else -1
        return range(self.step, max_steps if max_steps >= 0 else self.step + self.steps_per_epoch)

    def _serve(self, step: int) -> torch.Tensor:
        """Return the batch of a step and count it as served; each process has its own."""
        # Processes take turns at the batches of one order, so that no image is seen twice.
        self.step = step + 1
        rank, size = world()
        return self.images(self.batch_indices(step * size + rank))

    def torch_dataloader(
        self, first_step: int = 0, steps: int | None = None, **options: Any
    ) -> DataLoader:
        """Return the same batches in the same order as a torch DataLoader with its `options`.

        They are those of `steps` steps (one epoch by default) from `first_step` on.
        """
        self.setup()
        last = first_step + (self.steps_per_epoch if steps is None else steps)
        index_batches = [self.batch_indices(step) for step in range(first_step, last)]
        return _loader(index_batches, self.images, **options)

    def val_dataloader(self) -> DataLoader:
        """Return held-out images in order: pairs of images (B, *image_shape), labels (B, L) int64.

        L is 0 for data without labels; the last batch may be smaller.
        """
        self.setup()
        return self._labelled(self.val_indices)

    def test_dataloader(self) -> DataLoader:
        """Return the official test part, as `val_dataloader`.

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
        """Return how many batches were served: a run that continues gets the next ones."""
        return {"step": self.step}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Continue after the batches served before."""
        self.step = state_dict["step"]


def _loader(
    index_batches: Sequence[torch.Tensor], collate: Callable[..., Any], **options: Any
) -> DataLoader:
    """Return a loader that collates each batch of indices."""
    # Batches are made here, one gather each; torch would ask for single images.
    options |= {"batch_size": None, "collate_fn": collate}
    # A list has all that a loader asks of a data set.
    return DataLoader(cast(Dataset, index_batches), **options)
